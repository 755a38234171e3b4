// The text of a table → records, one at a time, each as it stands in the file and as cells.

import { quoted } from "../../cells.js";

/** @typedef {import("../../cells.js").Column} Column */
/** @typedef {{line: number, text: string, cells: string[], problem: string}} Found */

const MOST_NAMES = 12; // in a message

/**
 * What separates cells: tabs in a spreadsheet's clipboard, semicolons where commas are in numbers.
 * @param {string} text
 */
function markOf(text) {
  const [first] = text.split("\n", 1);
  const count = (/** @type {string} */ mark) => first.split(mark).length;
  return first.includes("\t") ? "\t" : count(";") > count(",") ? ";" : ",";
}

export class Records {
  /** @param {string} text @param {string} [mark] between cells */
  constructor(text, mark = markOf(text)) {
    this.text = text;
    this.mark = mark;
    this.cell = new RegExp(`(?:"([^"]*(?:""[^"]*)*)"|([^${mark}\n]*?))(${mark}|\r?(?:\n|$))`, "y");
    this.at = 0;
    this.line = 1;
  }

  /**
   * The next record that is no empty line.
   * @returns {Found | null}
   */
  next() {
    while (this.at < this.text.length) {
      const { at, line } = this;
      const cells = [];
      let problem = "";
      let end = "";
      do {
        this.cell.lastIndex = this.at;
        const [, quoted, plain, mark] = /** @type {RegExpExecArray} */ (this.cell.exec(this.text));
        cells.push(quoted?.replaceAll('""', '"') ?? plain);
        problem ||= plain?.startsWith('"') ? "a quote is not closed, or text follows it" : "";
        this.at = this.cell.lastIndex;
        end = mark;
      } while (end === this.mark);
      const text = this.text.slice(at, this.at - end.length);
      this.line += text.split("\n").length;
      if (text !== "") {
        return { line, text, cells, problem };
      }
    }
    return null;
  }
}

/**
 * The cells of a record that was read before; none if its quotes are wrong.
 * @param {string} text
 * @param {string} mark
 */
export function cellsOf(text, mark) {
  const found = new Records(text, mark).next();
  return found && !found.problem ? found.cells : [];
}

/**
 * A record as a line of CSV: as it stands if it is one.
 * @param {string} text
 * @param {string} mark
 */
export function asCsv(text, mark) {
  return mark === "," ? text : cellsOf(text, mark).map(cell).join(",");
}

/**
 * A cell of CSV, in quotes if it needs them.
 * @param {string} text
 */
export function cell(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Where the values are in a record: by the names in the first one, in any order, or else in order. Raises an error.
 * @param {Found} first
 * @param {Column[]} columns
 * @param {boolean} isTensor its numbers may have any names, in order
 * @returns {{places: number[], names: string[], hasHeader: boolean}}
 */
export function layoutOf(first, columns, isTensor) {
  if (first.problem) {
    throw new Error(`Line ${first.line}: ${first.problem}.`);
  }
  const names = first.cells.map((name) => name.trim());
  const wanted = columns.map(({ name }) => name);
  if (wanted.some((name) => names.includes(name))) {
    return { places: wanted.map((name) => place(name, names)), names, hasHeader: true };
  }
  if (names.length !== wanted.length) {
    throw new Error(
      `The first line has ${names.length} ${names.length === 1 ? "column" : "columns"}, but the model takes ${wanted.length}: ${listed(wanted)}. Name these in the first line to have others beside them.`,
    );
  }
  const hasHeader = columns.every(({ type }, index) => type !== "BYTES" && type !== "BOOL" && isName(names[index]));
  if (hasHeader && !isTensor) {
    throw new Error(`The first line has ${listed(names)}. It should name ${listed(wanted)}, or be a row.`);
  }
  return { places: wanted.map((_, index) => index), names: hasHeader ? names : wanted, hasHeader };
}

/** @param {string} text */
function isName(text) {
  return Number.isNaN(Number(text.replace(",", ".")));
}

/** @param {string} name @param {string[]} names */
function place(name, names) {
  const at = names.indexOf(name);
  if (at < 0) {
    throw new Error(`The first line has no column ${quoted(name)}. Its columns are ${listed(names)}.`);
  }
  if (names.includes(name, at + 1)) {
    throw new Error(`The first line names ${quoted(name)} twice.`);
  }
  return at;
}

/** @param {string[]} names */
function listed(names) {
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : "";
  return names.slice(0, MOST_NAMES).map(quoted).join(", ") + more;
}
