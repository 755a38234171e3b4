"""Models that libraries export are served as the library itself answers, or refused: a table of docs/models.md."""

import contextlib
import io
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from onnxruntime import InferenceSession

from softmaxd.cli.main import main
from tests.support.paths import REPOSITORY
from tests.support.server import Server

TABLE = (REPOSITORY / "docs" / "models.md").read_text().partition("\n## Exporters that CI runs\n")[2]
ROWS = re.findall(r"^\| (.+) \| `(.+)` \| .+ \|$", TABLE.partition("\n## ")[0], re.MULTILINE)
FOUND = dict(ROWS)

SUMS = 1e-5  # sums of a few dozen numbers of float32, in another order than the library's
PRODUCTS = 2.0**-12  # of a probability whose logit is a few thousand: 2⁻²⁴ of its size
TREES = 1e-6  # a sum of thirty leaves of float32, each within 2⁻²⁴ of its size, behind a softmax


@dataclass(frozen=True, slots=True)
class Added:
    """A model of a library that is served, and the tolerance of its probabilities."""

    library: str
    name: str
    tolerance: float
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Other:
    """A model of a library that is refused, that its exporter miswrites, or that cannot be exported."""

    library: str
    name: str
    options: tuple[str, ...] = ()


def networks(prefix: str, library: str, names: Mapping[str, str]) -> dict[str, Added]:
    return {prefix + text: Added(library, name, SUMS) for text, name in names.items()}


ADDED: Mapping[str, Added] = {
    **networks(
        "PyTorch, ",
        "pytorch",
        {
            "`dynamo=True`, ends with logits": "dense-new",
            "`dynamo=True`, ends with a softmax": "softmax-new",
            "`dynamo=True`, with `dynamic_shapes`": "dense-new_for_any_number_of_rows",
            "`dynamo=True`, softmax and `dynamic_shapes`": "softmax-new_for_any_number_of_rows",
            "`dynamo=True`, pictures `[n, 1, 8, 8]` with `dynamic_shapes`": "grey-new_for_any_number_of_rows",
            "`dynamo=True`, pictures `[n, 3, 8, 8]` with `dynamic_shapes`": "colour-new_for_any_number_of_rows",
            "`dynamo=False`, ends with logits": "dense-old",
            "`dynamo=False`, ends with a softmax": "softmax-old",
            "`dynamo=False`, pictures `[n, 1, 8, 8]`": "grey-old",
            "`dynamo=False`, pictures `[n, 3, 8, 8]`": "colour-old",
        },
    ),
    **networks(
        "Keras, ",
        "keras_networks",
        {
            "`export`, ends with a softmax": "dense-own",
            "`export`, ends with logits": "logits-own",
            "`export`, `Conv2D` of pictures `[n, 8, 8, 1]`": "grey-own",
            "`export`, `Conv2D` of pictures `[n, 8, 8, 3]`": "colour-own",
            "tf2onnx, ends with a softmax": "dense-by_tf2onnx",
            "tf2onnx, ends with logits": "logits-by_tf2onnx",
            "tf2onnx, `Conv2D` of pictures `[n, 8, 8, 1]`": "grey-by_tf2onnx",
            "tf2onnx, `Conv2D` of pictures `[n, 8, 8, 3]`": "colour-by_tf2onnx",
        },
    ),
    **{
        f"{text} of {classes} classes": Added("trees", f"{name}-{classes}", TREES)
        for text, name in {
            "`LGBMClassifier`": "lightgbm",
            '`LGBMClassifier(boosting_type="dart")`': "lightgbm-dart",
            "`XGBClassifier`": "xgboost",
            "`CatBoostClassifier`": "catboost",
        }.items()
        for classes in ("three", "two")
    },
    **networks(
        "",
        "scikit_learn",
        {
            "`LogisticRegression` of three classes": "logistic-three",
            "`LogisticRegression` of two classes": "logistic-two",
            "`LogisticRegression` behind a `StandardScaler`": "logistic-digits",
            "`LogisticRegressionCV`": "logistic-cv",
            "`GridSearchCV(LogisticRegression())`": "grid",
            "`MLPClassifier` of three classes": "mlp-three",
            "`MLPClassifier` of two classes behind a `MinMaxScaler`": "mlp-two",
            "`LinearDiscriminantAnalysis`": "lda",
            "`QuadraticDiscriminantAnalysis`": "qda",
            "`BaggingClassifier(DecisionTreeClassifier())`": "bagging",
            '`VotingClassifier(voting="soft", flatten_transform=False)`': "voting",
            "`StackingClassifier` of a forest and `GaussianNB`": "stacking",
            "`BernoulliNB` behind a `Binarizer`": "bernoulli",
            "`NuSVC(probability=True)`": "nu-svc",
            "`SVC(probability=True)` of ten classes behind a `StandardScaler`": "svc-digits",
            '`SGDClassifier(loss="modified_huber")`': "modified-huber",
            "`LogisticRegression` behind a `PCA`": "pca",
            "`LogisticRegression` behind `PolynomialFeatures`": "polynomial",
            "`LogisticRegression` behind `SelectKBest` and a `RobustScaler`": "select",
            "`SVC(probability=True)` behind a `MaxAbsScaler` and a `Normalizer`": "normalizer",
            "`ExtraTreesClassifier` behind a `SimpleImputer`": "imputer",
            "`LogisticRegression` behind a `PowerTransformer`": "power",
            "`LogisticRegression` behind a `FunctionTransformer()` and a `PowerTransformer`": "function-power",
            "`LGBMClassifier` behind a `StandardScaler`": "lightgbm",
            "`XGBClassifier` behind a `StandardScaler`": "xgboost",
        },
    ),
    **networks(
        "Table: ",
        "tables",
        {
            'numbers that may be missing, and texts behind `OneHotEncoder(handle_unknown="ignore")`': "ignoring",
            "the same behind `OneHotEncoder()`": "known",
            'the same behind `OneHotEncoder(handle_unknown="infrequent_if_exist")`': "if-exist",
            "the same with `min_frequency=100`": "infrequent",
            "the same with a boolean": "member",
            "texts behind an `OrdinalEncoder`, and `ExtraTreesClassifier`": "ordinal",
            "the same, and `GradientBoostingClassifier`": "boosting",
            "the same, and `LGBMClassifier` of numbers that may be missing": "lightgbm",
            "numbers and texts, and `SVC(probability=True)`": "svc",
            "numbers and `CountVectorizer(lowercase=False)`": "words",
            "numbers and `TfidfVectorizer(lowercase=False)`": "weights",
            "texts, `CountVectorizer(lowercase=False)` and `MultinomialNB`": "counts",
            "`LGBMClassifier` of numbers that may be missing": "lightgbm-missing",
            "`XGBClassifier` of numbers that may be missing": "xgboost-missing",
        },
    ),
    "Table: `CatBoostClassifier` of numbers that may be missing": Added(
        "tables", "catboost-missing", TREES, ("--nullable", "x0,x1")
    ),
    **{
        f"Table in a pickle: `{text}` at the end of a pipeline": Added("pickled", name, TREES, ("--trust-pickle",))
        for text, name in {"LGBMClassifier": "lightgbm", "XGBClassifier": "xgboost"}.items()
    },
    "`MultinomialNB`": Added("scikit_learn", "multinomial", PRODUCTS),
    "`ComplementNB`": Added("scikit_learn", "complement", PRODUCTS),
}
REFUSED: Mapping[str, Other] = {
    "PyTorch, `dynamo=True`, pictures `[n, 1, 8, 8]`": Other("pytorch", "grey-new"),
    "PyTorch, `dynamo=True`, pictures `[n, 3, 8, 8]`": Other("pytorch", "colour-new"),
    "PyTorch, ends with one sigmoid": Other("pytorch", "sigmoid"),
    "PyTorch, exported in training mode": Other("pytorch", "training"),
    "Keras, ends with one sigmoid": Other("keras_networks", "sigmoid"),
    '`LGBMClassifier(boosting_type="rf")` of three classes': Other("trees", "lightgbm-rf-three"),
    "`XGBRegressor`": Other("trees", "xgboost-regression"),
    "Table in a pickle: `CatBoostClassifier` at the end of a pipeline": Other(
        "pickled", "catboost", ("--trust-pickle",)
    ),
    "Table in a pickle: `CatBoostClassifier`": Other("pickled", "catboost-alone", ("--trust-pickle",)),
    "`RadiusNeighborsClassifier`": Other("scikit_learn", "radius"),
    "`GaussianProcessClassifier`": Other("scikit_learn", "gaussian-process"),
}

