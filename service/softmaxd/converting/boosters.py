"""Opens model files of XGBoost and LightGBM, and converts them, and classifiers in pipelines, with onnxmltools."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

from softmaxd.converting.original import Inputs, Known, Original, Values, first_line, named, need
from softmaxd.errors import Refused
from softmaxd.models.by_name import listed

NEEDED = {"onnxmltools": "onnxmltools", "skl2onnx": "skl2onnx"}
PROBABILITY_OBJECTIVES = {"binary", "multiclass", "multiclassova"}  # of LightGBM
DEFAULT_NAMES = re.compile(r"Column_\d+")  # that LightGBM gives to features without names
LAST_LINE = "\nend of trees\n"  # without it and the sizes, LightGBM takes as many trees as there are
SIZES = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)
THRESHOLDS = re.compile(r"^threshold=(.*)$", re.MULTILINE)
RANGES = re.compile(r"^feature_infos=(.*)$", re.MULTILINE)  # [least:greatest], none, or the codes of categories
TREES_OPSET = 3  # of ai.onnx.ml, that has float64 thresholds
DOUBLES = {"base_values", "class_weights", "nodes_values"}  # attributes of trees that a tensor of float64 may have
MISREAD = {  # parameters of LightGBM that onnxmltools leaves out, and the only value of each that it takes for granted
    "boosting": ("rf", "gbdt"),
    "objective": ("multiclassova", "multiclass"),
    "sigmoid": (r"(?!1\]).*", "1"),
    "linear_tree": ("1", "0"),
    "zero_as_missing": ("1", "0"),
}
CATEGORIES = (
    "it has categories ({names}), which onnxmltools converts wrongly: train it on numbers instead, "
    "such as the columns of pandas.get_dummies"
)
MISSING = "missing: a file of XGBoost does not hold the parameter missing; its default, NaN, is assumed"


def open_xgboost(file: Path) -> Original:
    """Open a JSON or UBJ file that XGBoost wrote. Raises `Refused`."""
    need({"xgboost": "XGBoost", **NEEDED}, install="xgboost onnxmltools")
    import xgboost  # noqa: PLC0415 - it is in no extra

    model = xgboost.XGBClassifier()
    try:
        model.load_model(file)
    except Exception as error:  # XGBoost raises its own class, or TypeError for a regression
        raise Refused(f"XGBoost cannot load it as a classifier: {first_line(error)}") from error
    return replace(of_xgboost(model), notes=(MISSING,))


def of_xgboost(model: Any) -> Original:
    """Return a fitted `XGBClassifier`. Raises `Refused` if it is another model."""
    need({"xgboost": "XGBoost", **NEEDED}, install="xgboost onnxmltools")
    from onnxmltools import convert_xgboost  # noqa: PLC0415 - it is in no extra

    if not hasattr(model, "predict_proba"):
        raise Refused(f"it has a {type(model).__name__}, which is no classifier")
    plain, classes = _plain_xgboost(model)

    def run(inputs: Inputs, output: str) -> Values:
        (rows,) = inputs.values()
        return np.asarray(plain.predict_proba(rows.astype(np.float32)))

    booster = model.get_booster()
    graph = _convert(convert_xgboost, plain, booster.num_features())
    _correct_classes(graph.graph.node, classes)
    features = _features(booster.feature_names)
    unknown = [((), ())] * booster.num_features()
    return Original(
        named("xgboost", "XGBoost"), converter(), iter([graph.SerializeToString()]), run, features, known=unknown
    )


def convert_xgboost_step(scope: Any, operator: Any, container: Any) -> None:
    """Convert the `XGBClassifier` of a pipeline for skl2onnx. Raises `Refused`."""
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost  # noqa: PLC0415

    operator.raw_operator, classes = _plain_xgboost(operator.raw_operator)
    before = len(container.nodes)
    convert_xgboost(scope, operator, container)
    _correct_classes(container.nodes[before:], classes)


def _plain_xgboost(model: Any) -> tuple[Any, Sequence[int]]:
    """Return a copy of a classifier as onnxmltools converts it, and the class of each tree. Raises `Refused`."""
    booster = model.get_booster()
    saved = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    check_trees(saved)
    _check_categories((kind == "c" for kind in booster.feature_types or ()), booster.feature_names)
    plain = copy(model)
    plain._Booster = booster.copy()
    # names make onnxmltools fail; types leave out thresholds of booleans, and round those of integers
    plain._Booster.feature_names = plain._Booster.feature_types = None
    if model.objective == "multi:softmax":  # the same trees, of which onnxmltools gives the sums then
        plain.objective = "multi:softprob"
        plain._Booster.set_param({"objective": plain.objective})
    plain.n_estimators = None  # else onnxmltools takes parallel trees for classes
    return plain, saved["model"]["tree_info"]


def check_trees(saved: Mapping[str, Any]) -> None:
    """Refuse a booster of XGBoost, as its JSON has it, unless it has trees that all weigh the same."""
    if (kind := saved["name"]) != "gbtree":
        raise Refused(f"it has booster='{kind}', and onnxmltools converts only gbtree: train it with booster='gbtree'")
    if any(weight != 1 for weight in saved["model"].get("weight_drop", ())):
        raise Refused("it has trees of different weights, which onnxmltools ignores: train it without dropout")


def _correct_classes(nodes: Iterable[Any], classes: Sequence[int]) -> None:
    """Give each tree its class: onnxmltools takes them for one tree of each class in turn (`num_parallel_tree`)."""
    for trees in [node for node in nodes if node.op_type == "TreeEnsembleClassifier"]:
        attributes = {attribute.name: attribute for attribute in trees.attribute}
        attributes["class_ids"].ints[:] = [classes[tree] for tree in attributes["class_treeids"].ints]


def open_lightgbm(file: Path) -> Original:
    """Open a text file that LightGBM wrote. Raises `Refused`."""
    need({"lightgbm": "LightGBM", **NEEDED}, install="lightgbm onnxmltools")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Refused("it is not UTF-8 text") from error
    if LAST_LINE not in text:
        raise Refused("not all of it is there: it has no line 'end of trees'")
    return _of_booster(_booster(text))


def of_lightgbm(model: Any) -> Original:
    """Return a fitted `LGBMClassifier`, or a `Booster`. Raises `Refused` if it is another model."""
    need({"lightgbm": "LightGBM", **NEEDED}, install="lightgbm onnxmltools")
    return _of_booster(getattr(model, "booster_", model), model)


def convert_lightgbm_step(scope: Any, operator: Any, container: Any) -> None:
    """Convert the `LGBMClassifier` of a pipeline for skl2onnx. Raises `Refused`."""
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm  # noqa: PLC0415

    model = operator.raw_operator
    operator.raw_operator = _rounded(model.booster_, model)
    if type(operator.inputs[0].type).__name__ == "DoubleTensorType":
        operator.raw_operator, container = model, DoubleTrees(container)
    convert_lightgbm(scope, operator, container)


def _convert_exactly(scope: Any, operator: Any, container: Any) -> None:
    """Convert LightGBM's trees for onnxmltools with all digits of their thresholds."""
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm  # noqa: PLC0415

    convert_lightgbm(scope, operator, DoubleTrees(container))


