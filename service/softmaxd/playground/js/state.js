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

/**
 * Put the state of the present view into the URL, without a new entry in the history.
 * @param {string} view
 * @param {Record<string, string | number | null | undefined>} values
 */
export function keepState(view, values) {
  history.replaceState(null, "", linkTo(view, values));
}

/**
 * Numbers of a list like `0.7,1.5,4.8`, or null if it is no such list.
 * @param {string | null} text
 */
export function numbersOf(text) {
  const numbers = (text ?? "").split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
  return numbers.every(Number.isFinite) ? numbers : null;
}
