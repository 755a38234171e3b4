// The frame of the page: its views, its theme, and errors that nobody caught.

import { get } from "./api.js";
import { h } from "./dom.js";
import { linkTo, readState } from "./state.js";

/** A view fills an element that is shown when it is done, and may return a function that ends whatever it has started.
 * @typedef {(main: HTMLElement, values: URLSearchParams) => void | (() => void) | Promise<void | (() => void)>} View */

/** @type {Record<string, {name: string, load: () => Promise<{view: View}>}>} */
const VIEWS = {
  explorer: { name: "Softmax", load: () => import("./views/explorer.js") },
  map: { name: "Map", load: () => import("./views/map.js") },
  draw: { name: "Draw", load: () => import("./views/draw.js") },
  try: { name: "Try", load: () => import("./views/try.js") },
  why: { name: "Why", load: () => import("./views/why.js") },
  model: { name: "Model", load: () => import("./views/model.js") },
  tour: { name: "Tour", load: () => import("./views/tour.js") },
};
const FIRST = "explorer";
const THEMES = ["system", "light", "dark"];
const THEME = "softmaxd-theme";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
/** @type {void | (() => void)} */
let end;
let shown = 0;

async function show() {
  const { view, values } = readState();
  const name = Object.hasOwn(VIEWS, view) ? view : FIRST;
  shown += 1;
  const turn = shown;
  const { view: fill } = await VIEWS[name].load();
  if (turn !== shown) {
    return; // another view was chosen meanwhile
  }
  end?.();
  end = undefined;
  document.title = `${VIEWS[name].name} · softmaxd`;
  for (const link of document.querySelectorAll("#views a")) {
    const isShown = link.getAttribute("href") === linkTo(name);
    link.toggleAttribute("aria-current", isShown);
    if (isShown) {
      link.scrollIntoView({ block: "nearest" }); // sideways, where the list is longer than the screen
    }
  }
  const filled = h("div");
  const stop = await fill(filled, values);
  if (turn !== shown) {
    stop?.();
    return;
  }
  end = stop;
  main.replaceChildren(...filled.childNodes);
}

function addTheme() {
  const button = /** @type {HTMLButtonElement} */ (document.getElementById("theme"));
  const root = document.documentElement;
  const tell = () => (button.textContent = `Theme: ${root.dataset.theme}`);
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "") + 1) % THEMES.length];
    root.dataset.theme = next;
    localStorage.setItem(THEME, next);
    tell();
  });
  tell();
}

function addLinks() {
  const list = /** @type {HTMLElement} */ (document.getElementById("views"));
  list.replaceChildren(
    ...Object.entries(VIEWS).map(([view, { name }]) => h("li", {}, h("a", { href: linkTo(view), text: name }))),
  );
}

async function tellVersion() {
  const { version } = await get("");
  const place = /** @type {HTMLElement} */ (document.getElementById("about"));
  place.textContent = `softmaxd ${version}. Every number on this page is an answer of this service.`;
}

addTheme();
addLinks();
addEventListener("hashchange", async () => {
  if (document.activeElement?.closest("#views") === null && location.hash === "#main") {
    return; // the link that skips to the content
  }
  await show();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
});
await show();
await tellVersion();
