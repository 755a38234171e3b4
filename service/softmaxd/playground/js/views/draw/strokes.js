// Strokes: lists of points, in units of which the longer side of the picture has 64.

/** @typedef {[number, number]} Point */
/** @typedef {Point[]} Stroke */

export const UNITS = 64;
const SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"; // one for each unit, as they stand in a URL

/**
 * Strokes as text: two signs for each point, a dot between strokes.
 * @param {Stroke[]} strokes
 */
export function asText(strokes) {
  return strokes.map((stroke) => stroke.map(([x, y]) => SIGNS[x] + SIGNS[y]).join("")).join(".");
}

/**
 * Strokes of a text; what is no point is left out.
 * @param {string | null} text
 * @returns {Stroke[]}
 */
export function ofText(text) {
  const strokes = (text ?? "")
    .split(".")
    .map((part) =>
      (part.match(/[\w-]{2}/g) ?? []).map(
        (/** @type {string} */ pair) => /** @type {Point} */ ([...pair].map((sign) => SIGNS.indexOf(sign))),
      ),
    );
  return strokes.filter((stroke) => stroke.length > 0);
}

/**
 * The path of a stroke, as SVG and canvas know it: smooth through its points (Catmull and Rom, 1974).
 * @param {Stroke} points
 */
export function pathOf(points) {
  const [[x, y], ...more] = points;
  const parts = more.map((end, index) => {
    const start = points[index];
    const before = points[index - 1] ?? start;
    const after = more[index + 1] ?? end;
    const controls = [0, 1].map((axis) => [
      start[axis] + (end[axis] - before[axis]) / 6,
      end[axis] - (after[axis] - start[axis]) / 6,
    ]);
    return `C${controls[0][0]} ${controls[1][0]} ${controls[0][1]} ${controls[1][1]} ${end.join(" ")}`;
  });
  return `M${x} ${y}${parts.join("") || "h.01"}`;
}

/** Drawings to begin with: digits in the hand of their training pictures, and what is none. */
export const EXAMPLES = [
  { name: "0", strokes: "iMoQrWtfsopvkze0YwVqThUYXRcNiM" },
  { name: "1", strokes: "YUiLi1" },
  { name: "2", strokes: "XQbNfLkMnOqTqXoZmefpZ1j0w2" },
  { name: "3", strokes: "UQZMfLlNoSpXlcgfgfmhqmrrpwk0d1XzTw" },
  { name: "4", strokes: "iKbWTlelvl.malok2" },
  { name: "5", strokes: "nLdLWMWUVeZefcldqisortmyg1Z1Uy" },
  { name: "6", strokes: "mKeRXcUnVmZpevjzozrusopjjfdfXjUo" },
  { name: "7", strokes: "UTXMhLrJpSkhgse1.Ykiisg" },
  { name: "8", strokes: "pRjLeLZOXTYYbcgdmgqlrsoyj2d2YyVsWlaggemaqR" },
  { name: "9", strokes: "qZpTlOfMZOVSUYWechiineqZqiosi2" },
  { name: "A scribble", strokes: "KoWMSyiOc2uMm02UwwOc0iMu" },
  { name: "A face", strokes: "gIpKxP2X4g2pxxp2g4X2PxKpIgKXPPXKgI.YZ.oZ.rnpqlsgtbsXqVn" },
  { name: "Two digits", strokes: "MYSQSy.iWqQyWuiixqx2x" },
];
