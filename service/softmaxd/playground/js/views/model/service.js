// The service as it runs now: requests, latency and batch size, from /metrics.

import { ask } from "../../api.js";
import { Chart } from "../../charts.js";
import { h } from "../../dom.js";
import { short } from "../../format.js";
import { between, read } from "./metrics.js";
import { note, panel } from "./parts.js";
import { routes } from "./routes.js";

/** @typedef {{at: number, rate: number, median: number, slow: number, rows: number}} Point */

const EVERY = 2; // seconds
const SHOWN = 120; // seconds

export class Service {
  constructor() {
    this.charts = [
      { key: "rate", title: "Requests", unit: "per second" },
      { key: "slow", title: "Latency", unit: "ms" },
      { key: "rows", title: "Batch size", unit: "rows" },
    ].map(({ key, title, unit }) => {
      const chart = new Chart({ x: "seconds ago", y: unit, from: -SHOWN, to: 0, height: 150 });
      return { key, title, chart, words: h("p", { class: "live" }) };
    });
    this.routes = h("div", { class: "routes" });
    this.problem = h("p", { class: "problem", role: "alert" });
    this.element = panel(
      "The service now",
      h(
        "div",
        { class: "thirds" },
        ...this.charts.map(({ title, chart, words }) => h("div", {}, h("h3", { text: title }), words, chart.element)),
      ),
      this.routes,
      this.problem,
      note(
        "From /metrics, every two seconds while this page is seen: all workers, all models, without these questions themselves. Latency counts from the end of a request's head to its answer, and is read from a histogram: it is as exact as its steps.",
      ),
    );
    /** @type {Point[]} */
    this.points = [];
    /** @type {import("./metrics.js").Reading | null} */
    this.before = null;
    this.timer = 0;
    this.changed = () => this.follow();
  }

  async start() {
    document.addEventListener("visibilitychange", this.changed);
    await this.look();
    this.follow();
  }

  stop() {
    document.removeEventListener("visibilitychange", this.changed);
    clearInterval(this.timer);
  }

  /** Look again and again while the page is seen. */
  follow() {
    clearInterval(this.timer);
    if (document.hidden) {
      this.before = null; // the pause is no part of the next rate
    } else {
      this.timer = setInterval(() => this.look(true), EVERY * 1000);
    }
  }

  /** @param {boolean} [isUnasked] nobody did anything, so nobody is asked for a key */
  async look(isUnasked = false) {
    try {
      const text = await (await ask("metrics", {}, { isUnasked })).text();
      const now = read(text, performance.now() / 1000);
      const found = this.before && between(this.before, now);
      this.before = now;
      if (found) {
        this.points.push({ at: now.at, ...found });
        this.points = this.points.filter(({ at }) => now.at - at <= SHOWN);
      }
      this.routes.replaceChildren(...routes(now).map((text) => h("p", { text })));
      this.problem.textContent = now.isComplete ? "" : "The numbers of other workers may be old or missing.";
    } catch (error) {
      this.problem.textContent = /** @type {Error} */ (error).message;
    }
    this.show();
  }

  show() {
    const last = this.points.at(-1);
    for (const { key, title, chart, words } of this.charts) {
      const text = last ? inWords(key, last) : "Waiting for two readings";
      words.textContent = text;
      this.draw(key, chart, `${title} of the last two minutes. ${text}`);
    }
  }

  /**
   * @param {string} key
   * @param {Chart} chart
   * @param {string} description
   */
  draw(key, chart, description) {
    const keys = /** @type {("rate" | "median" | "slow" | "rows")[]} */ (key === "slow" ? ["slow", "median"] : [key]);
    const scale = key === "slow" ? 1000 : 1;
    const values = keys.flatMap((each) => this.points.map((point) => point[each] * scale)).filter(Number.isFinite);
    chart.range(-SHOWN, 0, 0, nice(Math.max(...values, 0)));
    const now = this.points.at(-1)?.at ?? 0;
    chart.draw(description, () =>
      keys.flatMap((each, index) =>
        runs(this.points, each).map((run) => {
          const xs = run.map(({ at }) => at - now);
          const ys = run.map((point) => point[each] * scale);
          return run.length > 1
            ? chart.curve(xs, ys, { kind: index ? "dashed" : "" })
            : chart.point(xs[0], ys[0], { radius: 2.5 });
        }),
      ),
    );
  }
}

/**
 * @param {string} key
 * @param {Point} point
 */
function inWords(key, { rate, median, slow, rows }) {
  const ms = (/** @type {number} */ seconds) => `${short(seconds * 1000, 2)} ms`;
  if (key === "rate") {
    return `${rate.toFixed(1)} per second`;
  }
  if (key === "slow") {
    return Number.isNaN(slow) ? "No request" : `Half within ${ms(median)} (dashed), 99 of 100 within ${ms(slow)}`;
  }
  return Number.isNaN(rows) ? "No run of a model" : `${rows.toFixed(1)} rows in a run of a model, on average`;
}

/**
 * The stretches without gaps.
 * @param {Point[]} points
 * @param {"rate" | "median" | "slow" | "rows"} key
 */
function runs(points, key) {
  /** @type {Point[][]} */
  const found = [];
  points.forEach((point, index) => {
    if (Number.isFinite(point[key])) {
      const goes = index > 0 && Number.isFinite(points[index - 1][key]) && point.at - points[index - 1].at < 3 * EVERY;
      goes ? found.at(-1)?.push(point) : found.push([point]);
    }
  });
  return found;
}

/**
 * A round number of at least this size, for the end of an axis.
 * @param {number} value
 */
function nice(value) {
  const size = 10 ** Math.floor(Math.log10(value || 1));
  return [1, 2, 5, 10].map((factor) => factor * size).find((each) => each >= value) ?? 1;
}
