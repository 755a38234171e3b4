// The service's answers to scores, and the place of a state in the URL: for the explorer and for the tour.

import { softmax } from "../../api.js";

/** @typedef {import("../explorer.js").Scores} Scores */

const INCLUDE = ["log_probabilities", "loss", "entropy", "sigmoid"];

/**
 * The request for scores.
 * @param {Scores} scores
 */
export function requestFor({ logits, temperature, target }) {
  return { logits, targets: target, temperature, include: INCLUDE };
}

/**
 * Let parts show scores; returns the answer to them.
 * @param {Scores} scores
 * @param {number} moved the class whose logit the curves move
 * @param {{bars: import("./bars.js").Bars, curves: import("./curves.js").Curves, steps: import("./steps.js").Steps}} parts
 */
export async function showScores(scores, moved, { bars, curves, steps }) {
  const { logits, temperature, target } = scores;
  const [one, many] = await Promise.all([
    softmax([logits], { temperature, include: INCLUDE, targets: [target] }),
    softmax(curves.rows(scores, moved), { temperature, include: ["sigmoid"] }),
  ]);
  const answer = {
    p: one.probabilities[0],
    logP: one.log_probabilities?.[0] ?? [],
    sigmoid: one.sigmoid?.[0] ?? [],
    loss: one.loss?.[0] ?? 0,
    entropy: one.entropy?.[0] ?? 0,
  };
  bars.show(scores, answer);
  curves.show(scores, moved, answer, many);
  steps.show(scores, answer);
  return answer;
}

/** @param {Scores} scores */
export function stateOf({ names, logits, temperature, target }) {
  return { logits: logits.join(","), names: names.join("|"), t: temperature === 1 ? null : temperature, target };
}
