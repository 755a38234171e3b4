"""Nodes and constants are named by their place."""

import numpy as np
import pytest

from softmaxd_training.tables.nodes import Nodes
from tests.support.table_nodes import run_of, texts_of

NUMBERS = np.array([[1, 2]], np.float32)
TEXTS = texts_of(("a", "b"))


def test_the_same_calls_give_the_same_bytes() -> None:
    first, second = Nodes(), Nodes()
    for nodes in (first, second):
        nodes.add("Mul", nodes.add("Neg", "numeric"), nodes.constant(np.float32(2)), output="found")

    assert [each.SerializeToString() for each in first.nodes] == [each.SerializeToString() for each in second.nodes]
    assert [node.name for node in first.nodes] == ["0_Neg", "1_Mul"]
    assert [constant.name for constant in first.constants] == ["constant_0"]


@pytest.mark.parametrize("values", [np.array([[3, 4]], np.float32), np.float32(3)])
def test_a_constant_keeps_its_shape_and_its_type(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    nodes = Nodes()
    nodes.add("Add", "numeric", nodes.constant(values), output="found")

    assert run_of(nodes, (NUMBERS, TEXTS))(NUMBERS, TEXTS).tolist() == (NUMBERS + values).tolist()
