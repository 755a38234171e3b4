"""Opens model files of XGBoost and LightGBM, and converts them with onnxmltools."""

import re
from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np

from softmaxd.adding.graphs import OLDEST_OPSET
from softmaxd.converting.original import Inputs, Original, Values, first_line, named, need
from softmaxd.errors import Refused

NEEDED = {"onnxmltools": "onnxmltools", "skl2onnx": "skl2onnx"}
PROBABILITY_OBJECTIVES = {"binary", "multiclass", "multiclassova"}  # of LightGBM
DEFAULT_NAMES = re.compile(r"Column_\d+")  # that LightGBM gives to features without names
LAST_LINE = "\nend of trees\n"  # without it and the sizes, LightGBM takes as many trees as there are
SIZES = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)
THRESHOLDS = re.compile(r"^threshold=(.*)$", re.MULTILINE)


def open_xgboost(file: Path) -> Original:
    """Open a JSON or UBJ file that XGBoost wrote. Raises `Refused`."""
    need({"xgboost": "XGBoost", **NEEDED}, install="xgboost onnxmltools")
    import xgboost  # noqa: PLC0415 - it is in no extra

    model = xgboost.XGBClassifier()
    try:
        model.load_model(file)
    except Exception as error:  # XGBoost raises its own class, or TypeError for a regression
        raise Refused(f"XGBoost cannot load it as a classifier: {first_line(error)}") from error
    return of_xgboost(model)


def of_xgboost(model: Any) -> Original:
    """Return a fitted `XGBClassifier`. Raises `Refused` if it is another model."""
    need({"xgboost": "XGBoost", **NEEDED}, install="xgboost onnxmltools")
    from onnxmltools import convert_xgboost  # noqa: PLC0415 - it is in no extra

    if not hasattr(model, "predict_proba"):
        raise Refused(f"it has a {type(model).__name__}, which is no classifier")
    booster = model.get_booster()
    names, booster.feature_names = booster.feature_names, None  # with names, onnxmltools refuses it

    def run(inputs: Inputs, output: str) -> Values:
        (rows,) = inputs.values()
        return np.asarray(model.predict_proba(rows.astype(np.float32)))

    graph = _convert(convert_xgboost, model, booster.num_features())
    return Original(named("xgboost", "XGBoost"), _converter(), iter([graph]), run, _features(names))


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


def _booster(text: str) -> Any:
    import lightgbm  # noqa: PLC0415 - it is in no extra

    try:  # with the sizes of trees, LightGBM ends the process where one is broken
        return lightgbm.Booster(model_str=SIZES.sub("", text))
    except Exception as error:  # LightGBM raises its own class, and those of its parser
        raise Refused(f"LightGBM cannot load it: {first_line(error)}") from error


def _of_booster(booster: Any, model: Any = None) -> Original:
    """Return a booster, with the labels of its `LGBMClassifier`, if there is one."""
    from onnxmltools import convert_lightgbm  # noqa: PLC0415 - it is in no extra

    objective = str(booster.params.get("objective"))
    if objective not in PROBABILITY_OBJECTIVES:
        raise Refused(f"its objective is {objective}, not the classes of a classifier")

    def run(inputs: Inputs, output: str) -> Values:
        (rows,) = inputs.values()
        values = np.asarray(booster.predict(rows.astype(np.float64)))
        return np.stack([1 - values, values], axis=1) if values.ndim == 1 else values

    rounded = _booster(THRESHOLDS.sub(_rounded_down, booster.model_to_string()))
    if model not in (None, booster):
        labelled = copy(model)
        labelled._Booster, rounded = rounded, labelled
    graph = _convert(convert_lightgbm, rounded, booster.num_feature(), zipmap=False)
    features = _features(booster.feature_name())
    return Original(named("lightgbm", "LightGBM"), _converter(), iter([graph]), run, features)


def _rounded_down(line: re.Match[str]) -> str:
    """Return thresholds as the float32 numbers that are not above them: for a float32 x, x ≤ t has the same answer.

    The converter rounds them to the nearest, which may be above: a feature of this value then takes another branch.
    """
    exact = np.array(line[1].split(), dtype=np.float64)
    rounded = exact.astype(np.float32)
    below = np.where(rounded > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return "threshold=" + " ".join(repr(float(number)) for number in below)


def _features(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return names that the user gave to the features, if any."""
    if not names or all(map(DEFAULT_NAMES.fullmatch, names)):
        return None
    return tuple(names)


def _convert(convert: Callable[..., Any], model: Any, width: int, **options: Any) -> bytes:
    from onnxmltools.convert.common.data_types import FloatTensorType  # noqa: PLC0415

    try:
        graph = convert(model, initial_types=[("features", FloatTensorType([None, width]))], **options)
    except Exception as error:  # onnxmltools raises many classes
        raise Refused(f"onnxmltools cannot convert it: {first_line(error)}") from error
    for entry in graph.opset_import:
        if not entry.domain:  # onnxmltools writes the oldest with its operators; they are the same in this one
            entry.version = max(entry.version, OLDEST_OPSET)
    return bytes(graph.SerializeToString())


def _converter() -> str:
    return named("onnxmltools", "onnxmltools")
