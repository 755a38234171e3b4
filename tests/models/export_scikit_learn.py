"""Writes scikit_learn.onnx: a forest of scikit-learn, which knows every other iris and gives only probabilities.

    pip install scikit-learn skl2onnx 'protobuf<7'
    python tests/models/export_scikit_learn.py

The other iris are those that a test calibrates it with. It also writes others/hist.onnx, a boosting that knows missing
numbers, with its answers in others/hist.json. skl2onnx 1.20 cannot export that one with protobuf 7.
"""

import json
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

FOLDER = Path(__file__).parent


def main() -> None:
    iris = load_iris()
    features, names = iris.data[::2].astype("float32"), iris.target_names[iris.target[::2]]
    forest = RandomForestClassifier(10, max_depth=3, random_state=0).fit(features, names)
    model = to_onnx(forest, features[:1], options={"zipmap": False})
    (FOLDER / "scikit_learn.onnx").write_bytes(model.SerializeToString())
    write_boosting(iris.data, iris.target_names[iris.target])


def write_boosting(features: np.ndarray, names: np.ndarray) -> None:
    """Write a boosting that was trained with a fifth of its numbers missing."""
    missing = np.random.default_rng(0).random(features.shape) < 0.2
    features = np.where(missing, np.nan, features).astype(np.float32)
    boosting = HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(features, names)
    model = to_onnx(boosting, features[:1], options={"zipmap": False})
    (FOLDER / "others" / "hist.onnx").write_bytes(model.SerializeToString())
    rows = features[::5]
    instances = [[None if np.isnan(number) else number for number in row] for row in rows.tolist()]
    content = {"instances": instances, "probabilities": boosting.predict_proba(rows).tolist()}
    (FOLDER / "others" / "hist.json").write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
