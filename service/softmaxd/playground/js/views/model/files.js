// The files of a version: its card, the pictures of the card, and its manifest.

import { ask, pathOf } from "../../api.js";
import { h } from "../../dom.js";
import { heldKey } from "../../key.js";

/** @typedef {import("../../api.js").Model} Model */

const KEPT = 60_000; // milliseconds for which a downloaded file is held

/**
 * Links to the files of a version. Its pictures are shown when asked for.
 * @param {Model} model
 */
export async function files(model) {
  let card = "";
  try {
    card = await (await ask(pathOf(model, "card"))).text();
  } catch {
    // a model that was added has no card
  }
  const names = [...card.matchAll(/!\[([^\]]*)\]\(([^)/]+\.(?:png|svg))\)/g)];
  const pictures = names.map(([, alt, name]) => {
    const image = h("img", { alt });
    const show = async () => image.setAttribute("src", await asData(pathOf(model, name)));
    return { element: link(model, name, name, image), show };
  });
  const thumbs = h("details", {}, h("summary", { text: `Pictures of the card (${pictures.length})` }));
  thumbs.append(h("div", { class: "thumbs" }, ...pictures.map(({ element }) => element)));
  thumbs.addEventListener("toggle", () => Promise.all(pictures.map(({ show }) => show())), { once: true });
  return h(
    "div",
    {},
    h(
      "p",
      { class: "line" },
      card && link(model, "card", "card.md", "card.md"),
      link(model, "manifest", "manifest.json", "manifest.json"),
    ),
    pictures.length > 0 && thumbs,
  );
}

/**
 * A link to a file. A browser does not send the key when it follows one, so then the page asks for the file itself.
 * @param {Model} model
 * @param {string} path of the file
 * @param {string} name
 * @param {import("../../dom.js").Child} shown
 */
function link(model, path, name, shown) {
  const href = pathOf(model, path);
  const open = async (/** @type {Event} */ event) => {
    if (heldKey()) {
      event.preventDefault();
      const url = URL.createObjectURL(await (await ask(href)).blob());
      h("a", { href: url, download: `${model.name}-${model.version}-${name}` }).click();
      setTimeout(() => URL.revokeObjectURL(url), KEPT);
    }
  };
  return h("a", { href, onclick: open }, shown);
}

/**
 * A picture as a URL that has all its bytes, for which nothing more is asked.
 * @param {string} path
 * @returns {Promise<string>}
 */
async function asData(path) {
  const picture = await (await ask(path)).blob();
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(String(reader.result)));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(picture);
  });
}
