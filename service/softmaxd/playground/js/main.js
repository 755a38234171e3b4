// The frame of the page: its views, its theme, and errors that nobody caught.

import { get, Refused } from "./api.js";
import { h, set } from "./dom.js";
import { forgetButton } from "./key.js";
import { linkTo, readState } from "./state.js";
import { keepText } from "./storage.js";

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
  if (name !== view) {
    history.replaceState(null, "", linkTo(name));
  }
  shown += 1;
  const turn = shown;
  const isOver = () => turn !== shown; // another view was chosen meanwhile
  const filled = h("div");
  let stop;
  try {
    const { view: fill } = await VIEWS[name].load();
    if (isOver()) {
      return;
    }
    leave(name);
    stop = await fill(filled, values);
  } catch (error) {
    if (!isOver()) {
      leave(name);
    }
    filled.replaceChildren(...failure(name, /** @type {Error} */ (error)));
  }
  if (isOver()) {
    stop?.();
    return;
  }
  end = stop;
  main.replaceChildren(...filled.childNodes);
  main.removeAttribute("aria-busy");
}

/**
 * End the view that was shown, and name the next one.
 * @param {string} next
 */
function leave(next) {
  end?.();
  end = undefined;
  main.setAttribute("aria-busy", "true"); // the view before is still seen, but does nothing any more
  document.title = `${VIEWS[next].name} · softmaxd`;
  for (const link of document.querySelectorAll("#views a")) {
    const isShown = link.getAttribute("href") === linkTo(next);
    set(link, { "aria-current": isShown && "page" });
    if (isShown) {
      link.scrollIntoView({ block: "nearest" }); // sideways, where the list is longer than the screen
    }
  }
}

/**
 * A view that could not be filled. A module that did not come once is asked for again only by a new page.
 * @param {string} name
 * @param {Error} error
 */
function failure(name, error) {
  const isTold = error instanceof Refused;
  const text = isTold ? error.message : `This view could not be shown: ${error.message}`;
  const again = isTold ? show : () => location.reload();
  return [
    h("h1", { text: VIEWS[name].name }),
    h("p", { class: "problem", role: "alert", text }),
    h("p", {}, h("button", { type: "button", text: "Try again", onclick: again })),
  ];
}

function addTheme() {
  const button = /** @type {HTMLButtonElement} */ (document.getElementById("theme"));
  const root = document.documentElement;
  const tell = () => (button.textContent = `Theme: ${root.dataset.theme}`);
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "") + 1) % THEMES.length];
    root.dataset.theme = next;
    keepText("localStorage", THEME, next);
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

/** A file that is dropped goes to the view that takes one. By itself, a browser would leave the page for it. */
function takeDrops() {
  for (const name of /** @type {const} */ (["dragover", "dragleave", "drop"])) {
    addEventListener(name, (event) => {
      const files = event.dataTransfer;
      if (files === null || !files.types.includes("Files")) {
        return;
      }
      event.preventDefault();
      const field = /** @type {HTMLInputElement | null} */ (main.querySelector('input[type="file"]'));
      field?.closest(".panel")?.classList.toggle("over", name === "dragover");
      if (field === null) {
        files.dropEffect = "none";
      } else if (name === "drop") {
        field.files = files.files;
        field.dispatchEvent(new Event("change"));
      }
    });
  }
}

async function tellVersion() {
  const { version } = await get("").catch(() => ({ version: "" })); // the view tells if the service is gone
  const place = /** @type {HTMLElement} */ (document.getElementById("about"));
  const text = `${`softmaxd ${version}`.trim()}. The probabilities on this page are its answers.`;
  place.replaceChildren(text, forgetButton());
}

addTheme();
addLinks();
takeDrops();
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault(); // the URL keeps the state
  main.focus();
});
addEventListener("hashchange", async () => {
  await show();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
});
await show();
await tellVersion();
