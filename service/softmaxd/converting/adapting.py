"""Helps skl2onnx with fitted models of scikit-learn that it cannot convert as they are, and names cures for others."""

from typing import Any

from softmaxd.converting.boosters import TREES_OPSET, DoubleTrees
from softmaxd.converting.known import steps_of
from softmaxd.errors import Refused

CURES = {  # of skl2onnx, by a text in its message
    "_TemperatureScaling": "; take method='sigmoid', or train without it and add the model with --calibration",
    "catboost": "; CatBoost writes ONNX only of its classifier by itself: save_model(file, format='onnx')",
    "missing values are string": "; leave the SimpleImputer of texts out: a OneHotEncoder has a category for missing "
    "ones, so make_pipeline(SimpleImputer(), OneHotEncoder()) becomes OneHotEncoder(handle_unknown='ignore')",
    "Option 'zipmap' not in": "; calibrate the last step of the pipeline, not the pipeline: "
    "make_pipeline(StandardScaler(), CalibratedClassifierCV(LinearSVC()))",
}
WITHOUT_EXPORT = {  # classifiers whose ONNX file cannot be run
    "CategoricalNB": "whose ONNX file fails where a number is no category: take "
    "make_pipeline(OneHotEncoder(handle_unknown='ignore'), LogisticRegression()), of integers",
    "OutputCodeClassifier": "which gives no probabilities: take OneVsRestClassifier",
}
VOTES = (
    "it has a BaggingClassifier of {kind}, whose probabilities are shares of votes, which skl2onnx does not convert: "
    "take BaggingClassifier(CalibratedClassifierCV({kind}()))"
)
HARD = (
    "it has a VotingClassifier with voting='hard', which gives no probabilities: take voting='soft', with a "
    "CalibratedClassifierCV around each classifier that has none"
)
CATEGORIES = (
    "it has a HistGradientBoostingClassifier with categories, which skl2onnx takes for numbers: encode them before it, "
    "as a OneHotEncoder(sparse_output=False) does"
)


def adapt(model: Any) -> None:
    """Make a fitted model such that skl2onnx takes it, with the same probabilities. Raises `Refused` if it cannot."""
    for step, *_ in steps_of(model):
        kind = type(step).__name__
        if kind in WITHOUT_EXPORT:
            raise Refused(f"it has a {kind}, {WITHOUT_EXPORT[kind]}")
        if kind == "VotingClassifier":
            if step.voting == "hard":
                raise Refused(HARD)
            step.flatten_transform = False  # the form of transform(), which no probability needs
        if kind == "BaggingClassifier" and (voter := _voter(step)):
            raise Refused(VOTES.format(kind=voter))
        if kind == "HistGradientBoostingClassifier":
            if getattr(step, "is_categorical_", None) is not None:
                raise Refused(CATEGORIES)
            _teach_histograms(type(step))


def _voter(bagging: Any) -> str | None:
    """Return the kind of a model's classifiers if they have no probabilities."""
    return next(
        (type(each).__name__ for each in getattr(bagging, "estimators_", ()) if not hasattr(each, "predict_proba")),
        None,
    )


def _teach_histograms(kind: Any) -> None:
    from skl2onnx import update_registered_converter  # noqa: PLC0415 - only this needs it
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes as shapes  # noqa: PLC0415

    options = {"nocl": [True, False], "zipmap": [True, False, "columns"], "raw_scores": [True, False]}
    update_registered_converter(kind, f"Sklearn{kind.__name__}", shapes, _convert_histograms, options=options)


def _convert_histograms(scope: Any, operator: Any, container: Any) -> None:
    """Convert a `HistGradientBoostingClassifier` for skl2onnx, whose own way has booleans and float32 thresholds."""
    from skl2onnx.operator_converters import random_forest  # noqa: PLC0415 - as above

    is_exact = type(operator.inputs[0].type).__name__ == "DoubleTensorType"
    nodes, version = (DoubleTrees(container), TREES_OPSET) if is_exact else (container, 1)
    random_forest.convert_sklearn_random_forest_classifier(scope, operator, _Whole(nodes), op_version=version)


class _Whole:
    """Nodes as skl2onnx collects them, with 1 and 0 for the booleans among their integers, which protobuf 7 refuses."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, kind: str, *names: Any, **attributes: Any) -> None:
        way = "nodes_missing_value_tracks_true"
        whole = {name: list(map(int, value)) if name == way else value for name, value in attributes.items()}
        self._container.add_node(kind, *names, **whole)
