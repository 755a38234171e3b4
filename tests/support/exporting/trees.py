"""LightGBM, XGBoost and CatBoost."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import onnxmltools
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer, load_iris

from tests.support.exporting.export import Export


def by_onnxmltools(kind: str, fitted: Any, rows: Any) -> bytes:
    """Return the file of `convert_lightgbm` or `convert_xgboost`."""
    convert = getattr(onnxmltools, f"convert_{kind}")
    kinds = [("x", FloatTensorType([None, rows.shape[1]]))]
    model = convert(fitted, initial_types=kinds, target_opset=15)
    return bytes(model.SerializeToString())


def by_itself(fitted: Any) -> bytes:
    """Return the file of CatBoost's `save_model`."""
    with tempfile.TemporaryDirectory() as folder:
        fitted.save_model(f"{folder}/model.onnx", format="onnx")
        return Path(folder, "model.onnx").read_bytes()


def classifiers(table: str) -> Iterator[tuple[str, Any]]:
    """Yield each name and a classifier that is not fitted yet."""
    light = {"n_estimators": 30, "num_leaves": 8, "verbose": -1, "random_state": 0}
    yield f"lightgbm-{table}", lightgbm.LGBMClassifier(**light)
    yield f"lightgbm-dart-{table}", lightgbm.LGBMClassifier(boosting_type="dart", **light)
    bagging = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}
    yield f"lightgbm-rf-{table}", lightgbm.LGBMClassifier(**bagging, **light)
    yield f"xgboost-{table}", xgboost.XGBClassifier(n_estimators=30, max_depth=3, random_state=0)
    quiet = {"verbose": False, "random_seed": 0, "allow_writing_files": False}
    yield f"catboost-{table}", catboost.CatBoostClassifier(30, depth=4, **quiet)


def miswritten() -> Iterator[Export]:
    """Yield trees of LightGBM with parameters that its exporter leaves out."""
    rows, classes = load_iris(return_X_y=True)
    rows = np.where(np.random.default_rng(0).random(rows.shape) < 0.2, 0, rows).astype(np.float32)
    for name, labels, parameters in (
        ("one-vs-all", classes, {"objective": "multiclassova"}),
        ("sigmoid", classes == 1, {"sigmoid": 2.5}),
        ("linear", classes, {"linear_tree": True}),
        ("zero", classes, {"zero_as_missing": True}),
    ):
        classifier = lightgbm.LGBMClassifier(n_estimators=30, verbose=-1, random_state=0, **parameters)
        classifier.fit(rows, labels.astype(int))
        content = by_onnxmltools("lightgbm", classifier, rows)
        yield Export(f"lightgbm-{name}", content, rows, classifier.predict_proba(rows))


def exports() -> Iterator[Export]:
    """Yield trees of three and of two classes."""
    yield from miswritten()
    for table, load in (("three", load_iris), ("two", load_breast_cancer)):
        rows, classes = load(return_X_y=True)
        rows = rows.astype(np.float32)
        for name, classifier in classifiers(table):
            classifier.fit(rows, classes)
            kind = name.partition("-")[0]
            content = by_itself(classifier) if kind == "catboost" else by_onnxmltools(kind, classifier, rows)
            yield Export(name, content, rows, classifier.predict_proba(rows))
    rows, classes = load_iris(return_X_y=True)
    for kind, regressor in (
        ("lightgbm", lightgbm.LGBMRegressor(n_estimators=5, verbose=-1)),
        ("xgboost", xgboost.XGBRegressor(n_estimators=5)),
    ):
        yield Export(f"{kind}-regression", by_onnxmltools(kind, regressor.fit(rows, classes), rows), [], [])
