"""Opens models of scikit-learn, from pickles and skops files, and converts them with skl2onnx."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

from softmaxd.adding.running import ANY_LOCALE
from softmaxd.converting import boosters
from softmaxd.converting.adapting import CURES, adapt
from softmaxd.converting.back import IDLE
from softmaxd.converting.columns import columns_read, initial_types, last_steps, missing_texts, takes_table, takes_words
from softmaxd.converting.known import known, steps_of
from softmaxd.converting.original import Inputs, Original, Values, first_line, named, need
from softmaxd.errors import Refused

NEEDED = {"sklearn": "scikit-learn", "skl2onnx": "skl2onnx"}
INSTALL = "scikit-learn skl2onnx"
OTHER_VERSION = "InconsistentVersionWarning"
WITH_THRESHOLD = {"FixedThresholdClassifier", "TunedThresholdClassifierCV"}
MOST_PROBABLE = "labels: the most probable one is served, whatever the threshold of the {kind} is"
OF_A_TABLE = (
    "fit make_pipeline(ColumnTransformer([('words', vectorizer, 'text')]), classifier) on a table of pandas whose "
    "column text has them"
)
OWN_SKOPS = "; if the file is your own, export the model to ONNX, or save it with joblib.dump for --trust-pickle"
OWNERS = {"lightgbm": boosters.of_lightgbm, "xgboost": boosters.of_xgboost}
STEPS = {"lightgbm": boosters.convert_lightgbm_step, "xgboost": boosters.convert_xgboost_step}
WORDS = {r"(?u)\b\w\w+\b": r"[\p{L}\p{N}_]{2,}", r"(?u)\b\w+\b": r"[\p{L}\p{N}_]+"}  # as ONNX Runtime writes them
DOUBLE_THRESHOLDS = "nodes_values_as_tensor"  # the attribute of a tree that has them
STEP_OPSETS = {"": 17, "ai.onnx.ml": 3}  # with newer ones onnxmltools fails


def open_pickle(file: Path) -> Original:
    """Open a pickle, of joblib or plain, which runs the code in it. Raises `Refused`."""
    need({**NEEDED, "joblib": "joblib"}, install=INSTALL)
    import joblib  # noqa: PLC0415 - only scikit-learn brings it

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = joblib.load(file)
        except Exception as error:  # a pickle runs any code
            raise Refused(f"it cannot be unpickled: {_explain(error)}") from error
    return _original(model, _notes(caught))


def _explain(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"it needs the package of the module {error.name}"
    return first_line(error)


def open_skops(file: Path) -> Original:
    """Open a skops file, if skops trusts all types in it. Raises `Refused`."""
    need({**NEEDED, "skops": "skops"}, install=f"skops {INSTALL}")
    import skops.io  # noqa: PLC0415 - no other part needs it

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            untrusted = skops.io.get_untrusted_types(file=file)
            model = None if untrusted else skops.io.load(file)
        except Exception as error:  # skops raises the errors of the constructors in a broken file
            raise Refused(f"skops cannot load it: {first_line(error)}") from error
    if untrusted:
        raise Refused(f"it has types that skops does not trust: {', '.join(map(str, untrusted))}{OWN_SKOPS}")
    return _original(model, _notes(caught))


def _notes(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """Return a note if the file is of another version of scikit-learn."""
    found = {
        f"made by scikit-learn {getattr(each.message, 'original_sklearn_version', '')}, opened by another version"
        for each in caught
        if each.category.__name__ == OTHER_VERSION
    }
    return tuple(sorted(found))


def _original(model: Any, notes: tuple[str, ...]) -> Original:
    """Return a model of scikit-learn; those of XGBoost and LightGBM have converters of their own."""
    if owner := OWNERS.get(_library(model)):
        return owner(model)
    if (kind := type(model).__name__) in WITH_THRESHOLD and hasattr(model, "estimator_"):
        return _original(model.estimator_, (*notes, MOST_PROBABLE.format(kind=kind)))
    if idle := [step for step in getattr(model, "steps", ()) if step[1] in IDLE]:  # which skl2onnx cannot convert
        return _original(type(model)([step for step in model.steps if step not in idle]), notes)
    answer = _answering(model)
    names = tuple(map(str, getattr(model, "feature_names_in_", ())))
    read = columns_read(model)
    if takes_table(model):
        need({"pandas": "pandas"}, install="pandas")
    missing = missing_texts(model)

    def run(inputs: Inputs, output: str) -> Values:
        columns = dict(zip(read, (_plain(column) for rows in inputs.values() for column in rows.T), strict=False))
        values = np.asarray(answer(_table(columns, names, missing)))
        return np.stack([-values, values], axis=1) if values.ndim == 1 else values

    library, converter = named("sklearn", "scikit-learn"), named("skl2onnx", "skl2onnx")
    opsets = _teach(model)
    if opsets:
        converter += f" with {boosters.converter()}"
    features = tuple(names[column] for column in read) if names else None
    return Original(library, converter, _graphs(model, opsets), run, features, notes, known(model, read))


def _answering(model: Any) -> Callable[[Any], Any]:
    """Return the method of a fitted classifier that gives probabilities, or scores. Raises `Refused` if it is none."""
    adapt(model)
    kind = type(model).__name__
    answer: Callable[[Any], Any] | None = getattr(model, "predict_proba", None)
    answer = answer or getattr(model, "decision_function", None)
    if answer is None or not hasattr(model, "classes_"):
        raise Refused(f"it has a {kind}, which is no fitted classifier of scikit-learn")
    if len(model.classes_) == 1:
        raise Refused(f"it has a {kind} that knows only one class, {model.classes_[0]}: train it on two or more")
    if takes_words(model):
        raise Refused(f"it has a {kind} that takes texts, and no table: {OF_A_TABLE}")
    if not getattr(model, "n_features_in_", 0):  # of CatBoost it is 0
        raise Refused(f"it has a {kind} that does not say how many features it takes: export it to ONNX yourself")
    return answer


def _library(model: Any) -> str:
    return type(model).__module__.partition(".")[0]


def _teach(model: Any) -> Mapping[str, int] | None:
    """Teach skl2onnx the last step of a model, if it is of XGBoost or LightGBM, and return the opsets that it needs.

    Raises `Refused` without onnxmltools.
    """
    *_, last = last_steps(model)
    convert = STEPS.get(_library(last))
    if convert is None:
        return None
    need(boosters.NEEDED, install="onnxmltools")
    from skl2onnx import update_registered_converter  # noqa: PLC0415 - as for to_onnx
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes as shapes  # noqa: PLC0415

    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    update_registered_converter(type(last), type(last).__name__, shapes, convert, options=options)
    return STEP_OPSETS


def _table(columns: dict[int, Values], names: Sequence[str], missing: Mapping[int, Mapping[str, Any]]) -> Any:
    """Return rows as the model was fitted on them: a table of pandas if its columns had names.

    `columns` are those that it reads, by index. `missing` has their values for no text, which are texts in ONNX.
    """
    for index, values in missing.items():
        columns[index] = np.array([values.get(text, text) for text in columns[index]], dtype=object)
    if not names or find_spec("pandas") is None:
        return np.stack(list(columns.values()), axis=1)
    import pandas  # noqa: PLC0415 - no other part needs it

    # a series keeps its type, where a table would make NaN of None among texts
    series = {index: pandas.Series(column, dtype=column.dtype) for index, column in columns.items()}
    return pandas.DataFrame({name: series.get(index, np.nan) for index, name in enumerate(names)})


def _plain(column: Values) -> Values:
    """Return numbers as float64, in which scikit-learn computes, and texts as Python has them."""
    if column.dtype.kind == "f":
        return column.astype(np.float64)
    return column.astype(object) if column.dtype.kind == "U" else column


def _graphs(model: Any, opsets: Mapping[str, int] | None) -> Iterator[bytes]:
    """Yield a model with float32 features, then with float64 features, in which scikit-learn computes.

    Trees of scikit-learn take float32 numbers nevertheless, except those of its histograms.
    """
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType  # noqa: PLC0415 - as for skl2onnx

    yield bytes(_convert(model, FloatTensorType, opsets).SerializeToString())
    graph = _convert(model, DoubleTensorType, opsets)
    _fill_as_float64(graph.graph, [step.statistics_ for step, *_ in steps_of(model) if hasattr(step, "statistics_")])
    exact = bytes(graph.SerializeToString())
    if _cast_to_float32(graph):
        yield bytes(graph.SerializeToString())
    yield exact


def _convert(model: Any, kind: Any, opsets: Mapping[str, int] | None) -> ModelProto:
    """Return a model as ONNX whose features are a tensor of a type. Raises `Refused`."""
    from skl2onnx import to_onnx  # noqa: PLC0415 - only this needs it

    types = initial_types(model, kind)
    zipmap = {"zipmap": False} if hasattr(model, "predict_proba") else {}
    # without options of their own, skl2onnx gives the classifiers in a pipeline one that LinearSVC does not know
    options: dict[Any, Any] = {id(step): zipmap for step in last_steps(model)}
    splitting = {id(step): _splitting(step) for step, *_ in steps_of(model) if hasattr(step, "vocabulary_")}
    options = {**options, **splitting} if splitting or not zipmap else zipmap
    try:
        graph: ModelProto = to_onnx(model, initial_types=types, options=options, target_opset=opsets)
    except Refused:  # of a last step
        raise
    except Exception as error:  # skl2onnx raises many classes, some of them around the cause
        reason = first_line(error.__cause__ or error).rstrip(".")
        cure = next((each for text, each in CURES.items() if text in reason), "")
        raise Refused(f"skl2onnx cannot convert it: {reason}{cure}") from error
    return graph


def _splitting(vectorizer: Any) -> Mapping[str, str]:
    """Return the options with which skl2onnx splits texts at the same places: it takes only ASCII for letters."""
    words = {"tokenexp": WORDS[vectorizer.token_pattern]} if vectorizer.token_pattern in WORDS else {}
    return {"locale": ANY_LOCALE, **(words if vectorizer.analyzer == "word" else {})}


def _fill_as_float64(graph: GraphProto, statistics: Sequence[Values]) -> None:
    """Put other operators in the place of imputers of numbers, which ONNX Runtime has for float32 only.

    They have all digits of the imputers' `statistics`, which skl2onnx rounds: behind a scaler, a mean is exactly 0.
    """
    numbers = [each.astype(np.float64) for each in statistics if each.dtype.kind in "fiu"]
    exact = {tuple(each.astype(np.float32).tolist()): each for each in numbers}
    for place, node in reversed(list(enumerate(graph.node))):
        filling = [each.floats for each in node.attribute if each.name == "imputed_value_floats"]
        if filling:
            (rows,), (filled,) = node.input, node.output
            missing, values = f"{filled}_missing", f"{filled}_values"
            imputed = exact.get(tuple(filling[0]), np.array(filling[0], dtype=np.float64))
            graph.initializer.append(numpy_helper.from_array(imputed, values))
            del graph.node[place]
            graph.node.insert(place, helper.make_node("Where", [missing, values, rows], [filled]))
            graph.node.insert(place, helper.make_node("IsNaN", [rows], [missing]))


def _cast_to_float32(model: ModelProto) -> bool:
    """Cast the features of each tree whose thresholds are float32 to float32; return whether there is one."""
    trees = [node for node in model.graph.node if node.op_type.startswith("TreeEnsemble")]
    trees = [node for node in trees if all(attribute.name != DOUBLE_THRESHOLDS for attribute in node.attribute)]
    for number, tree in enumerate(trees):
        features, tree.input[0] = tree.input[0], f"float32_{number}"
        cast = helper.make_node("Cast", [features], [tree.input[0]], to=TensorProto.FLOAT)
        model.graph.node.insert(list(model.graph.node).index(tree), cast)
    _declare_float32(model.graph, {name for tree in trees for name in tree.output})
    return bool(trees)


def _declare_float32(graph: GraphProto, scores: set[str]) -> None:
    """Declare outputs that are the scores of trees as float32, which they are; skl2onnx may call them float64."""
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in scores:
            scores.add(node.output[0])
    for output in graph.output:
        if output.name in scores and output.type.tensor_type.elem_type == TensorProto.DOUBLE:
            output.type.tensor_type.elem_type = TensorProto.FLOAT
