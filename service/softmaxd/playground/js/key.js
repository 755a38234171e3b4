// The key of a service that asks for one. It is kept for this tab only.

import { h } from "./dom.js";
import { keepText, keptText } from "./storage.js";

const NAME = "softmaxd-key";

/** The key, or an empty text. */
export function heldKey() {
  return keptText("sessionStorage", NAME) ?? "";
}

/** @type {Promise<boolean> | null} */
let asked = null;

/**
 * Ask the person for a key, once for all requests that wait for it; false if there is none.
 * @param {string} problem with the key that was sent, if one was
 */
export function askForKey(problem) {
  asked ??= showDialog(problem).finally(() => (asked = null));
  return asked;
}

/**
 * @param {string} problem
 * @returns {Promise<boolean>}
 */
async function showDialog(problem) {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("key"));
  const field = h("input", {
    type: "password",
    autocomplete: "off",
    required: true,
    pattern: "\\s*[!-~]+\\s*", // others cannot be sent in a header
    title: "Letters, digits and signs of ASCII, without blanks",
    id: "key-field",
    "aria-describedby": "key-problem",
    "aria-invalid": problem && "true",
  });
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { text: "This service needs a key" }),
    h("p", { class: "muted", text: "It is kept for this tab only, and sent to this service only." }),
    h("p", {}, h("label", { for: "key-field" }, "Key", field)),
    h("p", { class: "problem", id: "key-problem", role: "alert", text: problem }),
    h(
      "p",
      { class: "line" },
      h("button", { class: "primary", value: "use", text: "Use it" }),
      h("button", { value: "", formnovalidate: true, text: "Cancel" }),
    ),
  );
  dialog.setAttribute("aria-label", "Key");
  dialog.replaceChildren(form);
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (dialog.returnValue !== "use") {
    return false;
  }
  keepText("sessionStorage", NAME, field.value.trim());
  return true;
}

/** A button that forgets the key, for whoever shares this tab or has another key; nothing if none is held. */
export function forgetButton() {
  const forget = () => {
    keepText("sessionStorage", NAME, "");
    location.reload();
  };
  return heldKey() && h("button", { type: "button", class: "quiet", text: "Forget the key", onclick: forget });
}
