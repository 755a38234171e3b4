// A field for each feature: numbers with their range, categories as choices, and tensors as lists.

import { asJson, columnsOf, isWhole, rowOf, shapeOf, sizeOf } from "./cells.js";
import { h, set } from "./dom.js";
import { short } from "./format.js";

/** @typedef {import("./api.js").Model} Model */
/** @typedef {import("./api.js").Feature} Feature */
/** @typedef {import("./cells.js").Column} Column */
/** A field: its element, its value as text (null for a missing one), and its line of help or of a problem.
 * @typedef {{element: HTMLElement, get: () => string | null, put: (text: string | null) => void,
 *   tell: (problem: string) => void}} Field */

const MOST_SIZE = 4096; // of a tensor that begins with numbers

export class Form {
  /**
   * @param {Model} model
   * @param {() => void} changed
   */
  constructor(model, changed) {
    this.model = model;
    this.shape = shapeOf(model);
    this.columns = columnsOf(model);
    this.fields = model.features.map((feature, index) =>
      fieldOf(feature, this.columns[index], this.shape, `field-${index}`),
    );
    this.problem = h("p", { class: "problem", role: "alert" });
    this.element = h(
      "form",
      { class: "panel", "aria-label": "One row", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
      h("h2", { text: "One row" }),
      h("div", { class: "fields" }, ...this.fields.map(({ element }) => element)),
      this.problem,
    );
    this.element.addEventListener("input", changed);
  }

  /** The values as they are written, for the URL and for the table. */
  get values() {
    return this.fields.map((field) => field.get());
  }

  /** @param {(string | null)[]} values */
  put(values) {
    this.fields.forEach((field, index) => {
      field.put(values[index] ?? null);
    });
  }

  focus() {
    /** @type {HTMLElement | null} */ (this.element.querySelector("input, select, textarea"))?.focus();
  }

  /** The row as JSON, or an empty text if a value is wrong, which is told beside it. */
  read() {
    let isRight = true;
    const parts = this.fields.map((field, index) => {
      const text = field.get();
      try {
        const json = this.shape.length ? tensor(text ?? "", this) : jsonOf(text, this.columns[index]);
        field.tell("");
        return json;
      } catch (error) {
        field.tell(sentence(/** @type {Error} */ (error).message));
        isRight = false;
        return "";
      }
    });
    return isRight ? (this.shape.length ? parts[0] : rowOf(parts, [])) : "";
  }

  /**
   * Tell a refusal beside the field that it is about, or below all.
   * @param {Error & {problems?: {loc: (string | number)[], msg: string}[]}} error
   */
  tell(error) {
    const rest = (error.problems ?? []).filter(({ loc, msg }) => {
      const field = loc[0] === "instances" && loc.length > 2 && this.fields[this.shape.length ? 0 : Number(loc[2])];
      if (field) {
        field.tell(msg);
      }
      return !field;
    });
    this.problem.textContent = rest.length || !error.problems?.length ? error.message : "";
  }
}

/**
 * A row within the ranges of the features.
 * @param {Model} model
 * @param {number} share 0 is their start, 1 is their end
 * @returns {(string | null)[]}
 */
export function rowAt(model, share) {
  return model.features.map(({ min, max, shape, values, categories, datatype }) => {
    const [low, high] = [min ?? 0, max ?? min ?? 1];
    const type = datatype ?? model.datatype ?? "";
    const among = (/** @type {any[]} */ choices) => choices[Math.round(share * (choices.length - 1))];
    if (type === "BYTES") {
      return among(categories) ?? "";
    }
    if (type === "BOOL") {
      return String(share < 0.5);
    }
    if (values.length) {
      return String(among(values));
    }
    const value = low + (high - low) * share;
    const text = String(isWhole(type) ? Math.round(value) : Number(value.toPrecision(3)));
    return shape.length ? grid(text, shape) : text;
  });
}

/**
 * The values of a row of the URL, or null.
 * @param {string | null} text
 * @returns {(string | null)[] | null}
 */
export function valuesOf(text) {
  try {
    const values = JSON.parse(text ?? "");
    return Array.isArray(values) && values.every((each) => each === null || typeof each === "string") ? values : null;
  } catch {
    return null;
  }
}

/** @param {string} text @param {number[]} shape */
function grid(text, shape) {
  const size = sizeOf(shape);
  const last = shape[shape.length - 1];
  const line = `${text} `.repeat(last).trimEnd();
  return size > MOST_SIZE ? "" : `${line}\n`.repeat(size / last).trimEnd();
}

/** @param {string | null} text @param {Column} column */
function jsonOf(text, column) {
  return text === null ? "null" : asJson(text, column.type === "BYTES" ? { ...column, nullable: false } : column);
}

/**
 * A tensor as JSON: nested lists, or its numbers with anything between them.
 * @param {string} text
 * @param {{shape: number[], columns: Column[]}} form
 */
function tensor(text, { shape, columns }) {
  if (text.trimStart().startsWith("[")) {
    try {
      JSON.parse(text);
    } catch {
      throw new Error("these are no nested lists");
    }
    return text;
  }
  const numbers = text.split(/[\s,;]+/).filter((part) => part !== "");
  if (numbers.length !== columns.length) {
    throw new Error(`it has ${numbers.length} numbers, not ${columns.length} (${shape.join(" × ")})`);
  }
  return rowOf(
    numbers.map((part) => asJson(part, columns[0])),
    shape,
  );
}

/**
 * @param {Feature} feature
 * @param {Column} column
 * @param {number[]} shape
 * @param {string} id
 * @returns {Field}
 */
function fieldOf(feature, column, shape, id) {
  const help = h("span", { id: `${id}-help`, "aria-live": "polite" });
  const common = { id, "aria-describedby": help.id, autocomplete: "off", spellcheck: "false" };
  const control = controlOf(feature, column, shape, common);
  const hint = hintOf(feature, column, shape);
  const tell = (/** @type {string} */ problem) => {
    const value = Number.parseFloat(control.get() ?? "");
    const { min, max } = feature;
    const isOut = !problem && ((min !== null && value < min) || (max !== null && value > max));
    help.textContent = problem || (isOut ? `outside ${hint}` : hint);
    help.className = problem || isOut ? "wrong small" : "muted small";
    set(control.input, { "aria-invalid": problem ? "true" : null });
  };
  tell("");
  const element = h(
    "div",
    { class: shape.length ? "field whole" : "field" },
    h("label", { for: id, text: feature.name }),
    control.input,
    ...control.more,
    help,
  );
  return { element, get: control.get, put: control.put, tell };
}

/** @typedef {{input: HTMLElement, more: HTMLElement[], get: () => string | null, put: (text: string | null) => void}} Control */

/**
 * @param {Feature} feature
 * @param {Column} column
 * @param {number[]} shape
 * @param {Record<string, any>} common
 * @returns {Control}
 */
function controlOf(feature, { type, nullable }, shape, common) {
  if (type === "BOOL") {
    const input = h("input", { ...common, type: "checkbox" });
    return { input, more: [], get: () => String(input.checked), put: (text) => (input.checked = text === "true") };
  }
  if (feature.values.length || feature.categories.length) {
    return choiceOf(feature, type, common);
  }
  const isDecimal = type !== "BYTES" && (feature.min ?? -1) >= 0; // some keyboards for decimals have no minus
  const input = shape.length
    ? h("textarea", { ...common, rows: 8 })
    : h("input", { ...common, inputmode: isDecimal ? "decimal" : "text" });
  return {
    input,
    more: [],
    get: () => (input.value === "" && nullable ? null : input.value),
    put: (text) => (input.value = text ?? ""),
  };
}

const OTHER = "other"; // the value of the choice that opens a field for any text; the others are numbers

/**
 * @param {Feature} feature
 * @param {string} type
 * @param {Record<string, any>} common
 * @returns {Control}
 */
function choiceOf({ name, values, categories, nullable }, type, common) {
  /** @type {(string | null)[]} */
  const texts = [...(type === "BYTES" ? categories : values.map(String)), ...(nullable ? [null] : [])];
  const options = texts.map((text, value) =>
    h("option", { value, text: text === null ? "(missing)" : text || "(empty)" }),
  );
  const other = h("input", { "aria-label": `${name}: another text`, autocomplete: "off", hidden: true });
  const last = type === "BYTES" && h("option", { value: OTHER, text: "another text …" });
  const input = h("select", common, ...options, last);
  const tell = () => set(other, { hidden: input.value !== OTHER });
  input.addEventListener("input", tell);
  return {
    input,
    more: last ? [other] : [],
    get: () => (input.value === OTHER ? other.value : texts[Number(input.value)]),
    put: (text) => {
      const at = texts.indexOf(text);
      input.value = at < 0 && last ? OTHER : String(Math.max(at, 0));
      other.value = at < 0 && last ? (text ?? "") : "";
      tell();
    },
  };
}

/**
 * @param {Feature} feature
 * @param {Column} column
 * @param {number[]} shape
 */
function hintOf({ min, max, categories, values }, { type, nullable }, shape) {
  const parts = [
    min !== null && max !== null ? `${short(min)} to ${short(max)} in training` : "",
    shape.length ? `${shape.join(" × ")} numbers, or nested lists` : "",
    isWhole(type) ? "a whole number" : "",
    type === "BYTES" && !categories.length && !values.length ? "any text" : "",
    nullable && !categories.length ? "may be empty: missing" : "",
  ];
  return parts.filter(Boolean).join("; ");
}

/** @param {string} text */
function sentence(text) {
  return text[0].toUpperCase() + text.slice(1);
}
