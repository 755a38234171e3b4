// The words on the map: the names of the classes, and the typicality along its lines.

/** @typedef {import("./grid.js").Grid} Grid */
/** @typedef {import("./picture.js").Sample} Sample */
/** @typedef {{text: string, x: number, y: number, kind: string}} Label */

/** The labels, the more important ones first. A name stands below the rows that are seen, if its region is there.
 * @param {Grid} grid @param {string[]} classes @param {Sample | null} sample
 * @param {{text: string, x: number, y: number}[]} lines with shares of the grid, from its top left
 * @returns {Label[]} */
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

/** A place below the training rows of a class.
 * @param {Sample} sample @param {number} index */
function below({ rows, classes }, index) {
  const own = rows.filter((_, row) => classes[row] === index);
  const mean = (/** @type {(row: number[]) => number} */ of) => own.reduce((sum, row) => sum + of(row), 0) / own.length;
  const y = mean((row) => row[1]);
  return { x: mean((row) => row[0]), y: y - 3 * Math.sqrt(mean((row) => (row[1] - y) ** 2)) };
}

/** A cell in the middle of the region of each class; none for a class with few cells.
 * @param {Grid} grid @param {number} classes */
function regions(grid, classes) {
  const { columns, rows, best } = grid;
  const rowOf = (/** @type {number} */ at) => Math.floor(at / columns);
  const middle = (/** @type {number[]} */ values) => values[values.length >> 1];
  /** @type {number[][]} */
  const cells = Array.from({ length: classes }, () => []);
  best.forEach((index, at) => void cells[index].push(at));
  return cells.flatMap((own, index) => {
    const at = middle(own.filter((each) => rowOf(each) === rowOf(middle(own))));
    const place = () => pointAt(grid, ((at % columns) + 0.5) / columns, (rowOf(at) + 0.5) / rows);
    return own.length < best.length / 60 ? [] : [{ index, ...place() }];
  });
}
