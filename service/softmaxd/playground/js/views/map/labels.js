// The words on the map: the names of the classes, and the typicality along its lines.

/** @typedef {import("./grid.js").Grid} Grid */
/** @typedef {import("./picture.js").Sample} Sample */
/** @typedef {{text: string, x: number, y: number, kind: string}} Label */

/**
 * The labels, the more important ones first.
 * @param {Grid} grid
 * @param {string[]} classes
 * @param {Sample | null} sample if its rows are seen: a name stands below them, if that is in the region of its class
 * @param {{text: string, x: number, y: number}[]} lines with shares of the grid, from its top left
 * @returns {Label[]}
 */
export function labelsOf(grid, classes, sample, lines) {
  const names = regions(grid, classes.length).map(({ index, ...middle }) => {
    const under = sample && below(sample, index);
    const place = under && classAt(grid, under) === index ? under : middle;
    return { ...place, text: classes[index], kind: "region" };
  });
  return [...names, ...lines.map(({ text, x, y }) => ({ ...pointAt(grid, x, y), text, kind: "level" }))];
}

/** @param {Grid} grid @param {number} across @param {number} down */
function pointAt({ extent: { from, to, low, high } }, across, down) {
  return { x: from + across * (to - from), y: high - down * (high - low) };
}

/** @param {Grid} grid @param {{x: number, y: number}} point */
function classAt({ extent: { from, to, low, high }, columns, rows, best }, { x, y }) {
  const [column, row] = [((x - from) / (to - from)) * columns, ((high - y) / (high - low)) * rows].map(Math.floor);
  return column >= 0 && column < columns ? best[row * columns + column] : undefined;
}

/**
 * A place below the training rows of a class.
 * @param {Sample} sample
 * @param {number} index
 */
function below({ rows, classes }, index) {
  const own = rows.filter((_, row) => classes[row] === index);
  const mean = (/** @type {(row: number[]) => number} */ of) => own.reduce((sum, row) => sum + of(row), 0) / own.length;
  const y = mean((row) => row[1]);
  return { x: mean((row) => row[0]), y: y - 3 * Math.sqrt(mean((row) => (row[1] - y) ** 2)) };
}

/**
 * The middle of the region of each class, or its own cell that is nearest to it; none for a class with few cells.
 * @param {Grid} grid
 * @param {number} classes
 * @returns {{index: number, x: number, y: number}[]}
 */
function regions(grid, classes) {
  const { columns, rows, best } = grid;
  const sums = Array.from({ length: classes }, () => ({ count: 0, column: 0, row: 0, near: Infinity, at: 0 }));
  best.forEach((index, at) => {
    const sum = sums[index];
    sum.count += 1;
    sum.column += at % columns;
    sum.row += Math.floor(at / columns);
  });
  best.forEach((index, at) => {
    const sum = sums[index];
    const far = Math.hypot((at % columns) - sum.column / sum.count, Math.floor(at / columns) - sum.row / sum.count);
    if (far < sum.near) {
      [sum.near, sum.at] = [far, at];
    }
  });
  return sums.flatMap(({ count, at }, index) =>
    count < best.length / 60
      ? []
      : [{ index, ...pointAt(grid, ((at % columns) + 0.5) / columns, (Math.floor(at / columns) + 0.5) / rows) }],
  );
}
