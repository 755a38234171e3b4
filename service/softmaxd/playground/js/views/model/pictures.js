// The reliability diagram and the histogram of typicality.

import { Chart, legend } from "../../charts.js";
import { svg } from "../../dom.js";
import { count, percent } from "../../format.js";
import { note, panel } from "./parts.js";

/** @typedef {{rows: number, confidence: number, accuracy: number}} Bin */

/** @param {Record<string, any>} evaluation */
export function reliability({ reliability: after, reliability_before: before }) {
  /** @type {Bin[]} */
  const all = [...after, ...before];
  const lowest = Math.min(0.9, ...all.flatMap(({ confidence, accuracy }) => [confidence, accuracy]));
  const from = Math.max(0, Math.floor(lowest * 10 - 1e-9) / 10);
  const chart = new Chart({ x: "how sure", y: "how often right", height: 280 });
  chart.range(from, 1, from, 1);
  const worst = (/** @type {Bin[]} */ bins) =>
    Math.max(...bins.map((each) => Math.abs(each.confidence - each.accuracy)));
  const farthest = (/** @type {Bin[]} */ bins) => `${(worst(bins) * 100).toFixed(1)} percentage points`;
  const points = (/** @type {Bin[]} */ bins, /** @type {string} */ colour, /** @type {number} */ radius) =>
    bins.map((each) => chart.point(each.confidence, each.accuracy, { colour, radius }));
  const words = `The farthest point is off by ${farthest(after)}; before calibration by ${farthest(before)}.`;
  chart.draw(`Reliability diagram from ${percent(from)} to 100 %. ${words}`, () => [
    chart.curve([from, 1], [from, 1], { colour: "var(--muted)", kind: "dashed" }),
    ...points(before, "var(--class-1)", 3.5),
    ...points(after, "var(--accent)", 5),
  ]);
  return panel(
    "Is it as often right as it is sure?",
    legend([
      { name: "this model", colour: "var(--accent)", kind: "spot" },
      { name: "before calibration", colour: "var(--class-1)", kind: "spot small" },
      { name: "calibrated", colour: "var(--muted)", kind: "dashed" },
    ]),
    chart.element,
    note(
      `${words} Each point is about ${count(after[0]?.rows ?? 0)} test rows, sorted by how sure the model is; below the line it is too sure. So few rows scatter by chance too.`,
    ),
  );
}

/** @param {Record<string, any>} evaluation */
export function typicality({ typicality: tenths }) {
  const rows = tenths.reduce((/** @type {number} */ sum, /** @type {number} */ each) => sum + each, 0);
  const even = rows / tenths.length;
  const most = Math.max(...tenths, even) * 1.1;
  const chart = new Chart({ x: "typicality", y: "test rows", high: most, height: 200 });
  const words = `${count(tenths[0])} of ${count(rows)} test rows are in the least typical tenth; ${count(Math.round(even))} would be even.`;
  chart.draw(`Histogram of typicality. ${words}`, () => [
    ...tenths.map((/** @type {number} */ each, /** @type {number} */ index) => {
      const [left, right] = [chart.x(index / tenths.length) + 1, chart.x((index + 1) / tenths.length) - 1];
      return svg("rect", {
        class: "column",
        x: left,
        y: chart.y(each),
        width: right - left,
        height: chart.y(0) - chart.y(each),
      });
    }),
    chart.curve([0, 1], [even, even], { colour: "var(--muted)", kind: "dashed" }),
  ]);
  return panel(
    "Are the test rows typical?",
    legend([
      { name: "test rows", colour: "var(--accent)", kind: "spot" },
      { name: "even", colour: "var(--muted)", kind: "dashed" },
    ]),
    chart.element,
    note(
      `${words} Typicality is the share of calibration rows that are at least as unlike the training rows, so for rows of the same kind every tenth is about as frequent. It says nothing about the label.`,
    ),
  );
}
