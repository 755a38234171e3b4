// The service: the answers on the page come from it.

import { askForKey, heldKey } from "./key.js";

/** @typedef {{name: string, version: string, default: boolean, pinned: boolean, state: string, reason: string,
 *   share: number, shadow: boolean, provider: string | null, classes: string[], features: Feature[], datatype: string | null,
 *   metrics: Record<string, number>, sha256: string | null, provenance: Record<string, any> | null,
 *   calibration: Record<string, any> | null, evaluation: Record<string, any> | null, notes: string[],
 *   missing_words: string[]}} Model */
/** @typedef {{name: string, min: number | null, max: number | null, shape: number[], datatype: string | null, input: string,
 *   column: number | null, nullable: boolean, missing: string, values: number[], categories: string[]}} Feature */
/** @typedef {{probabilities: number[][], log_probabilities?: number[][], loss?: number[], entropy?: number[],
 *   sigmoid?: number[][]}} SoftmaxReply */
/** @typedef {{model: string, version: string, labels: string[], probabilities: number[][], logits?: number[][],
 *   prediction_sets?: string[][], not_guaranteed?: string[], typicality?: number[]}} PredictReply */

/** The URL of the service: the page may be under any prefix. */
export const ROOT = new URL("./", document.baseURI.split(/[?#]/)[0]);

/** A refusal, in the words of the service. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {{problems?: {loc: (string | number)[], msg: string}[], wait?: number}} [more] what is wrong with the body,
   *   and the seconds after which to try again
   */
  constructor(status, message, { problems = [], wait = 1 } = {}) {
    super(message);
    this.status = status;
    this.problems = problems;
    this.wait = wait;
  }
}

/**
 * Ask the service. Raises `Refused`.
 * @param {string} path relative to the service
 * @param {RequestInit} [options]
 * @param {{isUnasked?: boolean}} [more] `isUnasked`: nobody did anything, so nobody is asked for a key
 * @returns {Promise<Response>}
 */
export async function ask(path, options = {}, { isUnasked = false } = {}) {
  const headers = new Headers(options.headers);
  const key = heldKey();
  if (key) {
    headers.set("Authorization", `Bearer ${key}`);
  }
  let response;
  try {
    response = await fetch(new URL(path, ROOT), { ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) {
      throw error;
    }
    throw new Refused(0, "The service does not answer. Is it still running?");
  }
  if (response.ok) {
    return response;
  }
  const refusal = await refused(response);
  if (response.status === 401 && !isUnasked) {
    const isOld = key !== heldKey(); // another request has got a new one
    if (isOld || (await askForKey(key && refusal.message))) {
      return ask(path, options);
    }
  }
  throw refusal;
}

/**
 * @param {string} path
 * @returns {Promise<any>}
 */
export async function get(path) {
  return contentOf(await ask(path, { headers: { Accept: "application/json" } }));
}

/**
 * @param {string} path
 * @param {unknown} body a string is JSON already
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function post(path, body, signal) {
  const options = {
    method: "POST",
    body: asText(body),
    headers: { "Content-Type": "application/json" },
    signal,
  };
  return contentOf(await ask(path, options), signal);
}

/**
 * @param {Response} response
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
async function contentOf(response, signal) {
  try {
    return await response.json();
  } catch (error) {
    if (signal?.aborted) {
      throw error;
    }
    throw new Refused(response.status, "The answer is cut off, or not from the service: a proxy may want a login.");
  }
}

/**
 * The softmax of rows of logits.
 * @param {number[][]} logits
 * @param {{temperature?: number, targets?: number[], include?: string[]}} [options]
 * @returns {Promise<SoftmaxReply>}
 */
export function softmax(logits, options = {}) {
  return post("softmax", { logits, ...options });
}

/**
 * The versions that are served.
 * @returns {Promise<Model[]>}
 */
export async function readyModels() {
  const { models } = await get("models");
  return models.filter((/** @type {Model} */ model) => model.state === "ready");
}

/**
 * The path of an operation on one version.
 * @param {Model} model
 * @param {string} operation like `predict`
 */
export function pathOf(model, operation) {
  return `models/${encodeURIComponent(model.name)}/versions/${model.version}/${operation}`;
}

/**
 * A request as a line for a shell. A key is the variable `KEY` there: the page does not show it.
 * @param {string} path
 * @param {unknown} body a string is JSON already
 */
export function curl(path, body) {
  const json = asText(body).replaceAll("'", "'\\''");
  const key = heldKey() && ` -H "Authorization: Bearer $KEY"`;
  return `curl ${new URL(path, ROOT)}${key} -H 'Content-Type: application/json' -d '${json}'`;
}

/** @param {unknown} body */
function asText(body) {
  return typeof body === "string" ? body : JSON.stringify(body);
}

/**
 * Return a function that keeps only the latest of its calls while one is on its way: for sliders.
 * @template {any[]} Arguments
 * @param {(...given: Arguments) => Promise<void>} run
 * @returns {(...given: Arguments) => Promise<void>}
 */
export function latest(run) {
  /** @type {Arguments | null} */
  let waiting = null;
  let isRunning = false;
  return async (...given) => {
    waiting = given;
    if (isRunning) {
      return;
    }
    isRunning = true;
    try {
      while (waiting) {
        const next = waiting;
        waiting = null;
        await run(...next);
      }
    } finally {
      isRunning = false;
    }
  };
}

/**
 * The error of a response, in a sentence or two. Each protocol has a form of its own.
 * @param {Response} response
 */
async function refused(response) {
  const { status, statusText } = response;
  const wait = Number(response.headers.get("Retry-After") ?? 1);
  try {
    const { detail, error } = await response.json();
    if (Array.isArray(detail)) {
      const sentences = detail.map(({ loc, msg }) => {
        const place = loc.filter((/** @type {any} */ part) => part !== "body").join(" › ");
        return place ? `${msg} (${place})` : msg;
      });
      return new Refused(status, sentences.join(". "), { problems: detail });
    }
    return new Refused(status, detail ?? error, { wait });
  } catch {
    return new Refused(status, `The answer was ${status} ${statusText}`, { wait });
  }
}
