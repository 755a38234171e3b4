// Lines along which a grid has the same value: marching squares.

/**
 * The line of a level through a grid, in cells from its top left, and its topmost point.
 * @param {Float64Array} values row by row, from the top
 * @param {number} columns
 * @param {number} level
 * @returns {{path: Path2D, top: [number, number] | null}}
 */
export function contour(values, columns, level) {
  const path = new Path2D();
  /** @type {[number, number] | null} */
  let top = null;
  for (let at = 0; at + columns + 1 < values.length; at += 1) {
    const [column, row] = [at % columns, Math.floor(at / columns)];
    if (column === columns - 1) {
      continue;
    }
    const corners = [values[at], values[at + 1], values[at + columns + 1], values[at + columns]];
    const points = crossings(corners, level).map(([x, y]) => [column + 0.5 + x, row + 0.5 + y]);
    for (let index = 0; index + 1 < points.length; index += 2) {
      const [[fromX, fromY], [toX, toY]] = [points[index], points[index + 1]];
      path.moveTo(fromX, fromY);
      path.lineTo(toX, toY);
      top ??= [fromX, fromY]; // rows come from the top
    }
  }
  return { path, top };
}

/** Where a level crosses the sides of a square.
 * @param {number[]} corners clockwise from the top left @param {number} level @returns {[number, number][]} */
function crossings(corners, level) {
  const [a, b, c, d] = corners;
  if (a >= level === b >= level && b >= level === c >= level && c >= level === d >= level) {
    return []; // nearly always
  }
  const share = (/** @type {number} */ from, /** @type {number} */ to) => (level - from) / (to - from);
  /** @type {[number, number, [number, number]][]} */
  const sides = [
    [a, b, [share(a, b), 0]],
    [b, c, [1, share(b, c)]],
    [d, c, [share(d, c), 1]],
    [a, d, [0, share(a, d)]],
  ];
  return sides.filter(([from, to]) => from >= level !== to >= level).map(([, , point]) => point);
}
