// What the parts of the card are made of.

import { h } from "../../dom.js";

/** @typedef {import("../../dom.js").Child} Child */

/**
 * A titled part.
 * @param {string} title
 * @param {...Child} children
 */
export function panel(title, ...children) {
  return h("section", { class: "panel", "aria-label": title }, h("h2", { text: title }), ...children);
}

/**
 * A table in a box that scrolls. The first cell of a row names it; texts that are not numbers come with `words`.
 * @param {string} name for a screen reader
 * @param {string[]} heads
 * @param {Child[][]} rows
 * @param {number} [words] columns of words: those from this one on
 */
export function table(name, heads, rows, words = heads.length) {
  const kind = (/** @type {number} */ index) => (index && index < words ? "number" : "");
  return h(
    "div",
    { class: "scroll tall", tabindex: "0", role: "group", "aria-label": name },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...heads.map((text, index) => h("th", { scope: "col", text, class: kind(index) })))),
      h(
        "tbody",
        {},
        ...rows.map(([first, ...cells]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, typeof first === "string" ? h("span", { class: "label", text: first }) : first),
            ...cells.map((cell, index) => h("td", { class: kind(index + 1) }, cell)),
          ),
        ),
      ),
    ),
  );
}

/** @param {string} text */
export function note(text) {
  return h("p", { class: "muted small", text });
}
