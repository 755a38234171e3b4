"""Files of XGBoost and LightGBM become ONNX with onnxmltools, beside the probabilities of the library."""

import re
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.datasets import load_iris

from softmaxd.adding.add import prepare_graph
from softmaxd.adding.graphs import read
from softmaxd.converting.boosters import check_trees, of_lightgbm, of_xgboost, open_lightgbm, open_xgboost
from softmaxd.converting.original import Original, Values
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine

ROWS, CLASSES = load_iris(return_X_y=True)
SPECIES = np.array(["setosa", "versicolor", "virginica"])
NAMES = ["sepal length", "sepal width", "petal length", "petal width"]
FEW = {"n_estimators": 4, "n_jobs": 1, "random_state": 0}


def served(original: Original, rows: Values) -> Values:
    """Return the probabilities of the graph for float32 rows, as it is served."""
    prepared = prepare_graph(read(next(original.graphs)), "made", name="m")
    return np.asarray(Engine(prepared.content, device="cpu").run(rows.astype(np.float32))["probabilities"])


@pytest.mark.parametrize("suffix", ["json", "ubj"])
@pytest.mark.parametrize("classes", [CLASSES, (CLASSES == 1).astype(int)])
def test_a_file_of_xgboost_answers_as_its_classifier(tmp_path: Path, suffix: str, classes: Values) -> None:
    model = xgboost.XGBClassifier(**FEW).fit(ROWS, classes)
    model.save_model(tmp_path / f"m.{suffix}")

    original = open_xgboost(tmp_path / f"m.{suffix}")

    assert (original.library, original.features) == (f"XGBoost {xgboost.__version__}", None)
    assert original.converter.startswith("onnxmltools ")
    assert np.array_equal(original.run({"features": ROWS}, ""), model.predict_proba(ROWS))
    assert np.allclose(served(original, ROWS), model.predict_proba(ROWS), atol=1e-6)


def test_the_probabilities_of_xgboost_are_those_of_its_classifier_though_its_booster_gives_labels() -> None:
    model = xgboost.XGBClassifier(objective="multi:softmax", **FEW).fit(ROWS, CLASSES)

    original = of_xgboost(model)

    assert np.allclose(served(original, ROWS), model.predict_proba(ROWS), atol=1e-6)
    assert np.allclose(original.run({"features": ROWS}, ""), model.predict_proba(ROWS), atol=1e-6)


def test_a_file_of_xgboost_says_that_it_does_not_hold_the_missing_number(tmp_path: Path) -> None:
    xgboost.XGBClassifier(missing=-999, **FEW).fit(ROWS, CLASSES).save_model(tmp_path / "m.json")

    assert open_xgboost(tmp_path / "m.json").notes == (
        "missing: a file of XGBoost does not hold the parameter missing; its default, NaN, is assumed",
    )


def test_xgboost_knows_the_names_of_features() -> None:
    model = xgboost.XGBClassifier(**FEW).fit(ROWS, CLASSES)
    model.get_booster().feature_names = NAMES

    original = of_xgboost(model)

    assert original.features == tuple(NAMES)
    assert np.allclose(served(original, ROWS), original.run({"features": ROWS}, ""), atol=1e-6)


def test_a_regression_of_xgboost_is_refused(tmp_path: Path) -> None:
    model = xgboost.XGBRegressor(**FEW).fit(ROWS, CLASSES)
    model.save_model(tmp_path / "m.json")

    with pytest.raises(Refused, match=r"^XGBoost cannot load it as a classifier: "):
        open_xgboost(tmp_path / "m.json")
    with pytest.raises(Refused, match=r"^it has a XGBRegressor, which is no classifier$"):
        of_xgboost(model)


@pytest.mark.parametrize("classes", [CLASSES, (CLASSES == 1).astype(int)])
def test_a_file_of_lightgbm_answers_as_its_classifier(tmp_path: Path, classes: Values) -> None:
    model = lightgbm.LGBMClassifier(verbose=-1, **FEW).fit(ROWS, classes)
    model.booster_.save_model(tmp_path / "m.txt")

    original = open_lightgbm(tmp_path / "m.txt")

    assert (original.library, original.features) == (f"LightGBM {lightgbm.__version__}", None)
    assert np.allclose(
        original.run({"features": ROWS}, ""), model.booster_.predict(ROWS) if classes is CLASSES else two(model)
    )
    assert np.allclose(served(original, ROWS), original.run({"features": ROWS}, ""), atol=1e-6)


