"""One graph has all models of a table, and is compared with them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from onnx import checker

from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.outputs import Array
from softmaxd.models.rowwise import ROWS_TO_TRY, choose_batching
from softmaxd.numerics.softmax import Softmax
from softmaxd_training.tables.encoding import Encoder
from softmaxd_training.tables.ensemble import Networks
from softmaxd_training.tables.folds import FOLDS
from softmaxd_training.tables.graphs import BLOCK, check_graph, graph_of, inputs_of
from softmaxd_training.tables.linear import Linear
from softmaxd_training.tables.trees import Trees
from softmaxd_training.tables.vocabulary import Texts
from tests.support.boosted import KNOWN, boosted

UNITS = 16
WEIGHTS = {"networks": 0.5, "trees": 0.25, "linear": 0.25}
CHOICES = [("networks",), ("trees",), ("linear",), ("networks", "trees"), ("networks", "trees", "linear")]


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    encoder: Encoder
    networks: Networks | None
    trees: Trees | None
    linear: Linear | None
    weights: Mapping[str, float]
    temperature: float


def drawn(*shape: int) -> Array:
    draw = np.random.default_rng(sum(shape))
    weights: Array = (draw.normal(size=shape) * np.sqrt(2 / shape[-2])).astype(np.float32)
    return weights


def models(classes: int, chosen: tuple[str, ...] = ("networks", "trees", "linear")) -> Models:
    rows = boosted(classes)
    encoder = Encoder.of(rows.numbers, rows.texts)
    width = encoder.width
    networks = Networks(
        (drawn(FOLDS, width, UNITS), drawn(FOLDS, UNITS, UNITS), drawn(FOLDS, UNITS, classes)),
        (drawn(FOLDS, UNITS), drawn(FOLDS, UNITS), drawn(FOLDS, classes)),
    )
    return Models(
        encoder,
        networks if "networks" in chosen else None,
        rows.trees if "trees" in chosen else None,
        Linear(drawn(width, classes), drawn(1, classes)[0], 1.0, 0.0) if "linear" in chosen else None,
        {name: WEIGHTS[name] for name in chosen},
        0.8,
    )


def rows(count: int) -> tuple[Array, Texts]:
    draw = np.random.default_rng(5)
    numbers = draw.normal(size=(count, 3)).astype(np.float32)
    numbers[draw.random((count, 3)) < 0.1] = np.nan
    return numbers, draw.choice(np.array([*KNOWN, "", "unknown"], object), (count, 2))


def engine_of(mixed: Models) -> Engine:
    graph = graph_of(mixed)
    checker.check_model(graph, full_check=True)
    return Engine(graph.SerializeToString(deterministic=True), device="cpu")


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("chosen", CHOICES, ids="-".join)
def test_a_graph_gives_the_probabilities_of_its_models(classes: int, chosen: tuple[str, ...]) -> None:
    mixed = models(classes, chosen)
    numbers, texts = rows(BLOCK + 100)
    encoded = mixed.encoder.encode(numbers, texts)

    engine = engine_of(mixed)
    outputs = engine.run_inputs(inputs_of(numbers, texts))

    logits: npt.NDArray[np.float64] = np.zeros((len(numbers), classes))
    logits += 0.5 / 0.8 * mixed.networks.logits(encoded) if mixed.networks else 0
    logits += 0.25 / 0.8 * mixed.trees.logits(numbers, texts) if mixed.trees else 0
    logits += 0.25 / 0.8 * mixed.linear.logits(encoded) if mixed.linear else 0
    assert outputs["logits"] == pytest.approx(logits, rel=1e-4, abs=1e-4)
    assert outputs["probabilities"] == pytest.approx(Softmax(logits).probabilities, abs=1e-4)
    assert check_graph(engine, mixed, numbers, texts) < 1e-5
    assert engine.outputs["logits"] == ("tensor(float)", ["n", classes])


def test_the_same_models_give_the_same_bytes() -> None:
    first, second = (graph_of(models(3)).SerializeToString(deterministic=True) for _ in range(2))

    assert first == second


@pytest.mark.parametrize("chosen", [("networks",), ("trees",), ("linear",)], ids="-".join)
def test_a_graph_of_other_models_is_refused(chosen: tuple[str, ...]) -> None:
    mixed = models(2, chosen)
    engine = engine_of(replace(mixed, temperature=0.8 * (1 + 1e-4)))

    with pytest.raises(Refused, match=r"^Python and ONNX Runtime differ by \S+ in a logit, more than the tolerance of"):
        check_graph(engine, mixed, *rows(200))


def test_large_terms_that_nearly_cancel_out_may_round_like_large_ones() -> None:
    """A row has one text of each column, so a number that is added for each of these is subtracted by the bias."""
    mixed, added = models(2, ("linear",)), np.float32(3000)
    assert mixed.linear
    weights, bias = mixed.linear.weights.copy(), mixed.linear.bias - added
    weights[-len(mixed.encoder.places) :][mixed.encoder.owners == 0] += added
    large = replace(mixed, linear=replace(mixed.linear, weights=weights, bias=bias))

    assert 1e-6 < check_graph(engine_of(large), large, *rows(200)) < 1e-3


@pytest.mark.parametrize("chosen", CHOICES, ids="-".join)
def test_the_rows_of_several_requests_may_run_together(chosen: tuple[str, ...]) -> None:
    engine = engine_of(models(3, chosen))
    numbers, texts = rows(ROWS_TO_TRY)
    table = np.empty(ROWS_TO_TRY, [("numeric", np.float32, (3,)), ("text", object, (2,))])
    table["numeric"], table["text"] = numbers, texts

    def run(part: npt.NDArray[np.void]) -> dict[str, Array]:
        return engine.run_inputs(inputs_of(np.ascontiguousarray(part["numeric"]), part["text"].copy()))

    _, batching = choose_batching(run, table)

    assert batching in {"joined", "padded"}


def test_a_table_of_numbers_or_of_texts_alone_has_one_input() -> None:
    numbers, texts = rows(300)
    for cells in ((numbers, texts[:, :0]), (numbers[:, :0], texts)):
        encoder = Encoder.of(*cells)
        linear = Linear(drawn(encoder.width, 2), drawn(1, 2)[0], 1.0, 0.0)
        mixed = Models(encoder, None, None, linear, {"linear": 1.0}, 1.0)
        engine = engine_of(mixed)

        assert list(engine.inputs) == list(inputs_of(*cells))
        assert len(engine.inputs) == 1
        assert check_graph(engine, mixed, *cells) < 1e-6
