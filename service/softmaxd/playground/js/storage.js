// Texts that the browser keeps, or does not: people may forbid it, and then the page goes on without.

/** `sessionStorage` is kept for the tab only. @typedef {"localStorage" | "sessionStorage"} Kind */

/** @type {Map<string, string>} */
const own = new Map(); // until the page is left

/**
 * @param {Kind} kind
 * @param {string} name
 * @returns {string | null}
 */
export function keptText(kind, name) {
  try {
    return window[kind].getItem(name);
  } catch {
    return own.get(name) ?? null;
  }
}

/**
 * @param {Kind} kind
 * @param {string} name
 * @param {string} text
 */
export function keepText(kind, name, text) {
  own.set(name, text);
  try {
    window[kind].setItem(name, text);
  } catch {
    // this page has it
  }
}
