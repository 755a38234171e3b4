// Prediction sets on the test rows: how often they held the true label, overall and by class.

import { Bar, colourOf } from "../../charts.js";
import { h } from "../../dom.js";
import { percent, probability } from "../../format.js";
import { note, panel, table } from "./parts.js";

/** @typedef {{coverage: number, measured: number, labels: number, by_label: (number | null)[] | null}} Covered */

const MOST_CLASSES = 200;

/**
 * @param {import("../../api.js").Model} model
 * @param {Record<string, any>} evaluation
 * @param {{coverage: number}} asked
 * @param {() => void} keep the choice
 */
export function coverage(model, evaluation, asked, keep) {
  /** @type {Covered[]} */
  const overall = evaluation.prediction_sets;
  /** @type {Covered[] | null} */
  const byClass = evaluation.prediction_sets_by_class;
  const heads = ["Asked", "On average", "labels", ...(byClass ? ["By class", "labels"] : [])];
  const rows = overall.map((each, index) => [
    percent(each.coverage),
    percent(each.measured),
    each.labels.toFixed(2),
    ...(byClass ? [percent(byClass[index].measured), byClass[index].labels.toFixed(2)] : []),
  ]);
  const detail = h("div");
  const start = Math.max(
    0,
    overall.findIndex((each) => each.coverage === (asked.coverage || 0.95)),
  );
  const field = h(
    "select",
    { id: "coverage" },
    ...overall.map((each, index) => h("option", { text: percent(each.coverage), selected: index === start })),
  );
  const show = () => {
    const index = field.selectedIndex;
    detail.replaceChildren(classes(model.classes, overall[index], byClass?.[index]));
  };
  field.addEventListener("change", () => {
    asked.coverage = overall[field.selectedIndex].coverage;
    keep();
    show();
  });
  show();
  return panel(
    "Do prediction sets hold the true label?",
    table("Coverage, overall", heads, rows),
    note(
      "The share of test rows whose set had the true label, and the mean number of labels in a set. “By class” asks for that share within every class, with larger sets. Few test rows scatter by chance.",
    ),
    h("p", { class: "line" }, h("label", { for: "coverage" }, "Class by class, asked for", field)),
    detail,
  );
}

/**
 * @param {string[]} names
 * @param {Covered} overall
 * @param {Covered} [byClass]
 */
function classes(names, overall, byClass) {
  const bar = (/** @type {number} */ index, /** @type {Covered} */ covered) => {
    const share = covered.by_label?.[index];
    if (share === null || share === undefined) {
      return "no rows";
    }
    const shown = new Bar(colourOf(index));
    shown.show(share, probability(share));
    return shown.element;
  };
  const shown = names.slice(0, MOST_CLASSES);
  const rows = shown.map((name, index) => [name, bar(index, overall), byClass ? bar(index, byClass) : null]);
  const heads = ["Class", "Sets on average", ...(byClass ? ["Sets by class"] : [])];
  return h(
    "div",
    {},
    table("Coverage by class", heads, rows, 1),
    names.length > shown.length && note(`The first ${MOST_CLASSES} of ${names.length} classes.`),
  );
}
