// The text of a table → records, one at a time, each as it stands in the file and as cells.

import { quoted } from "../../cells.js";

/** @typedef {import("../../cells.js").Column} Column */
/** @typedef {{line: number, text: string, cells: string[], problem: string}} Found */

const MOST_NAMES = 12; // in a message

/**
 * What separates cells: tabs in a spreadsheet's clipboard, semicolons where commas are in numbers.
 * @param {string} text
 */
export function markOf(text) {
  const first = text.slice(0, text.search(/[\r\n]|$/));
  const count = (/** @type {string} */ mark) => first.split(mark).length;
  return first.includes("\t") ? "\t" : count(";") > count(",") ? ";" : ",";
}

export class Records {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
    this.mark = markOf(text);
    this.at = 0;
    this.line = 1;
  }

  /**
   * The next record that is no empty line.
   * @returns {Found | null}
   */
  next() {
    while (this.at < this.text.length) {
      const line = this.line;
      const start = this.at;
      const end = this.lineEnd(start);
      const text = this.text.slice(start, end);
      if (text === "") {
        this.move(end);
      } else if (!text.includes('"')) {
        this.move(end);
        return { line, text, cells: text.split(this.mark), problem: "" };
      } else {
        return this.withQuotes(start, end);
      }
    }
    return null;
  }

  /**
   * A record in which cells may have quotes, and so marks and ends of lines.
   * @param {number} start
   * @param {number} lineEnd
   * @returns {Found}
   */
  withQuotes(start, lineEnd) {
    const { text, line, mark } = this;
    const cells = [];
    let at = start;
    let end = lineEnd;
    let problem = "";
    for (;;) {
      let stop = nearest(text.indexOf(mark, at), end);
      if (text[at] === '"') {
        const close = closing(text, at + 1);
        if (close < 0) {
          problem = "a quote is not closed";
          break;
        }
        cells.push(text.slice(at + 1, close).replaceAll('""', '"'));
        end = close > end ? this.lineEnd(close) : end;
        stop = close + 1;
        if (stop < end && text[stop] !== mark) {
          problem = "text follows a closing quote";
          break;
        }
      } else {
        cells.push(text.slice(at, stop));
      }
      if (stop >= end) {
        break;
      }
      at = stop + 1;
    }
    this.move(end);
    return { line, text: text.slice(start, end), cells, problem };
  }

  /** @param {number} from */
  lineEnd(from) {
    const found = nearest(this.text.indexOf("\n", from), this.text.length);
    return found > from && this.text[found - 1] === "\r" ? found - 1 : found;
  }

  /** @param {number} end of a record, before its line break */
  move(end) {
    for (let at = this.text.indexOf("\n", this.at); at >= 0 && at < end; at = this.text.indexOf("\n", at + 1)) {
      this.line += 1;
    }
    this.at = end + (this.text[end] === "\r" ? 2 : 1);
    this.line += 1;
  }
}

/**
 * The cells of a record that was read before; none if its quotes are wrong.
 * @param {string} text
 * @param {string} mark
 */
export function cellsOf(text, mark) {
  const records = new Records(text);
  records.mark = mark;
  const found = records.next();
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

/** @param {string} text @param {number} from */
function closing(text, from) {
  let at = text.indexOf('"', from);
  while (at >= 0 && text[at + 1] === '"') {
    at = text.indexOf('"', at + 2);
  }
  return at;
}

/** @param {number} found @param {number} end */
function nearest(found, end) {
  return found < 0 || found > end ? end : found;
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
      `The first line has ${names.length} columns, but the model takes ${wanted.length}: ${listed(wanted)}. Name these in the first line to have others beside them.`,
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
