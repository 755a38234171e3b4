"""Classifiers and pipelines of scikit-learn, by skl2onnx; also boosted trees of others behind a scaler."""

import warnings
from collections.abc import Iterator
from typing import Any

import lightgbm
import numpy as np
import xgboost
from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
from skl2onnx import to_onnx, update_registered_converter
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.tree import DecisionTreeClassifier

from tests.support.exporting.export import Export

IRIS, CANCER, DIGITS = load_iris, load_breast_cancer, load_digits


def register() -> None:
    """Teach skl2onnx the classifiers of two other libraries, as onnxmltools says."""
    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    for kind, convert in ((lightgbm.LGBMClassifier, convert_lightgbm), (xgboost.XGBClassifier, convert_xgboost)):
        shapes = calculate_linear_classifier_output_shapes
        update_registered_converter(kind, kind.__name__, shapes, convert, options=options)


def classifiers() -> Iterator[tuple[str, Any, Any]]:
    """Yield each name, a classifier, and the table that it is fitted to."""
    regression = LogisticRegression(max_iter=5000)
    yield "logistic-three", regression, IRIS
    yield "logistic-two", LogisticRegression(max_iter=5000), CANCER
    yield "logistic-digits", make_pipeline(StandardScaler(), LogisticRegression()), DIGITS
    yield "logistic-cv", LogisticRegressionCV(Cs=3, max_iter=5000), IRIS
    yield "grid", GridSearchCV(regression, {"C": [0.1, 1]}), IRIS
    yield "mlp-three", MLPClassifier((8,), max_iter=2000, random_state=0), IRIS
    yield "mlp-two", make_pipeline(MinMaxScaler(), MLPClassifier((8,), max_iter=500, random_state=0)), CANCER
    yield "histogram-three", HistGradientBoostingClassifier(max_iter=20), IRIS
    yield "histogram-two", HistGradientBoostingClassifier(max_iter=20), CANCER
    yield "lda", LinearDiscriminantAnalysis(), IRIS
    yield "qda", QuadraticDiscriminantAnalysis(), IRIS
    yield "bagging", BaggingClassifier(DecisionTreeClassifier(max_depth=3), 5, random_state=0), IRIS
    two = [("a", regression), ("b", GaussianNB())]
    yield "voting", VotingClassifier(two, voting="soft", flatten_transform=False), IRIS
    yield "voting-flat", VotingClassifier(two, voting="soft"), IRIS
    trees = RandomForestClassifier(5, random_state=0)
    yield "stacking", StackingClassifier([("a", trees), ("b", GaussianNB())], regression), IRIS
    yield "bernoulli", make_pipeline(Binarizer(threshold=3), BernoulliNB()), IRIS
    yield "multinomial", MultinomialNB(), DIGITS
    yield "complement", ComplementNB(), DIGITS
    yield "nu-svc", NuSVC(probability=True, random_state=0), IRIS
    yield "svc-digits", make_pipeline(StandardScaler(), SVC(probability=True, random_state=0)), DIGITS
    yield "calibrated-isotonic", CalibratedClassifierCV(LinearSVC(), method="isotonic"), IRIS
    yield "modified-huber", SGDClassifier(loss="modified_huber", random_state=0), IRIS
    yield "neighbours", make_pipeline(MinMaxScaler(), KNeighborsClassifier(weights="distance")), CANCER
    yield "radius", RadiusNeighborsClassifier(2.0), IRIS
    yield "gaussian-process", GaussianProcessClassifier(), CANCER
    yield "pca", make_pipeline(StandardScaler(), PCA(5), LogisticRegression()), CANCER
    yield "polynomial", make_pipeline(StandardScaler(), PolynomialFeatures(), LogisticRegression()), IRIS
    yield "select", make_pipeline(SelectKBest(k=3), RobustScaler(), LogisticRegression()), CANCER
    yield "normalizer", make_pipeline(MaxAbsScaler(), Normalizer(), SVC(probability=True, random_state=0)), IRIS
    yield "imputer", make_pipeline(SimpleImputer(), ExtraTreesClassifier(10, random_state=0)), IRIS
    regression = LogisticRegression(max_iter=5000)
    yield "function-power", make_pipeline(FunctionTransformer(), PowerTransformer(), regression), IRIS
    yield "function", make_pipeline(FunctionTransformer(np.log1p), regression), IRIS
    yield "knn-imputer", make_pipeline(KNNImputer(), regression), IRIS
    yield "power", make_pipeline(PowerTransformer(), LogisticRegression()), IRIS
    yield "lightgbm", make_pipeline(StandardScaler(), lightgbm.LGBMClassifier(n_estimators=10, verbose=-1)), CANCER
    yield "xgboost", make_pipeline(StandardScaler(), xgboost.XGBClassifier(n_estimators=10)), CANCER


def exports() -> Iterator[Export]:
    """Yield every classifier, fitted, and its answers to the rows that it was fitted to, moved a little.

    Behind a scaler, a tree's threshold is a number that a row was scaled to. Such a row may fall to the other side if
    the scaler rounds otherwise, so rows at thresholds are no test.
    """
    warnings.simplefilter("ignore")  # of fits that end early, and of names that change
    register()
    for name, classifier, load in classifiers():
        rows, classes = load(return_X_y=True)
        classifier.fit(rows.astype(np.float32), classes)
        moved = rows + np.random.default_rng(0).uniform(0, 0.1, rows.shape) * rows.std(axis=0)
        rows = moved.astype(np.float32)[::3]
        options, opsets = {id(classifier): {"zipmap": False}}, {"": 17, "ai.onnx.ml": 3}
        try:
            content = to_onnx(classifier, rows[:1], options=options, target_opset=opsets).SerializeToString()
        except Exception as error:  # of many classes
            yield Export(name, b"", [], [], failure=f"{error}: {error.__cause__}")
        else:
            yield Export(name, content, rows, classifier.predict_proba(rows))
