"""Writes others/*.onnx, and others/*.json with some rows and the probabilities that each library gives for them.

    pip install scikit-learn==1.6.1 skl2onnx==1.20.0 catboost==1.2.10 lightgbm==4.7.0 xgboost==3.2.0 \\
        onnxmltools==1.16.0 onnxconverter-common==1.16.0 onnxruntime==1.32.0 ml_dtypes sympy
    python tests/models/export_others.py

Most of these libraries are in none of the locked environments. For the quantised networks the probabilities are those
of the network before it was quantised.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import onnx
import onnxmltools
import xgboost
from onnx import TensorProto, helper, numpy_helper
from onnxconverter_common import float16
from onnxmltools.convert.common.data_types import FloatTensorType
from onnxruntime.quantization import QuantType, quantize_dynamic, quantize_static
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

FOLDER = Path(__file__).parent / "others"
SPECIES = np.array(["setosa", "versicolor", "virginica"])


class Rows:
    """Hands out rows once, to calibrate a static quantisation."""

    def __init__(self, rows: np.ndarray) -> None:
        self.batches = iter([{"x": rows}])

    def get_next(self) -> Any:
        return next(self.batches, None)


def network(fitted: MLPClassifier) -> onnx.ModelProto:
    """Return a fitted network with its softmax as a plain graph, which the converters of types understand."""
    (first, last), (first_bias, last_bias) = fitted.coefs_, fitted.intercepts_
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Gemm", ["active", "v", "c"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["p"], axis=1),
    ]
    arrays = {"w": first, "b": first_bias, "v": last, "c": last_bias}
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def through_files(quantise: Callable[[Path, Path], object], model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that a function has written to its second file, from the first one."""
    source, target = FOLDER / "source.onnx", FOLDER / "target.onnx"
    onnx.save(model, source)
    quantise(source, target)
    result = onnx.load(target)
    source.unlink()
    target.unlink()
    return result


def examples(rows: np.ndarray, classes: np.ndarray) -> Iterator[tuple[str, onnx.ModelProto, np.ndarray]]:
    """Yield each name, model, and the probabilities of the rows."""
    regression = LogisticRegression(max_iter=1000).fit(rows, SPECIES[classes])
    probabilities = regression.predict_proba(rows)
    yield "zipmap", to_onnx(regression, rows[:1]), probabilities
    yield "columns", to_onnx(regression, rows[:1], options={"zipmap": "columns"}), probabilities
    kinds = [("x", FloatTensorType([None, 4]))]
    cat = catboost.CatBoostClassifier(iterations=5, depth=2, verbose=False, random_seed=0, allow_writing_files=False)
    cat.fit(rows, SPECIES[classes])
    cat.save_model(str(FOLDER / "catboost.onnx"), format="onnx")
    trees = onnx.load(FOLDER / "catboost.onnx")
    build = trees.producer_version.splitlines()
    trees.producer_version = "\n".join(line for line in build if "@" not in line)  # an address
    yield "catboost", trees, cat.predict_proba(rows)
    light = lightgbm.LGBMClassifier(n_estimators=5, num_leaves=4, verbose=-1, random_state=0).fit(rows, classes)
    yield "lightgbm", onnxmltools.convert_lightgbm(light, initial_types=kinds), light.predict_proba(rows)
    boosted = xgboost.XGBClassifier(n_estimators=5, max_depth=2, random_state=0).fit(rows, classes)
    yield "xgboost", onnxmltools.convert_xgboost(boosted, initial_types=kinds), boosted.predict_proba(rows)
    fitted = MLPClassifier((8,), max_iter=2000, random_state=0).fit(rows, classes)
    expected = fitted.predict_proba(rows)
    yield "float16", float16.convert_float_to_float16(network(fitted)), expected
    yield "mixed", float16.convert_float_to_float16(to_onnx(fitted, rows[:1], options={"zipmap": False})), expected
    dynamic = through_files(lambda a, b: quantize_dynamic(a, b, weight_type=QuantType.QUInt8), network(fitted))
    yield "dynamic", dynamic, expected
    yield "static", through_files(lambda a, b: quantize_static(a, b, Rows(rows)), network(fitted)), expected


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    rows, classes = load_iris(return_X_y=True)
    rows = rows.astype(np.float32)
    for name, model, probabilities in examples(rows, classes):
        onnx.save(model, FOLDER / f"{name}.onnx")
        content = {"instances": rows[::5].tolist(), "probabilities": np.asarray(probabilities, float)[::5].tolist()}
        (FOLDER / f"{name}.json").write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