class DoubleTrees:
    """Nodes as skl2onnx collects them, with all digits of the thresholds of trees: LightGBM compares as float64."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, kind: str, *names: Any, **attributes: Any) -> None:
        for name in DOUBLES.intersection(attributes):
            values = np.array(attributes.pop(name), dtype=np.float64)
            attributes[f"{name}_as_tensor"] = numpy_helper.from_array(values, name)
        self._container.add_node(kind, *names, **attributes)


def _booster(text: str) -> Any:
    import lightgbm  # noqa: PLC0415 - it is in no extra

    try:  # with the sizes of trees, LightGBM ends the process where one is broken
        return lightgbm.Booster(model_str=SIZES.sub("", text))
    except Exception as error:  # LightGBM raises its own class, and those of its parser
        raise Refused(f"LightGBM cannot load it: {first_line(error)}") from error


def _of_booster(booster: Any, model: Any = None) -> Original:
    """Return a booster, with the labels of its `LGBMClassifier`, if there is one."""
    from onnxmltools import convert_lightgbm  # noqa: PLC0415 - it is in no extra

    rounded = _rounded(booster, model)

    def run(inputs: Inputs, output: str) -> Values:
        (rows,) = inputs.values()
        values = np.asarray(booster.predict(rows.astype(np.float64)))
        return np.stack([1 - values, values], axis=1) if values.ndim == 1 else values

    def graphs() -> Iterator[bytes]:
        for kind, each in (("FLOAT", rounded), ("DOUBLE", model or booster)):
            own = {} if kind == "FLOAT" else {"LgbmClassifier": _convert_exactly}
            width, options = booster.num_feature(), {"zipmap": False, "custom_conversion_functions": own}
            graph = _convert(convert_lightgbm, each, width, **options)
            graph.graph.input[0].type.tensor_type.elem_type = TensorProto.DataType.Value(kind)
            for opset in graph.opset_import:
                opset.version = max(opset.version, TREES_OPSET if opset.domain else 0)
            yield graph.SerializeToString()

    features = _features(booster.feature_name())
    return Original(named("lightgbm", "LightGBM"), converter(), graphs(), run, features, known=_ranges(booster))


def _rounded(booster: Any, model: Any) -> Any:
    """Return a booster whose thresholds are float32 numbers, in its `LGBMClassifier` if there is one.

    Raises `Refused` if it has no probabilities, has categories, or parameters that the converter leaves out.
    """
    objective = str(booster.params.get("objective"))
    if objective not in PROBABILITY_OBJECTIVES:
        raise Refused(f"its objective is {objective}, not the classes of a classifier")
    text = booster.model_to_string()
    ranges = "".join(RANGES.findall(text)).split()
    for name, (value, cure) in MISREAD.items():
        if found := re.search(rf"^\[{name}: ({value})\]$", text, re.MULTILINE):
            raise Refused(
                f"it was trained with {name}={found[1]}, which onnxmltools leaves out: train it with {name}={cure}"
            )
    _check_categories((not each.startswith(("[", "none")) for each in ranges), _features(booster.feature_name()))
    rounded = _booster(THRESHOLDS.sub(_rounded_down, text))
    if model in (None, booster):
        return rounded
    labelled = copy(model)
    labelled._Booster = rounded
    return labelled


def _ranges(booster: Any) -> Known:
    """Return the least and the greatest number of each feature that its trees ask for."""
    ranges = "".join(RANGES.findall(booster.model_to_string())).split()
    return [((), [float(end) for end in each.strip("[]").split(":")] if each != "none" else []) for each in ranges]


def _rounded_down(line: re.Match[str]) -> str:
    """Return thresholds as the float32 numbers that are not above them: for a float32 x, x ≤ t has the same answer.

    The converter rounds them to the nearest, which may be above: a feature of this value then takes another branch.
    """
    exact = np.array(line[1].split(), dtype=np.float64)
    rounded = exact.astype(np.float32)
    below = np.where(rounded > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return "threshold=" + " ".join(repr(float(number)) for number in below)


def _check_categories(are: Iterable[bool], names: Sequence[str] | None) -> None:
    """Raise `Refused` if a feature is a category: the file has splits of its codes, which it rounds down before."""
    found = [names[index] if names else f"x{index}" for index, is_category in enumerate(are) if is_category]
    if found:
        raise Refused(CATEGORIES.format(names=listed(found)))


def _features(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return names that the user gave to the features, if any."""
    if not names or all(map(DEFAULT_NAMES.fullmatch, names)):
        return None
    return tuple(names)


def _convert(convert: Callable[..., Any], model: Any, width: int, **options: Any) -> Any:
    from onnxmltools.convert.common.data_types import FloatTensorType  # noqa: PLC0415

    try:
        graph: Any = convert(model, initial_types=[("features", FloatTensorType([None, width]))], **options)
    except Exception as error:  # onnxmltools raises many classes
        raise Refused(f"onnxmltools cannot convert it: {first_line(error)}") from error
    return graph


def converter() -> str:
    """Return the name of onnxmltools with its version."""
    return named("onnxmltools", "onnxmltools")