def test_lightgbm_has_a_graph_of_float64_besides(tmp_path: Path) -> None:
    """2.45 as float32 is above a threshold at 2.45."""
    model = lightgbm.LGBMClassifier(verbose=-1, **FEW).fit(ROWS, CLASSES)
    thresholds = re.findall(r"^threshold=(.*)$", model.booster_.model_to_string(), re.MULTILINE)
    rows = np.random.default_rng(0).choice(np.array(" ".join(thresholds).split(), np.float64), (2000, 4))

    _, exact = of_lightgbm(model).graphs

    prepared = prepare_graph(read(exact), "made", name="m")
    assert prepared.manifest.datatype == "FP64"
    found = Engine(prepared.content, device="cpu").run(rows)["probabilities"]
    assert np.allclose(found, model.predict_proba(rows), atol=1e-6)


def two(model: lightgbm.LGBMClassifier) -> Values:
    second = np.asarray(model.booster_.predict(ROWS))
    return np.stack([1 - second, second], axis=1)


def test_a_number_at_a_threshold_takes_the_branch_that_lightgbm_takes(tmp_path: Path) -> None:
    model = lightgbm.LGBMClassifier(verbose=-1, **FEW).fit(ROWS, CLASSES)
    thresholds = re.findall(r"^threshold=(.*)$", model.booster_.model_to_string(), re.MULTILINE)
    numbers = np.array(" ".join(thresholds).split(), np.float64).astype(np.float32)
    rows = np.random.default_rng(0).choice(numbers, (2000, 4))

    original = of_lightgbm(model.booster_)

    assert np.allclose(served(original, rows), original.run({"features": rows}, ""), atol=1e-6)


def test_a_fitted_classifier_of_lightgbm_keeps_its_labels_and_names() -> None:
    table = pd.DataFrame(ROWS, columns=NAMES)
    model = lightgbm.LGBMClassifier(verbose=-1, **FEW).fit(table, SPECIES[CLASSES])

    original = of_lightgbm(model)
    prepared = prepare_graph(read(next(original.graphs)), "made", name="m")

    assert prepared.manifest.labels == tuple(SPECIES)
    assert original.features == tuple(name.replace(" ", "_") for name in NAMES)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}, "boosting=rf, .* with boosting=gbdt"),
        ({"objective": "multiclassova"}, "objective=multiclassova, .* with objective=multiclass"),
        ({"objective": "multiclassova", "sigmoid": 2.5}, "objective=multiclassova, .* with objective=multiclass"),
        ({"sigmoid": 2.5}, "sigmoid=2.5, .* with sigmoid=1"),
        ({"linear_tree": True}, "linear_tree=1, .* with linear_tree=0"),
        ({"zero_as_missing": True}, "zero_as_missing=1, .* with zero_as_missing=0"),
    ],
)
def test_a_parameter_of_lightgbm_that_onnxmltools_leaves_out_is_refused(
    parameters: dict[str, object], reason: str, tmp_path: Path
) -> None:
    classes = CLASSES if "objective" in parameters else CLASSES == 1
    model = lightgbm.LGBMClassifier(verbose=-1, **FEW, **parameters).fit(ROWS, classes.astype(int))
    model.booster_.save_model(tmp_path / "m.txt")

    with pytest.raises(Refused, match=rf"^it was trained with {reason}$"):
        open_lightgbm(tmp_path / "m.txt")
    with pytest.raises(Refused, match=rf"^it was trained with {reason}$"):
        of_lightgbm(model)


def test_a_regression_of_lightgbm_is_refused() -> None:
    model = lightgbm.LGBMRegressor(verbose=-1, **FEW).fit(ROWS, CLASSES)

    with pytest.raises(Refused, match=r"^its objective is regression, not the classes of a classifier$"):
        of_lightgbm(model)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"tree\nversion=v4\n", "not all of it is there: it has no line 'end of trees'"),
        (b"tree\nversion=v4\nend of trees\n", "LightGBM cannot load it: "),
        (b"tree\n\xff", "it is not UTF-8 text"),
    ],
)
def test_a_broken_file_of_lightgbm_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "m.txt").write_bytes(content)

    with pytest.raises(Refused, match=reason):
        open_lightgbm(tmp_path / "m.txt")