MISWRITTEN: Mapping[str, Other] = {
    '`LGBMClassifier(boosting_type="rf")` of two classes': Other("trees", "lightgbm-rf-two"),
    '`LGBMClassifier(objective="multiclassova")`': Other("trees", "lightgbm-one-vs-all"),
    "`LGBMClassifier(sigmoid=2.5)` of two classes": Other("trees", "lightgbm-sigmoid"),
    "`LGBMClassifier(linear_tree=True)`": Other("trees", "lightgbm-linear"),
    "`LGBMClassifier(zero_as_missing=True)`": Other("trees", "lightgbm-zero"),
    '`CalibratedClassifierCV(LinearSVC(), method="isotonic")`': Other("scikit_learn", "calibrated-isotonic"),
    '`KNeighborsClassifier(weights="distance")` behind a `MinMaxScaler`': Other("scikit_learn", "neighbours"),
}
NOT_EXPORTED: Mapping[str, Other] = {
    "`HistGradientBoostingClassifier`": Other("scikit_learn", "histogram-three"),
    "Table: `SimpleImputer()` of texts": Other("tables", "texts-filled"),
    "Table: `CatBoostClassifier` of texts": Other("tables", "catboost-texts"),
    "`FunctionTransformer(np.log1p)`": Other("scikit_learn", "function"),
    "Table: one text behind `OneHotEncoder(min_frequency=100)`": Other("tables", "infrequent-one"),
    "`LogisticRegression` behind a `KNNImputer`": Other("scikit_learn", "knn-imputer"),
    '`VotingClassifier(voting="soft")`': Other("scikit_learn", "voting-flat"),
}

