"""Writes scikit_learn.onnx: a forest of scikit-learn, which knows every other iris and gives only probabilities.

    python tests/models/export_scikit_learn.py

The other iris are those that a test calibrates it with.
"""

from pathlib import Path

from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier


def main() -> None:
    iris = load_iris()
    features, names = iris.data[::2].astype("float32"), iris.target_names[iris.target[::2]]
    forest = RandomForestClassifier(10, max_depth=3, random_state=0).fit(features, names)
    model = to_onnx(forest, features[:1], options={"zipmap": False})
    (Path(__file__).parent / "scikit_learn.onnx").write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
