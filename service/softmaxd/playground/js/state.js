// The state of a view is in the URL, so that a view can be shared: `#map?model=blobs&at=3,4`.

/** @typedef {{view: string, values: URLSearchParams}} State */

/** @returns {State} */
export function readState() {
  const [view, query] = location.hash.slice(1).split("?");
  return { view, values: new URLSearchParams(query) };
}

/**
 * The link to a state.
 * @param {string} view
 * @param {Record<string, string | number | null | undefined>} [values] empty ones are left out
 */
export function linkTo(view, values = {}) {
  const query = Object.entries(values)
    .filter(([, value]) => value !== "" && value !== null && value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value)).replaceAll("%2C", ",")}`);
  return `#${view}${query.length ? `?${query.join("&")}` : ""}`;
}

const PAUSE = 400; // milliseconds between two changes: browsers refuse more than 100 in 30 seconds
let timer = 0;
let last = Number.NEGATIVE_INFINITY;
let keep = () => {};

/**
 * Put the state of a view into the URL, without a new entry in the history: soon, unless another view is shown then.
 * @param {string} view
 * @param {Record<string, string | number | null | undefined>} values
 */
export function keepState(view, values) {
  keep = () => {
    forget();
    if (readState().view === view) {
      history.replaceState(null, "", linkTo(view, values));
      last = performance.now();
    }
  };
  clearTimeout(timer);
  timer = setTimeout(() => keep(), last + PAUSE - performance.now());
}

function forget() {
  clearTimeout(timer);
  keep = () => {};
}

addEventListener("hashchange", forget); // the person chose another state
addEventListener("pagehide", () => keep());

/**
 * Numbers of a list like `0.7,1.5,4.8`, or null if it is no such list.
 * @param {string | null} text
 */
export function numbersOf(text) {
  const numbers = (text ?? "").split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
  return numbers.every(Number.isFinite) ? numbers : null;
}