Record = Callable[[str, object], None]
Exported = Callable[[str], Path]
Floats = npt.NDArray[np.float64]


def test_every_row_of_the_table_is_tested() -> None:
    assert len(FOUND) == len(ROWS)
    assert FOUND.keys() == ADDED.keys() | REFUSED.keys() | MISWRITTEN.keys() | NOT_EXPORTED.keys()


@dataclass(frozen=True, slots=True)
class Addition:
    """The exit code, the output, the errors and the seconds of `softmaxd models add`."""

    code: int
    output: str
    errors: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Library:
    """The exported files of a library, how they were added, and where a server has those that are served."""

    files: Path
    additions: Mapping[str, Addition]
    url: str

    def answers(self, name: str) -> Floats:
        """Return the served probabilities of a model for its rows."""
        assert (self.additions[name].code, self.additions[name].errors) == (0, "")
        body = {"instances": json.loads((self.files / f"{name}.json").read_text())["instances"]}
        reply = httpx.post(f"{self.url}/models/{name}/predict", json=body, timeout=30)
        assert reply.status_code == 200, reply.text
        return np.array(reply.json()["probabilities"])


def add(file: Path, name: str, models: Path, *options: str) -> Addition:
    command = ["models", "add", str(file), "--name", name, *options, "--models-dir", str(models)]
    output, errors, begin = io.StringIO(), io.StringIO(), time.monotonic()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = main(command)
    return Addition(code, output.getvalue(), errors.getvalue(), time.monotonic() - begin)


@pytest.fixture(scope="session")
def served(exported: Exported, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Library]]:
    """Return a library whose models were all added and are served, from when it is first asked for."""
    libraries: dict[str, Library] = {}
    servers: list[Server] = []

    def find(name: str) -> Library:
        if name not in libraries:
            files, models = exported(name), tmp_path_factory.mktemp("models")
            rows: list[Added | Other] = [*ADDED.values(), *MISWRITTEN.values()]
            added = {
                row.name: add(files / f"{row.name}.onnx", row.name, models, *row.options)
                for row in rows
                if row.library == name
            }
            servers.append(Server("--models-dir", str(models), environment={}))
            libraries[name] = Library(files, added, servers[-1].url)
        return libraries[name]

    yield find
    for server in servers:
        assert server.stop() == 0


def expected(file: Path) -> Floats:
    """Return the probabilities of the library itself."""
    return np.array(json.loads(file.read_text())["probabilities"])


def as_written(file: Path) -> Floats:
    """Return the probabilities of the exported file itself, in ONNX Runtime, from its table or its dictionaries."""
    rows = np.array(json.loads(file.with_suffix(".json").read_text())["instances"], np.float32)
    session = InferenceSession(file)
    _, answers = session.run(None, {session.get_inputs()[0].name: rows})
    return np.array([list(each.values()) if isinstance(each, dict) else each for each in answers])


@pytest.mark.parametrize("text", ADDED)
def test_it_is_added_and_answers_as_the_library_itself(
    text: str, served: Callable[[str], Library], record_property: Record
) -> None:
    row = ADDED[text]
    library = served(row.library)

    probabilities = library.answers(row.name)

    difference = np.abs(probabilities - expected(library.files / f"{row.name}.json")).max()
    added = library.additions[row.name]
    record_property("row", f"{text} | added | {difference:.1e} | {added.seconds:.2f}")
    assert len(probabilities) >= 40
    assert FOUND[text] in added.output
    assert difference <= row.tolerance
    assert np.abs(probabilities.sum(axis=1) - 1).max() <= 1e-6


@pytest.mark.parametrize("text", MISWRITTEN)
def test_a_file_that_is_not_the_model_is_served_as_it_is_written(
    text: str, served: Callable[[str], Library], record_property: Record
) -> None:
    row = MISWRITTEN[text]
    library = served(row.library)

    probabilities = library.answers(row.name)

    difference = np.abs(probabilities - expected(library.files / f"{row.name}.json")).max()
    added = library.additions[row.name]
    record_property("row", f"{text} | miswritten by its exporter | {difference:.1e} | {added.seconds:.2f}")
    assert FOUND[text] in added.output
    assert difference > 0.1
    assert np.abs(probabilities - as_written(library.files / f"{row.name}.onnx")).max() <= SUMS


@pytest.mark.parametrize("text", REFUSED)
def test_it_is_refused_in_these_words(text: str, exported: Exported, tmp_path: Path, record_property: Record) -> None:
    row = REFUSED[text]

    added = add(exported(row.library) / f"{row.name}.onnx", "m", tmp_path, *row.options)

    record_property("row", f"{text} | refused | – | {added.seconds:.2f}")
    assert added.code == 1
    assert FOUND[text] in added.errors
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", NOT_EXPORTED)
def test_it_cannot_be_exported_for_this_reason(text: str, exported: Exported, record_property: Record) -> None:
    row = NOT_EXPORTED[text]

    failure = (exported(row.library) / f"{row.name}.txt").read_text()

    record_property("row", f"{text} | not exported | – | –")
    assert FOUND[text] in failure
