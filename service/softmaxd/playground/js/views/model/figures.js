// The single figures, and which labels were taken for which.

import { h } from "../../dom.js";
import { count, percent, short } from "../../format.js";
import { note, panel, table } from "./parts.js";

/** @typedef {import("../../api.js").Model} Model */

const MOST_CLASSES = 15; // of a matrix that a person can read
const MOST_MISTAKES = 12;
const FIGURES = [
  { key: "test_accuracy", name: "Accuracy", words: "the most probable label is the true one" },
  { key: "test_loss", name: "Loss, nats", words: "mean −ln p of the true label" },
  { key: "test_brier", name: "Brier score", words: "squared distance from the truth: 0 is perfect, 2 the worst" },
  {
    key: "test_ece",
    name: "Calibration error",
    words: "gap between how sure and how often right; never 0 with few rows",
  },
];

/** @param {Model} model */
export function figures({ metrics, classes, calibration }) {
  const show = (/** @type {string} */ key, /** @type {number | undefined} */ value) =>
    value === undefined ? "–" : key === "test_accuracy" ? percent(value) : short(value, 4);
  const [given, range] = [FIGURES.filter(({ key }) => key in metrics), "test_accuracy_low" in metrics];
  const rows = given.map(({ key, name, words }) => [
    h("span", {}, name, h("span", { class: "aside", text: words })),
    show(key, key === "test_accuracy" ? metrics[key] : metrics[`${key}_before`]),
    show(key, metrics[key]),
    ...(range ? [interval(key, metrics, show)] : []),
  ]);
  const heads = ["Figure", "Before", "This model", ...(range ? ["95 % interval"] : [])];
  const all = Object.entries(metrics).map(([key, value]) => [key, short(value, 6)]);
  const warmth =
    calibration &&
    `Calibration divided the logits by T = ${short(calibration.temperature, 4)}, found on other rows. “Before” is T = 1. `;
  return panel(
    metrics.test_rows ? `Figures on ${count(metrics.test_rows)} test rows` : "Figures",
    table("Figures", heads, rows),
    metrics.fresh_rows ? note(onFreshRows(metrics)) : "",
    note(
      `${warmth ?? ""}Guessing among ${count(classes.length)} classes would cost ${short(Math.log(classes.length), 4)} nats.`,
    ),
    h(
      "details",
      {},
      h("summary", { text: `All ${all.length} figures of the manifest` }),
      table("All figures", ["Name", "Value"], all),
    ),
  );
}

/**
 * The figures of rows that were drawn anew, for a model whose data come from a known distribution.
 * @param {Record<string, number>} metrics
 */
function onFreshRows(metrics) {
  const rows = `On ${count(metrics.fresh_rows)} rows drawn anew, the better measure,`;
  const range = `95 % interval ${short(metrics.fresh_loss_low, 4)} to ${short(metrics.fresh_loss_high, 4)}`;
  const wrong = `${short(metrics.fresh_error * 100, 2)} % of the labels are wrong`;
  return `${rows} the loss is ${short(metrics.fresh_loss, 4)} nats (${range}), and ${wrong}.`;
}

/**
 * @param {string} key
 * @param {Record<string, number>} metrics
 * @param {(key: string, value: number) => string} show
 */
function interval(key, metrics, show) {
  const chance = `${key}_chance_low` in metrics; // of the calibration error: the range that chance alone gives it
  const name = chance ? `${key}_chance` : key;
  const [low, high] = [metrics[`${name}_low`], metrics[`${name}_high`]];
  const text = low === undefined ? "–" : `${show(key, low)} to ${show(key, high)}${chance ? " by chance" : ""}`;
  return h("span", { class: "range", text });
}

/**
 * The confusion matrix, or of many classes the most frequent mistakes.
 * @param {Model} model
 * @param {Record<string, any>} evaluation
 */
export function confusion({ classes }, { confusion: rows }) {
  const mistakes = rows
    .flatMap((/** @type {number[]} */ row, /** @type {number} */ truth) =>
      row.map((times, given) => ({ truth, given, times })),
    )
    .filter(
      (/** @type {{truth: number, given: number, times: number}} */ each) => each.times && each.truth !== each.given,
    )
    .sort((/** @type {any} */ one, /** @type {any} */ other) => other.times - one.times);
  const wrong = mistakes.reduce((/** @type {number} */ sum, /** @type {any} */ each) => sum + each.times, 0);
  const words = wrong
    ? `${count(wrong)} ${wrong === 1 ? "row has" : "rows have"} a wrong label, most often “${classes[mistakes[0].truth]}” that of “${classes[mistakes[0].given]}”.`
    : `No row has a wrong label. Errors rarer than 1 in ${count(rows.flat().reduce((/** @type {number} */ sum, /** @type {number} */ each) => sum + each, 0))} rows would hardly show.`;
  const shown =
    classes.length <= MOST_CLASSES
      ? matrix(classes, rows)
      : table(
          "The most frequent mistakes",
          ["True label", "Label given", "Rows"],
          mistakes
            .slice(0, MOST_MISTAKES)
            .map((/** @type {any} */ each) => [classes[each.truth], classes[each.given], count(each.times)]),
        );
  return panel("True and given labels", shown, note(words));
}

/**
 * @param {string[]} classes
 * @param {number[][]} rows by true, then given label
 */
function matrix(classes, rows) {
  const shown = table(
    "Rows by true label, then by the label given",
    ["True ↓ given →", ...classes],
    rows.map((row, truth) => [classes[truth], ...row.map(count)]),
  );
  shown.classList.add("matrix");
  const cells = shown.querySelectorAll("td");
  rows.forEach((row, truth) => {
    const sum = row.reduce((total, value) => total + value, 0) || 1;
    row.forEach((value, given) => {
      const cell = cells[truth * classes.length + given];
      cell.style.setProperty("--share", String(value / sum));
      cell.classList.toggle("hit", truth === given);
      cell.classList.toggle("miss", truth !== given && value > 0);
    });
  });
  return shown;
}
