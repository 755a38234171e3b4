import asyncio
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from softmaxd.models.batching import MAX_BATCH_ROWS, ONE_REQUEST, Batcher
from softmaxd.models.engine import Engine
from softmaxd.models.outputs import Array, Outputs
from softmaxd.models.rowwise import ALIGNED_ROWS, ROWS_TO_TRY, Batching, choose_batching, is_same
from softmaxd.models.runner import Runner
from softmaxd.models.together import Run
from tests.support.onnx_models import classifier

WIDTH, CLASSES = 13, 10


def rows(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)


def network(activation: str, *widths: int) -> Engine:
    """Return 13 features → dense layers of these widths, each with its activation → 10 logits."""
    numbers = np.random.default_rng(0)
    nodes, constants, before = [], {}, "features"
    sizes = [WIDTH, *widths, CLASSES]
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        name = "logits" if layer == len(widths) else f"layer {layer}"
        constants[f"weights {layer}"] = numbers.normal(0, fan_in**-0.5, (fan_in, fan_out)).astype(np.float32)
        constants[f"bias {layer}"] = numbers.normal(size=fan_out).astype(np.float32)
        nodes.append(helper.make_node("Gemm", [before, f"weights {layer}", f"bias {layer}"], [name]))
        if layer < len(widths):
            before = f"{activation} {layer}"
            nodes.append(helper.make_node(activation, [name], [before]))
    return Engine(classifier(nodes, constants, features=WIDTH, classes=CLASSES).SerializeToString(), device="cpu")


def quantized() -> Engine:
    """Return a network that scales its input by the largest of all rows, as dynamic quantization does."""
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["features"], ["quantized", "scale", "zero"]),
        helper.make_node("MatMulInteger", ["quantized", "weights", "zero"], ["product"]),
        helper.make_node("Cast", ["product"], ["whole"], to=1),
        helper.make_node("Mul", ["whole", "scale"], ["logits"]),
    ]
    weights = np.random.default_rng(0).integers(-9, 9, (WIDTH, CLASSES)).astype(np.int8)
    return Engine(classifier(nodes, {"weights": weights}, features=WIDTH, classes=CLASSES).SerializeToString())


def one_product() -> Engine:
    """Return a network whose weights are computed, so that ONNX Runtime has a kernel of its own for a single row."""
    nodes = [
        helper.make_node("Shape", ["features"], ["shape"]),
        helper.make_node("Gather", ["shape", "1"], ["size"]),
        helper.make_node("Cast", ["size"], ["width"], to=1),
        helper.make_node("Div", ["weights", "width"], ["quotients"]),
        helper.make_node("MatMul", ["features", "quotients"], ["logits"]),
    ]
    weights = np.random.default_rng(0).normal(size=(WIDTH, CLASSES)).astype(np.float32)
    constants = {"weights": weights, "1": np.array(1)}
    return Engine(classifier(nodes, constants, features=WIDTH, classes=CLASSES).SerializeToString())


def votes() -> Engine:
    """Return a network with the logarithm of shares of ten votes, as a small forest has it."""
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["sums"]),
        helper.make_node("Softmax", ["sums"], ["shares"], axis=1),
        helper.make_node("Mul", ["shares", "10"], ["tenths"]),
        helper.make_node("Round", ["tenths"], ["votes"]),
        helper.make_node("Add", ["votes", "0.03"], ["smoothed"]),
        helper.make_node("Log", ["smoothed"], ["logits"]),
    ]
    weights = np.random.default_rng(0).normal(size=(WIDTH, CLASSES)).astype(np.float32)
    constants = {"weights": weights, "10": np.array(10, np.float32), "0.03": np.array(0.03, np.float32)}
    return Engine(classifier(nodes, constants, features=WIDTH, classes=CLASSES).SerializeToString())


ENGINES: dict[str, Callable[[], Engine]] = {
    "wide": lambda: network("Relu", 64, 64),
    "odd widths": lambda: network("Tanh", 7, 33),
    "last numbers of a register": lambda: network("Elu", 7),
    "another such": lambda: network("Softplus", 7),
    "computed weights": one_product,
    "votes": votes,
    "quantized": quantized,
}


