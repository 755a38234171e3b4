"""Collects the nodes and the constants of an ONNX graph, and names each by its place."""

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

ML = "ai.onnx.ml"
ML_OPERATORS = {"LabelEncoder", "TreeEnsembleRegressor"}


class Nodes:
    """Nodes and constants in the order in which they are added: the same calls give the same bytes."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node with one output, and return the name of that."""
        name = f"{len(self.nodes)}_{operator}"
        domain = ML if operator in ML_OPERATORS else ""
        output = output or name
        self.nodes.append(helper.make_node(operator, inputs, [output], name=name, domain=domain, **attributes))
        return output

    def constant(self, values: npt.ArrayLike) -> str:
        """Add a constant, and return its name. Of objects, each must be a text."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name
