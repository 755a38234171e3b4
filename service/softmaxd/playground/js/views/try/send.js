// Rows → answers, in batches within the limits of the service: its refusals say what fits.

import { pathOf, post, Refused } from "../../api.js";

/** @typedef {import("../../api.js").Model} Model */
/** @typedef {import("../../api.js").PredictReply} PredictReply */
/** @typedef {{answered: (row: number, reply: PredictReply, index: number) => void,
 *   refused: (row: number, problem: string) => void, waiting: (seconds: number) => void}} Heard */

const MOST_ROWS = 2000;
const MOST_NUMBERS = 100_000; // of an answer
const MOST_REFUSED = 100; // rows, one request each

/**
 * The fields of a request besides its rows.
 * @param {Model} model
 * @param {string} coverage
 */
export function fieldsOf(model, coverage) {
  return model.calibration ? `,"include":["prediction_sets","typicality"],"coverage":${coverage}` : "";
}

/**
 * The body of a request.
 * @param {string[]} rows as JSON
 * @param {string} fields
 */
export function bodyOf(rows, fields) {
  return `{"instances":[${rows}]${fields}}`;
}

export class Sender {
  /**
   * @param {Model} model
   * @param {string} coverage
   * @param {AbortSignal} signal
   */
  constructor(model, coverage, signal) {
    this.path = pathOf(model, "predict");
    this.fields = fieldsOf(model, coverage);
    this.signal = signal;
    this.most = Math.max(1, Math.min(MOST_ROWS, Math.floor(MOST_NUMBERS / (2 * model.classes.length + 1))));
    this.features = model.features.map(({ name }) => name);
    this.refusals = 0;
  }

  /**
   * Send rows, and tell the fate of each. Raises `Refused` if the service can answer none.
   * @param {string[]} rows as JSON; those that are empty are not sent
   * @param {Heard} heard
   */
  async send(rows, heard) {
    const wanted = rows.flatMap((json, row) => (json ? [row] : []));
    const parts = wanted.length ? [wanted] : []; // the next one last
    for (let part = parts.pop(); part; part = parts.pop()) {
      const those = part;
      try {
        const body = bodyOf(
          those.map((row) => rows[row]),
          this.fields,
        );
        /** @type {PredictReply} */
        const reply = await post(this.path, body, this.signal);
        those.forEach((row, index) => {
          heard.answered(row, reply, index);
        });
      } catch (error) {
        if (!(error instanceof Refused)) {
          throw error;
        }
        parts.push(...(await this.afterRefusal(error, those, heard)));
      }
    }
  }

  /**
   * The parts that are to be sent after a refusal of one.
   * @param {Refused} error
   * @param {number[]} part
   * @param {Heard} heard
   * @returns {Promise<number[][]>}
   */
  async afterRefusal(error, part, heard) {
    const { status, problems, wait } = error;
    if (status === 429 || status === 503) {
      heard.waiting(wait);
      await pause(wait, this.signal);
      return [part];
    }
    const [problem] = problems;
    const isOfRows = problems.length === 0 || problem.loc[0] === "instances";
    if (![413, 422, 504].includes(status) || !isOfRows) {
      throw error;
    }
    const at = problem?.loc[1];
    if (typeof at === "number" || part.length === 1) {
      this.refusals += 1;
      if (this.refusals > MOST_REFUSED) {
        throw new Refused(status, `The service refused ${MOST_REFUSED} rows, so the others were not sent.`);
      }
      const index = typeof at === "number" ? at : 0;
      heard.refused(part[index], problem ? this.sentence(problem) : error.message);
      return [part.slice(index + 1), part.slice(0, index)].filter((rest) => rest.length > 0);
    }
    const half = Math.ceil(part.length / 2);
    if (status !== 422) {
      this.most = Math.min(this.most, half);
    }
    return [part.slice(half), part.slice(0, half)];
  }

  /** @param {{loc: (string | number)[], msg: string}} problem */
  sentence({ loc, msg }) {
    const [, , at] = loc;
    return typeof at === "number" ? `${this.features[at] ?? this.features[0]}: ${msg}` : msg;
  }
}

/** @param {number} seconds @param {AbortSignal} signal */
function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