@pytest.fixture(scope="module", params=ENGINES)
def found(request: pytest.FixtureRequest) -> tuple[Run, Batching]:
    return choose_batching(ENGINES[request.param]().run, rows(ROWS_TO_TRY))


@settings(max_examples=30)
@given(st.lists(st.integers(1, 70), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_the_answer_to_a_request_does_not_depend_on_its_neighbours(
    found: tuple[Run, Batching], sizes: list[int], seed: int
) -> None:
    run, batching = found
    parts = np.split(rows(sum(sizes), seed), np.cumsum(sizes)[:-1])
    alone = [run(part) for part in parts]

    async def main() -> list[Outputs]:
        limit = ONE_REQUEST if batching == "alone" else MAX_BATCH_ROWS
        queue = Batcher(
            Runner(run, inline=True), lambda _ran: None, max_queued_rows=10_000, queue_timeout=60, max_batch_rows=limit
        )
        return await asyncio.gather(*(queue.predict(part) for part in parts))

    for outputs, expected in zip(asyncio.run(main()), alone, strict=True):
        for name in ("logits", "probabilities"):
            assert outputs[name].tobytes() == expected[name].tobytes()
            if batching != "alone":
                each = np.concatenate([run(row[None])[name] for row in parts[0]])
                assert run(parts[0])[name].tobytes() == each.tobytes()


@pytest.mark.parametrize(("name", "batching"), [("wide", "joined"), ("odd widths", "joined"), ("quantized", "alone")])
def test_the_way_of_a_network_is_found(name: str, batching: Batching) -> None:
    assert choose_batching(ENGINES[name]().run, rows(ROWS_TO_TRY))[1] == batching


def outputs(values: Array) -> dict[str, Array]:
    return {"logits": values, "probabilities": values}


def by_the_registers(features: Array) -> dict[str, Array]:
    values = features.copy()
    values[len(values) // ALIGNED_ROWS * ALIGNED_ROWS :] *= np.float32(1 + 1e-6)  # the last ones, which fill none
    return outputs(values)


def by_rare_numbers(features: Array) -> dict[str, Array]:
    values = features.copy()
    last = values.reshape(-1)[-(values.size % ALIGNED_ROWS) or values.size :][-2:]
    last[np.floor(np.abs(last) * 1000) % 50 == 0] *= np.float32(1 + 1e-6)  # one in fifty
    return outputs(values)


def by_few_leaves(features: Array) -> dict[str, Array]:
    return outputs(np.sign(features[:, :1]).repeat(CLASSES, axis=1))


def by_all_rows(features: Array) -> dict[str, Array]:
    return outputs(features - features.mean())


def by_a_table(features: Array) -> dict[str, Array]:
    if features.max() > 0:
        raise IndexError
    return outputs(features)


@pytest.mark.parametrize(
    ("run", "batching"),
    [
        (outputs, "joined"),
        (by_the_registers, "padded"),
        (by_rare_numbers, "padded"),
        (by_few_leaves, "padded"),
        (by_all_rows, "alone"),
        (by_a_table, "alone"),
    ],
)
def test_the_least_change_is_chosen_that_keeps_rows_apart(run: Run, batching: Batching) -> None:
    assert choose_batching(run, rows(ROWS_TO_TRY))[1] == batching


@pytest.mark.parametrize("count", [1, 15, 16, 17])
def test_padding_is_not_seen_outside(count: int) -> None:
    run, _ = choose_batching(by_the_registers, rows(ROWS_TO_TRY))

    assert np.array_equal(run(rows(count))["logits"], rows(count))


def test_two_ways_to_run_a_model_are_compared_to_the_last_bit() -> None:
    run = network("Relu", 5).run

    def other(features: Array) -> dict[str, Array]:
        return {name: np.nextafter(values, np.float32(9)) for name, values in run(features).items()}

    def refuses(features: Array) -> dict[str, Array]:
        if len(features) == 1:
            raise ValueError("too few rows")
        return run(features)

    features = rows(ROWS_TO_TRY)
    assert is_same(run, run, features)
    assert not is_same(other, run, features)
    assert not is_same(refuses, run, features)
