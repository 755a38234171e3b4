// Values as people write them → JSON, digit by digit: no number is read and printed again.

/** A value of a row: a feature, or one number of a tensor.
 * `missing` are the texts that stand for a missing value, beside the empty one.
 * @typedef {{name: string, type: string, nullable: boolean, missing: Set<string>}} Column */
/** @typedef {import("./api.js").Model} Model */

/** The usual words for a missing value in files: those of the command `softmaxd predict`. */
export const MISSING =
  "?,NAN,NaT,Null,#N/A,#N/A N/A,#NA,-1.#IND,-1.#QNAN,-NaN,-nan,1.#IND,1.#QNAN,<NA>,N/A,NA,NULL,NaN,None,n/a,nan,null".split(
    ",",
  );

const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const NUMBER = /^([+-]?)(?=\.?\d)(\d*)(?:\.(\d*))?([eE][+-]?\d+)?$/; // also +1, .5, 1. and 007
const DECIMAL_COMMA = /^[+-]?\d[\d.']*,\d+$/;
/** @type {Record<string, string>} */
const TRUTHS = { true: "true", 1: "true", false: "false", 0: "false" };
const MOST_QUOTED = 40; // characters

/**
 * The values of a row, in order.
 * @param {Model} model
 * @returns {Column[]}
 */
export function columnsOf(model) {
  const own = model.missing_words.map((word) => word.trim());
  const every = new Set([...MISSING, ...own]); // one for all columns: there may be a thousand
  return model.features.flatMap(({ name, datatype, nullable, shape, categories }) => {
    const type = datatype ?? model.datatype ?? "FP32";
    const missing = type === "BYTES" ? wordsOf(categories, own) : every;
    return shape.length
      ? Array.from({ length: sizeOf(shape) }, (_, index) => ({ name: `${name}.${index}`, type, nullable, missing }))
      : [{ name, type, nullable, missing }];
  });
}

/**
 * The words for a missing text: no categories, and of a text that may be any only those of the model.
 * @param {string[]} categories
 * @param {string[]} own
 */
function wordsOf(categories, own) {
  const words = new Set(categories.length ? [...MISSING, ...own] : own);
  for (const category of categories) {
    words.delete(category);
  }
  return words;
}

/**
 * The shape of a row that is a tensor, or nothing.
 * @param {Model} model
 */
export function shapeOf(model) {
  return model.features[0]?.shape ?? [];
}

/** @param {number[]} shape */
export function sizeOf(shape) {
  return shape.reduce((product, size) => product * size, 1);
}

/** @param {string} type */
export function isWhole(type) {
  return /^U?INT/.test(type);
}

/**
 * True if a cell stands for a missing value: it is empty, or has a word of the column.
 * @param {string} text
 * @param {Column} column
 */
export function isMissing(text, { type, nullable, missing }) {
  const written = text.trim();
  return nullable && (missing.has(written) || (type === "BYTES" ? text : written) === "");
}

/**
 * A value as JSON. Raises an error whose message is for the person.
 * @param {string} text
 * @param {Column} column
 */
export function asJson(text, column) {
  const { type, nullable } = column;
  if (isMissing(text, column)) {
    return "null";
  }
  if (type === "BYTES") {
    return JSON.stringify(text);
  }
  const cell = text.trim().replace("−", "-");
  if (cell === "") {
    throw new Error("it is empty, but may not be missing");
  }
  return type === "BOOL" ? truth(cell) : number(cell, type, nullable);
}

/** @param {string} cell */
function truth(cell) {
  const found = TRUTHS[cell.toLowerCase()];
  if (!found) {
    throw new Error(`${quoted(cell)} is neither true nor false`);
  }
  return found;
}

/** @param {string} cell @param {string} type @param {boolean} nullable */
function number(cell, type, nullable) {
  const found = NUMBER.exec(cell);
  if (!found) {
    if (DECIMAL_COMMA.test(cell)) {
      throw new Error(`${quoted(cell)} has a comma: write a decimal point, and no mark for thousands`);
    }
    throw new Error(`${quoted(cell)} is no number${nullable ? "; leave it empty if it is missing" : ""}`);
  }
  if (isWhole(type) && !Number.isInteger(Number(cell))) {
    throw new Error(`${quoted(cell)} is no whole number`);
  }
  if (JSON_NUMBER.test(cell)) {
    return cell;
  }
  const [, sign, whole, fraction, exponent = ""] = found;
  const digits = whole.replace(/^0+(?=\d)/, "") || "0";
  return `${sign === "-" ? "-" : ""}${digits}${fraction ? `.${fraction}` : ""}${exponent}`;
}

/**
 * A row as JSON: a list of its values, or nested lists.
 * @param {string[]} values as JSON
 * @param {number[]} shape
 */
export function rowOf(values, shape) {
  let parts = values;
  for (const size of shape.slice(1).reverse()) {
    const inner = parts;
    parts = Array.from({ length: inner.length / size }, (_, at) => `[${inner.slice(at * size, (at + 1) * size)}]`);
  }
  return `[${parts}]`;
}

/** @param {string} text */
export function quoted(text) {
  return `“${text.length > MOST_QUOTED ? `${text.slice(0, MOST_QUOTED)}…` : text}”`;
}