@pytest.mark.filterwarnings("ignore:.* is deprecated:UserWarning")
@pytest.mark.parametrize("options", [{"booster": "dart", "rate_drop": 0.5}, {"booster": "gblinear"}])
def test_a_booster_of_xgboost_that_has_other_trees_or_none_is_refused(options: dict[str, Any]) -> None:
    model = xgboost.XGBClassifier(**options, **{**FEW, "n_estimators": 20}).fit(ROWS, CLASSES)

    other = rf"it has booster='{options['booster']}', .* train it with booster='gbtree'"
    weighted = "it has trees of different weights, .* train it without dropout"  # newer XGBoost has no kind for dart
    with pytest.raises(Refused, match=rf"^({other}|{weighted})$"):
        of_xgboost(model)


def test_trees_that_do_not_weigh_the_same_are_refused_whichever_version_of_xgboost_wrote_them() -> None:
    check_trees({"name": "gbtree", "model": {"weight_drop": [1.0, 1.0]}})

    with pytest.raises(Refused, match=r"^it has trees of different weights, .* train it without dropout$"):
        check_trees({"name": "gbtree", "model": {"weight_drop": [0.5, 1.0]}})


def test_a_model_that_onnxmltools_cannot_convert_is_refused() -> None:
    model = xgboost.XGBClassifier(missing=-1, **FEW).fit(ROWS, CLASSES)

    with pytest.raises(Refused, match=r"^onnxmltools cannot convert it: .* missing values are not nan but -1"):
        of_xgboost(model)


def test_booleans_and_integers_of_xgboost_have_their_thresholds(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"member": draw.random(300) < 0.5, "age": draw.integers(0, 9, 300), "x": draw.random(300)})
    model = xgboost.XGBClassifier(**FEW).fit(table, (table.member ^ (table.age > 4)).astype(int))
    model.save_model(tmp_path / "m.json")
    rows = np.column_stack([draw.random((300, 2)) * [1, 9], table.x]).astype(np.float32)

    original = open_xgboost(tmp_path / "m.json")

    assert original.features == ("member", "age", "x")
    assert np.allclose(original.run({"features": table.to_numpy(np.float32)}, ""), model.predict_proba(table))
    assert np.allclose(served(original, rows), original.run({"features": rows}, ""), atol=1e-6)


@pytest.mark.parametrize("classes", [CLASSES, (CLASSES == 1).astype(int)])
def test_each_parallel_tree_of_xgboost_counts_for_its_class(classes: Values) -> None:
    forest = xgboost.XGBRFClassifier(**FEW).fit(ROWS, classes)
    boosted = xgboost.XGBClassifier(num_parallel_tree=3, subsample=0.5, base_score=0.2, **FEW).fit(ROWS, classes)

    for model in (forest, boosted):
        assert np.allclose(served(of_xgboost(model), ROWS), model.predict_proba(ROWS), atol=1e-6)


def test_categories_are_refused_and_columns_of_numbers_in_their_place_are_not() -> None:
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"x": draw.normal(size=300), "job": pd.Categorical(draw.choice(["cook", "nurse"], 300))})
    labels = ((table.job == "cook") ^ (table.x > 0)).astype(int)
    codes, numbers = table.assign(job=table.job.cat.codes).to_numpy(), pd.get_dummies(table)
    light, boosted = lightgbm.LGBMClassifier(verbose=-1, **FEW), xgboost.XGBClassifier(enable_categorical=True, **FEW)
    refused = r"^it has categories \({}\), .* train it on numbers instead, such as the columns of pandas.get_dummies$"

    with pytest.raises(Refused, match=refused.format("job")):
        of_xgboost(boosted.fit(table, labels))
    with pytest.raises(Refused, match=refused.format("job")):
        of_lightgbm(light.fit(table, labels))
    with pytest.raises(Refused, match=refused.format("x1")):
        of_lightgbm(light.fit(codes, labels, categorical_feature=[1]))
    for original in (of_xgboost(boosted.fit(numbers, labels)), of_lightgbm(light.fit(numbers, labels))):
        rows = numbers.to_numpy(np.float32)
        assert np.allclose(served(original, rows), original.run({"features": rows}, ""), atol=1e-6)
