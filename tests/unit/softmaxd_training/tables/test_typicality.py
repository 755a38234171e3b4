"""The distance of a row of a table from the training rows: its meaning, and its digits in a graph."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from onnx import TensorProto, checker, helper

from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.manifest import ATYPICALITY
from softmaxd.models.outputs import Array
from softmaxd.models.rowwise import ROWS_TO_TRY, choose_batching
from softmaxd_training.atypicality import BLOCK, Atypicality
from softmaxd_training.rows import Classes, Rows
from softmaxd_training.strange import auroc
from softmaxd_training.tables.encoding import Encoder
from softmaxd_training.tables.graphs import TEXTS, inputs_of
from softmaxd_training.tables.nodes import Nodes
from softmaxd_training.tables.typicality import POINTS, WIDEST, WIDEST_NEAR, TableTypicality, Values, points_that_pay
from softmaxd_training.tables.vocabulary import Texts

JOBS = np.array(["clerk", "nurse", "cook", "", "rare"], object)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    numbers: Array
    texts: Texts
    classes: Classes

    @property
    def encoder(self) -> Encoder:
        return Encoder.of(self.numbers, self.texts)

    @property
    def typicality(self) -> TableTypicality:
        return TableTypicality.of(self.numbers, self.texts, self.classes, self.encoder)

    @property
    def nearest(self) -> TableTypicality:
        """That of the nearest of up to 500 rows."""
        return TableTypicality.of(self.numbers, self.texts, self.classes, self.encoder, points=500)

    @property
    def points(self) -> int:
        return points_that_pay(self.numbers, self.texts, self.classes, self.encoder)


def mixed(count: int, *, seed: int = 0, columns: int = 3, text_columns: int = 2) -> Cells:
    """Draw rows of three classes with gaps: numbers and texts both depend on the class."""
    chance = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    numbers = (chance.normal(size=(count, columns)) * 10 + 5 * classes[:, None]).astype(np.float32)
    numbers[:, 1:][chance.random((count, columns - 1)) < 0.1] = np.nan
    jobs = (classes[:, None] + chance.choice(5, size=(count, text_columns), p=[0.6, 0.2, 0.15, 0.045, 0.005])) % 5
    return Cells(numbers, JOBS[jobs], classes.astype(np.int64))


def numbers_only() -> Cells:
    return mixed(300, text_columns=0)


def texts_only() -> Cells:
    cells = mixed(300)
    return Cells(cells.numbers[:, :0], cells.texts, cells.classes)


def constant_columns() -> Cells:
    cells = mixed(300)
    numbers = np.hstack([cells.numbers, np.full((300, 1), 0.1), np.full((300, 1), np.nan)]).astype(np.float32)
    return Cells(numbers, np.hstack([cells.texts, np.full((300, 1), "same", object)]), cells.classes)


def few_rows() -> Cells:
    return mixed(9)


def many_columns() -> Cells:
    return mixed(400, columns=1000)


Make = Callable[[], Cells]

TABLES: list[Make] = [lambda: mixed(900), numbers_only, texts_only, constant_columns, few_rows, many_columns]
NAMES = ["mixed", "numbers", "texts", "constant", "few rows", "many columns"]


def engine_of(cells: Cells, typicality: TableTypicality) -> Engine:
    encoder, nodes = Encoder.of(cells.numbers, cells.texts), Nodes()
    given = inputs_of(cells.numbers, cells.texts)
    ids = encoder.vocabulary.draw(nodes, TEXTS) if TEXTS in given else ""
    typicality.draw(nodes, next((name for name in given if name != TEXTS), ""), ids)
    inputs = [
        helper.make_tensor_value_info(
            name, TensorProto.STRING if name == TEXTS else TensorProto.FLOAT, ["n", values.shape[1]]
        )
        for name, values in given.items()
    ]
    output = helper.make_tensor_value_info(ATYPICALITY, TensorProto.FLOAT, ["n"])
    graph = helper.make_graph(nodes.nodes, "typical", inputs, [output], nodes.constants)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    checker.check_model(model, full_check=True)
    return Engine(model.SerializeToString(), device="cpu")


@pytest.mark.parametrize("make", TABLES, ids=NAMES)
def test_the_graph_gives_the_same_distances(make: Make) -> None:
    cells = make()

    for typicality in (cells.typicality, cells.nearest):
        found = engine_of(cells, typicality).run_inputs(inputs_of(cells.numbers, cells.texts))[ATYPICALITY]

        assert np.isfinite(found).all()
        assert found.shape == (len(cells.classes),)
        typicality.check(found, cells.numbers, cells.texts)


@pytest.mark.parametrize("place", [7, BLOCK])
def test_other_distances_are_refused(place: int) -> None:
    cells = mixed(BLOCK + 1)
    found = cells.typicality.distances(cells.numbers, cells.texts).astype(np.float32)
    found[place] *= np.float32(1.01)

    with pytest.raises(Refused, match=r"^Python and ONNX Runtime differ by \S+ in an atypicality, more than the toler"):
        cells.typicality.check(found, cells.numbers, cells.texts)


def test_of_numbers_without_gaps_it_is_the_distance_of_other_models() -> None:
    cells = mixed(300, text_columns=0)
    whole = Cells(np.nan_to_num(cells.numbers), cells.texts, cells.classes)

    found = whole.typicality.distances(whole.numbers, whole.texts)

    assert found == pytest.approx(Atypicality.of(Rows(whole.numbers, whole.classes))(whole.numbers))


@pytest.mark.parametrize("change", ["an unknown text", "a number ten times as large", "the first missing text"])
def test_strange_rows_are_further_away(change: str) -> None:
    cells, asked = mixed(2000), mixed(500, seed=1)
    if change == "the first missing text":
        cells.texts[cells.texts == ""] = "cook"
        asked.texts[asked.texts == ""] = "cook"
    typicality = cells.typicality
    numbers, texts = asked.numbers.copy(), asked.texts.copy()
    if change == "a number ten times as large":
        numbers[:, 0] = 10 * np.abs(numbers[:, 0]) + 100
    else:
        texts[:, 1] = "never seen" if change == "an unknown text" else ""

    ordinary, strange = typicality.distances(asked.numbers, asked.texts), typicality.distances(numbers, texts)

    assert auroc(ordinary, strange) > 0.9


def test_a_missing_number_counts_as_the_mean() -> None:
    cells = mixed(300)
    values = cells.typicality.values
    numbers = np.array([[1, np.nan, 3]], np.float32)

    (row,) = values(numbers, cells.texts[:1])

    known = cells.numbers[:, 1][~np.isnan(cells.numbers[:, 1])]
    assert row[:5] == pytest.approx([1, known.mean(), 3, 1, 0])


def test_the_widest_tables_keep_their_most_frequent_categories() -> None:
    names = np.repeat([f"town {place}" for place in range(2 * WIDEST)], 5)
    names = np.concatenate([names, np.repeat([f"city {place}" for place in range(10)], 9)]).astype(object)
    numbers = np.arange(len(names), dtype=np.float32)[:, None]

    values = Values.of(numbers, names[:, None], Encoder.of(numbers, names[:, None]))

    row = values(numbers[:1], np.array([["city 7"]], object))
    assert values.width == WIDEST
    assert row[:, 1:].sum() == 1


@pytest.mark.parametrize("kind", ["typicality", "nearest"])
@pytest.mark.parametrize("make", TABLES[:3], ids=NAMES[:3])
def test_a_row_has_the_same_bits_alone_and_among_others(make: Make, kind: str) -> None:
    cells, asked = make(), mixed(ROWS_TO_TRY, seed=3)
    asked = Cells(asked.numbers[:, : cells.numbers.shape[1]], asked.texts[:, : cells.texts.shape[1]], asked.classes)
    engine = engine_of(cells, getattr(cells, kind))
    places = np.arange(ROWS_TO_TRY)

    def run(part: npt.NDArray[np.int64]) -> dict[str, Array]:
        outputs = engine.run_inputs(inputs_of(asked.numbers[part], asked.texts[part]))
        return {**outputs, "logits": outputs[ATYPICALITY]}

    assert choose_batching(run, places)[1] in {"joined", "padded"}


def ring(count: int) -> Cells:
    """Draw rows of two classes: one on a circle, whose mean is far from all its rows, and one beside it."""
    chance = np.random.default_rng(0)
    angles = 2 * np.pi * chance.random(count)
    classes = np.arange(count) % 2
    numbers = np.stack([np.cos(angles), np.sin(angles)], axis=1) * 10 + chance.normal(size=(count, 2)) / 4
    numbers[classes == 1] = numbers[classes == 1] / 10 + [30, 0]
    return Cells(numbers.astype(np.float32), np.empty((count, 0), object), classes.astype(np.int64))


def test_the_nearest_rows_are_taken_where_they_pay() -> None:
    cells = ring(600)
    middle = np.zeros((1, 2), np.float32)

    ordinary = cells.nearest.distances(cells.numbers, cells.texts)
    assert cells.points == 600 * 7 // 8
    assert cells.nearest.distances(middle, cells.texts[:1])[0] > ordinary.max()
    assert cells.typicality.distances(middle, cells.texts[:1])[0] < 1


def test_of_one_cloud_for_each_class_the_means_are_enough() -> None:
    chance = np.random.default_rng(0)
    classes = np.arange(600) % 3
    numbers = (chance.normal(size=(600, 4)) + 6 * np.eye(3, 4)[classes]).astype(np.float32)

    assert Cells(numbers, np.empty((600, 0), object), classes.astype(np.int64)).points == 0


def test_wide_rows_have_no_points() -> None:
    cells = ring(600)
    wide = np.hstack([cells.numbers, np.random.default_rng(1).normal(size=(600, WIDEST_NEAR))]).astype(np.float32)

    assert Cells(wide, cells.texts, cells.classes).points == 0


def test_classes_that_strange_rows_cannot_be_made_of_have_no_points() -> None:
    texts = np.array([["a"], ["b"]] * 50, object)

    assert Cells(np.empty((100, 0), np.float32), texts, np.zeros(100, np.int64)).points == 0


def test_the_other_distance_has_as_many_points_as_may_be() -> None:
    cells, wide = ring(160), mixed(300, columns=WIDEST_NEAR + 1)

    assert (cells.typicality.points, cells.typicality.other_points(160)) == (0, 140)
    assert cells.typicality.other_points(5_000) == POINTS
    assert (cells.nearest.points, cells.nearest.other_points(160)) == (500, 0)
    assert wide.typicality.other_points(300) == 0
