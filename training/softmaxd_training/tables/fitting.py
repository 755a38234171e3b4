"""Fits all candidates to a table, and chooses one: read from top to bottom."""

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from softmaxd.models.memory import return_freed_memory
from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats
from softmaxd_training.rows import Classes
from softmaxd_training.tables.boosting import fit_trees, most_rows
from softmaxd_training.tables.choice import Candidate, best_of, candidates_of
from softmaxd_training.tables.encoding import Encoder
from softmaxd_training.tables.ensemble import MOST_EPOCHS, Encoded, Networks, Tell, fit_networks, most_epochs, parts_of
from softmaxd_training.tables.folds import deal, draw
from softmaxd_training.tables.linear import Linear, Pieces, fit_linear
from softmaxd_training.tables.trees import Trees
from softmaxd_training.tables.vocabulary import MOST_CATEGORIES, Texts

KEPT = 2**24  # numbers of encoded rows that stay in memory, 64 MiB; more are encoded in each epoch
JUDGED_ROWS, JUDGED_LOGITS = 100_000, 4_000_000  # that candidates are compared by, at most
TREE_ROWS, TREE_LOGITS = 200_000, 400_000  # that trees are fitted to, at most
MOST_TREE_LABELS = 50  # each step of boosting is a tree for each label
LINEAR_ROWS, LINEAR_WORK = 20_000, 40_000_000  # rows for a linear model, at most; and times labels and encoded columns
LEAST_BY_LABEL = 10  # rows of each label, on average, for a linear model of a part of the rows


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The chosen model of a table, and the candidates that it was chosen from.

    A part that the chosen model has not is None. The model's logits are those of its parts, each times its weight,
    added up and divided by the temperature. `out_of_fold` [m, k] are its logits before the temperature, of the rows at
    `judged` [m], by models that have not seen them. `notes` tell in words which candidates were fitted to fewer rows,
    or not tried.
    """

    encoder: Encoder
    networks: Networks | None
    trees: Trees | None
    linear: Linear | None
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    judged: Classes
    out_of_fold: Floats
    notes: tuple[str, ...]

    @property
    def weights(self) -> Mapping[str, float]:
        """The weight of each part's logits, by its name: "networks", "trees", "linear"."""
        return self.chosen.weights

    @property
    def temperature(self) -> float:
        """The temperature of the weighted sum."""
        return self.chosen.temperature

    def logits(self, numbers: Array, texts: Texts) -> Floats:
        """Return the logits [n, k], divided by the temperature, of numbers [n, a] and texts [n, b]."""
        encoded = self.encoder.encode(numbers, texts)
        parts: dict[str, Floats] = {}
        if self.networks:
            parts["networks"] = self.networks.logits(encoded).astype(np.float64)
        if self.trees:
            parts["trees"] = self.trees.logits(numbers, texts)
        if self.linear:
            parts["linear"] = self.linear.logits(encoded).astype(np.float64)
        return self.chosen.logits(parts) / self.temperature


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The rows of a table, and the places of those that candidates are compared by."""

    numbers: Array
    texts: Texts
    classes: Classes
    encoder: Encoder
    judged: Classes
    seed: int

    @property
    def labels(self) -> int:
        return int(self.classes.max()) + 1

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.classes), self.encoder.width

    def __getitem__(self, places: Classes) -> Array:
        return self.encoder.encode(self.numbers[places], self.texts[places])

    def encoded(self) -> Encoded:
        """Return all rows encoded, or, if these are too many numbers, the table, which encodes rows when asked."""
        return self[np.arange(len(self.classes))] if len(self.classes) * self.encoder.width <= KEPT else self


def fit(numbers: Array, texts: Texts, classes: Classes, *, seed: int, on_epoch: Tell) -> Fitted:
    """Fit networks, trees and a linear model to a table, and choose one of them or a mean of them.

    Numbers [n, a] in float32 with NaN for missing, texts [n, b] with "" for missing, and classes [n], of which each
    from 0 up has at least `LEAST_ROWS` rows. `on_epoch` gets lines that tell how far it is. The same seed gives the
    same model on the same machine. Raises `Refused` if no column varies.
    """
    labels = int(classes.max()) + 1
    judged = draw(classes, min(JUDGED_ROWS, JUDGED_LOGITS // labels), seed=seed)
    table = _Table(numbers, texts, classes, Encoder.of(numbers, texts), judged, seed)
    notes = _notes_of(table)
    with threadpool_limits(1):  # on a busy machine, threads of NumPy and of trees mostly wait for each other
        networks = _fit_networks(table, on_epoch)
        _give_memory_back()
        trees = _fit_trees(table, on_epoch, notes)
        _give_memory_back()
        linear = _fit_linear(table, on_epoch, notes)
        every = {"networks": networks, "trees": trees, "linear": linear}
        parts = {name: part[1] for name, part in every.items() if part is not None}
        candidates = candidates_of(parts, classes[judged])
    chosen = best_of(candidates)
    return Fitted(
        encoder=table.encoder,
        networks=networks[0] if "networks" in chosen.weights else None,
        trees=trees[0] if trees and "trees" in chosen.weights else None,
        linear=linear[0] if linear and "linear" in chosen.weights else None,
        chosen=chosen,
        candidates=candidates,
        judged=judged,
        out_of_fold=chosen.logits(parts),
        notes=tuple(notes),
    )


def _give_memory_back() -> None:
    """Give back the memory of a fit, whose objects refer to each other in circles: Python would keep them for long."""
    gc.collect()
    return_freed_memory()


def _notes_of(table: _Table) -> list[str]:
    """Return how a table that is large, or has many texts, is fitted and judged in another way than a small one."""
    rows, width, labels = len(table.classes), table.encoder.width, table.labels
    epochs = most_epochs(rows, width, labels)
    size = f"{rows:,} rows, {width:,} encoded columns and {labels:,} labels"
    notes = []
    if left_out := table.encoder.vocabulary.left_out:
        notes.append(f"texts: the {MOST_CATEGORIES:,} most frequent are categories; {left_out:,} more count as unknown")
    if epochs < MOST_EPOCHS:
        notes.append(f"networks: at most {epochs} epochs instead of {MOST_EPOCHS}, as there are {size}")
    if len(table.judged) < rows:
        notes.append(f"candidates: compared by {len(table.judged):,} of {rows:,} rows, drawn by the seed")
    return notes


def _fit_networks(table: _Table, on_epoch: Tell) -> tuple[Networks, Floats]:
    folds = deal(table.classes, seed=table.seed)
    return fit_networks(table.encoded(), table.classes, folds, seed=table.seed, on_epoch=on_epoch, judged=table.judged)


def _fit_trees(table: _Table, on_epoch: Tell, notes: list[str]) -> tuple[Trees, Floats] | None:
    """Return trees, and the logits of the judged rows, or None if there are too many labels for them."""
    if table.labels > MOST_TREE_LABELS:
        notes.append(f"trees: not tried, as there are {table.labels} labels, more than {MOST_TREE_LABELS}")
        return None
    fitting = most_rows(table.numbers.shape[1], table.texts.shape[1], table.labels)
    rows = _drawn(table, "trees", min(TREE_ROWS, TREE_LOGITS // table.labels, fitting), notes)
    on_epoch(f"trees: {len(rows):,} rows")
    folds = deal(table.classes[rows], seed=table.seed)
    trees, logits = fit_trees(table.numbers[rows], table.texts[rows], table.classes[rows], folds, seed=table.seed)
    return trees, _of_judged(table, rows, logits, lambda rest: trees.logits(table.numbers[rest], table.texts[rest]))


def _fit_linear(table: _Table, on_epoch: Tell, notes: list[str]) -> tuple[Linear, Floats] | None:
    """Return a linear model, and the logits of the judged rows, or None if it would take too long."""
    most = min(LINEAR_ROWS, LINEAR_WORK // table.labels // table.encoder.width)
    if most < min(len(table.classes), LEAST_BY_LABEL * table.labels):
        notes.append(
            f"linear: not tried, as {table.labels} labels and {table.encoder.width} encoded columns are too many"
        )
        return None
    rows = _drawn(table, "linear", most, notes)
    on_epoch(f"linear: {len(rows):,} rows")
    folds = deal(table.classes[rows], seed=table.seed)
    pieces = Pieces(table.encoder.pieces, 1 / table.encoder.scales.astype(np.float64))
    linear, logits = fit_linear(table[rows], table.classes[rows], folds, pieces, seed=table.seed)
    return linear, _of_judged(table, rows, logits, lambda rest: linear.logits(table[rest]))


def _drawn(table: _Table, name: str, most: int, notes: list[str]) -> Classes:
    """Return the places of the rows that a candidate is fitted to, with a note if these are not all."""
    rows = draw(table.classes, most, seed=table.seed)
    if len(rows) < len(table.classes):
        notes.append(f"{name}: fitted to {len(rows):,} of {len(table.classes):,} rows, drawn by the seed")
    return rows


def _of_judged(table: _Table, rows: Classes, logits: Floats, ask: Callable[[Classes], Array | Floats]) -> Floats:
    """Return the logits of the judged rows: out of fold, [n, k] for the rows at these places, or by the model asked.

    That one has not seen the rows that it is asked for.
    """
    found = np.empty((len(table.judged), logits.shape[1]))
    is_seen = np.isin(table.judged, rows)
    found[is_seen] = logits[np.searchsorted(rows, table.judged[is_seen])]
    for part in parts_of(np.flatnonzero(~is_seen), table.encoder.width):
        found[part] = ask(table.judged[part])
    return found
