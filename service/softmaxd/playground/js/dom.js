// Elements, made from plain objects: no library, and nothing that the page's policy forbids.

/** @typedef {Node | string | number | null | undefined | false} Child */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element of HTML. Keys that start with `on` are listeners; `class`, `text` and custom properties (`--x`) are
 * what they say; true and false set and remove an attribute; anything else is an attribute.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  set(element, properties);
  append(element, children);
  return element;
}

/**
 * Make an element of SVG.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [properties]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  set(element, properties);
  append(element, children);
  return element;
}

/**
 * Set properties of an element, as `h` does.
 * @param {Element} element
 * @param {Record<string, any>} properties
 */
export function set(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (name.startsWith("--")) {
      /** @type {HTMLElement} */ (element).style.setProperty(name, String(value));
    } else if (name === "text") {
      element.textContent = String(value);
    } else if (name === "value" && "value" in element) {
      element.value = String(value);
    } else if (value === false || value === null || value === undefined) {
      element.removeAttribute(name);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/**
 * Add children; null, undefined and false are none.
 * @param {Element} element
 * @param {Child[]} children
 */
function append(element, children) {
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) {
      element.append(typeof child === "number" ? String(child) : child);
    }
  }
}

/**
 * Say something to a screen reader.
 * @param {string} text
 */
export function say(text) {
  const place = document.getElementById("said");
  if (place) {
    place.textContent = text;
  }
}

/**
 * Return a line of code with a button that copies it, and the function that changes the code.
 * @param {string} name what the code is, for a screen reader
 * @returns {{element: HTMLElement, show: (code: string) => void}}
 */
export function codeLine(name) {
  const code = h("code", { "aria-label": name });
  const copy = h("button", {
    type: "button",
    text: "Copy",
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(code.textContent ?? "");
        say("Copied");
        copy.textContent = "Copied";
      } catch {
        getSelection()?.selectAllChildren(code); // a page that is not secure may not write: the person can
        copy.textContent = "Selected";
      }
      setTimeout(() => (copy.textContent = "Copy"), 1500);
    },
  });
  return {
    element: h("div", { class: "code" }, h("pre", { tabindex: "0" }, code), copy),
    show: (text) => (code.textContent = text),
  };
}
