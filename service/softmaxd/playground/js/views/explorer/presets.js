// Examples: those of the article first.

/** @type {{name: string, note: string, scores: import("../explorer.js").Scores}[]} */
export const PRESETS = [
  {
    name: "The article's example",
    note: "Three logits. The largest takes most of the probability, and the others keep a little: softmax is not max.",
    scores: { names: ["class 0", "class 1", "class 2"], logits: [0.7, 1.5, 4.8], temperature: 1, target: 2 },
  },
  {
    name: "Dog, cat, boat, airplane",
    note: "A picture of an airplane, scored by a network. The loss is −ln of the true class's probability: 93.15 % costs 0.0709.",
    scores: {
      names: ["dog", "cat", "boat", "airplane"],
      logits: [-3.44, 1.16, -0.81, 3.91],
      temperature: 1,
      target: 3,
    },
  },
  {
    name: "Two classes: it is sigmoid",
    note: "If one of two logits is 0, softmax of the other is its sigmoid. Compare the first row of both columns, and the two curves.",
    scores: { names: ["yes", "no"], logits: [2, 0], temperature: 1, target: 0 },
  },
  {
    name: "Too large for the textbook",
    note: "exp(710) is too large for a float64, so the textbook formula gives NaN. With the largest logit subtracted first, nothing can overflow.",
    scores: { names: ["class 0", "class 1", "class 2"], logits: [709, 710, 712], temperature: 1, target: 2 },
  },
  {
    name: "Why not argmax?",
    note: "Argmax has no slope but 0, so a network cannot learn from it. Softmax always says in which direction it gets better.",
    scores: { names: ["class 0", "class 1", "class 2"], logits: [1, 1.2, 0.8], temperature: 1, target: 0 },
  },
];
