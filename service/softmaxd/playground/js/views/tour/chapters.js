// The chapters of the article, in its order, without its mistakes.

import { PRESETS } from "../explorer/presets.js";

/** @typedef {import("../explorer.js").Scores} Scores */
/** `parts` show `scores`, which buttons may change; `piece` shows a model.
 * @typedef {{title: string, text: string[], scores?: Scores, parts?: ("bars" | "curves" | "slope" | "steps")[],
 *   tries?: [string, (scores: Scores) => Partial<Scores>][], piece?: "point" | "seeds" | "reliability"}} Chapter */

const [article, airplane, two, overflow, slope] = PRESETS.map(({ scores }) => scores);

/** @param {(logit: number) => number} change @returns {(scores: Scores) => Partial<Scores>} */
const each =
  (change) =>
  ({ logits }) => ({ logits: logits.map((logit) => Number(change(logit).toFixed(6))) });

/** @type {Chapter[]} */
export const CHAPTERS = [
  {
    title: "Logits",
    text: [
      "The last layer of a network gives a number for each class: its logits. A logit is any real number, from −∞ to ∞. The class with the largest one fits best.",
      "By itself a logit means nothing: only the differences count. Add 5 to all of them, and softmax stays as it is. Sigmoid does not: it looks at one logit alone.",
    ],
    scores: article,
    parts: ["bars"],
    tries: [
      ["Add 5 to every logit", each((logit) => logit + 5)],
      ["Subtract 5", each((logit) => logit - 5)],
    ],
  },
  {
    title: "Softmax",
    text: [
      "Softmax turns logits into probabilities. It takes exp of each logit, so that all numbers are positive, and divides by their sum, so that they add up to 1. So every probability depends on all logits.",
      "It is no maximum: the largest logit takes most, and the smaller ones keep a share. Other names are softargmax and normalised exponential. Multiply the logits, and it comes closer to a maximum.",
    ],
    scores: article,
    parts: ["bars", "steps"],
    tries: [
      ["Double every logit", each((logit) => logit * 2)],
      ["Halve", each((logit) => logit / 2)],
    ],
  },
  {
    title: "Softmax and sigmoid",
    text: [
      "Sigmoid is 1 ÷ (1 + exp(−z)), and takes one logit. For two classes of which one has the logit 0, softmax of the other is its sigmoid: the two curves are one.",
      "Take softmax if exactly one class is true. Take a sigmoid for each class if several may be true, or none: these numbers need not add up to 1.",
    ],
    scores: two,
    parts: ["bars", "curves"],
    tries: [["Give the other class a logit of 1", ({ logits }) => ({ logits: [logits[0], 1] })]],
  },
  {
    title: "From scores to a loss",
    text: [
      "A network scores a picture for dog, cat, boat and airplane. Softmax makes probabilities of the scores, and the loss is −ln of the one that the true class has. Sure and right costs nearly nothing; sure and wrong costs a lot.",
      "The scores of the article's picture are lost. These give its percentage of the airplane to two digits. Choose another true class, and see its cost.",
    ],
    scores: airplane,
    parts: ["bars", "steps"],
    tries: [
      ["If it shows a dog", () => ({ target: 0 })],
      ["If it shows an airplane", () => ({ target: 3 })],
    ],
  },
  {
    title: "In a computer",
    text: [
      "The article computes a = exp(x) and a ÷ sum(a). From a logit of 710 on, exp is more than a float64 can hold, and ∞ ÷ ∞ is no number. Of several rows, it divides by the sum of all.",
      "The service subtracts the largest logit of each row first. That divides every exp by the same number, so the result stays, and nothing can overflow.",
    ],
    scores: overflow,
    parts: ["bars", "steps"],
    tries: [["Subtract 700 from every logit", each((logit) => logit - 700)]],
  },
  {
    title: "Why softmax in training",
    text: [
      "A network learns by small steps down the slope of its loss. Argmax, the choice of the largest, has no slope: a small change of a logit changes nothing, until it changes everything. Softmax has one everywhere.",
      "With the loss of before the slope is simple: p − 1 for the true class, and p for each other one. That is how far the answer is from the truth. For two classes, sigmoid with its own loss is the same.",
    ],
    scores: slope,
    parts: ["slope"],
  },
  {
    title: "A network",
    text: [
      "The article draws 1,000 points around four centres, and trains a network on them: layers of 12 and 8 neurons, then 4 with softmax. Move the point, and see the answer of the network that this service has.",
      "The article's own code does not run any more: it names an optimizer that Keras does not have, and gives make_blobs arguments that are ignored. The model here comes from code that is tested.",
    ],
    piece: "point",
  },
  {
    title: "The result",
    text: [
      "The article reports one run: a loss of 0.002027 on 250 test rows, and an accuracy of 100 %. Another seed starts from other weights, and ends with another loss. This table has all runs of the model here.",
      "An accuracy of 100 % on 250 rows is no proof of perfection: a model that is wrong in 1.2 % of all cases gets there once in twenty times.",
    ],
    piece: "seeds",
  },
  {
    title: "In the real world",
    text: [
      "“In real-world problems the result will not always be as good”, the article ends, “you have to perform many experiments”. Compare several seeds, on rows that took no part in training or in the choice.",
      "Then ask if the probabilities are true: of all answers that are 90 % sure, nine in ten should be right. Calibration aims at that, and the diagram shows how near it comes; with few rows, chance is part of it. For a row unlike all these, typicality is low, and the probabilities mean little.",
    ],
    piece: "reliability",
  },
];
