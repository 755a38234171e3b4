// The answers to many rows, and the file of them.

import { asCsv, cell, cellsOf } from "./csv.js";

/** @typedef {import("../../api.js").Model} Model */
/** @typedef {import("../../api.js").PredictReply} PredictReply */
/** A row of the file with its answer, or with its problem.
 * @typedef {{line: number, text: string, problem: string, best: number, p: number[], set: string[], typicality: number}} Row */

const AT_A_TIME = 2000; // rows, between two looks at what the person does

export class Results {
  /**
   * @param {Model} model
   * @param {string} coverage
   * @param {import("./reader.js").Head} head
   */
  constructor(model, coverage, { names, mark }) {
    this.model = model;
    this.coverage = coverage;
    this.names = names;
    this.mark = mark;
    /** @type {Row[]} */
    this.rows = [];
    this.counts = model.classes.map(() => 0);
    this.problems = 0;
  }

  /** @param {Row} row */
  add(row) {
    this.rows.push(row);
    if (row.problem) {
      this.problems += 1;
    } else {
      this.counts[row.best] += 1;
    }
  }

  /**
   * Put the answer into a row.
   * @param {Row} row
   * @param {PredictReply} reply
   * @param {number} index
   */
  answer(row, reply, index) {
    row.p = reply.probabilities[index];
    row.best = this.model.classes.indexOf(reply.labels[index]);
    row.set = reply.prediction_sets?.[index] ?? [];
    row.typicality = reply.typicality?.[index] ?? NaN;
  }

  /**
   * All rows as CSV: the columns of the file as they stand there, then the answer with all digits of the service.
   * No cell is changed for the sake of spreadsheets that take `=1+1` for a formula: `-1.5` would suffer as well.
   * @returns {Promise<Blob>}
   */
  async csv() {
    const { classes, calibration } = this.model;
    const names = ["predicted_label", ...classes.map((name) => `probabilities.${name}`)];
    names.push(...(calibration ? ["prediction_sets", "typicality"] : []), ...(this.problems ? ["problem"] : []));
    const header = [...this.names, ...names.map((name) => free(name, this.names))].map(cell).join(",");
    const parts = [`${header}\n`];
    for (let at = 0; at < this.rows.length; at += AT_A_TIME) {
      parts.push(
        this.rows
          .slice(at, at + AT_A_TIME)
          .map((row) => `${this.line(row)}\n`)
          .join(""),
      );
      await new Promise((resolve) => setTimeout(resolve));
    }
    return new Blob(parts, { type: "text/csv" });
  }

  /** @param {Row} row */
  line({ text, problem, best, p, set, typicality }) {
    const { classes, calibration } = this.model;
    const trust = calibration ? [cell(JSON.stringify(set)), typicality] : [];
    const answer = problem ? Array(1 + classes.length + trust.length).fill("") : [cell(classes[best]), ...p, ...trust];
    return [this.own(text, problem), ...answer, ...(this.problems ? [cell(problem)] : [])].join(",");
  }

  /**
   * The cells of the file; where these are not as many as columns, their text is in the first one.
   * @param {string} text
   * @param {string} problem
   */
  own(text, problem) {
    const isWhole = !problem || cellsOf(text, this.mark).length === this.names.length;
    return isWhole ? asCsv(text, this.mark) : cell(text) + ",".repeat(this.names.length - 1);
  }
}

/**
 * A name that no other column has.
 * @param {string} name
 * @param {string[]} others
 */
function free(name, others) {
  let found = name;
  while (others.includes(found)) {
    found += "_2";
  }
  return found;
}
