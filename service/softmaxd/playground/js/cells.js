// Values as people write them → JSON, digit by digit: no number is read and printed again.

/** A value of a row: a feature, or one number of a tensor.
 * @typedef {{name: string, type: string, nullable: boolean}} Column */
/** @typedef {import("./api.js").Model} Model */

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
  return model.features.flatMap(({ name, datatype, nullable, shape }) => {
    const type = datatype ?? model.datatype ?? "FP32";
    return shape.length
      ? Array.from({ length: sizeOf(shape) }, (_, index) => ({ name: `${name}.${index}`, type, nullable }))
      : [{ name, type, nullable }];
  });
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
 * A value as JSON. Raises an error whose message is for the person.
 * @param {string} text empty for a missing one
 * @param {Column} column
 */
export function asJson(text, { type, nullable }) {
  if (type === "BYTES") {
    return text === "" && nullable ? "null" : JSON.stringify(text);
  }
  const cell = text.trim().replace("−", "-");
  if (cell === "") {
    if (nullable) {
      return "null";
    }
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
