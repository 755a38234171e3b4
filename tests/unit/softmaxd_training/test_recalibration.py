"""A model that exists gets temperature, scores, typicality and figures of rows that it has not seen."""

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.features import Feature
from softmaxd.models.loading import as_graph_takes, read_manifest
from softmaxd.models.manifest import MODEL_FILE, Manifest
from softmaxd.models.trials import try_out
from softmaxd.numerics.softmax import Floats
from softmaxd.settings import Settings
from softmaxd_training.matching import read_rows
from softmaxd_training.recalibration import Calibrated, Job, publish, read_parts, recalibrate, summary
from softmaxd_training.rows import Classes, Rows
from softmaxd_training.typical import with_missing
from tests.support import tables
from tests.support.onnx_models import LABELS, classifier, linear, publish_embedding
from tests.support.onnx_models import publish as publish_model

TRUE_TEMPERATURE = 3.0


def logits_of(features: Floats) -> Floats:
    found: Floats = features @ np.array([[1.0, 0.5, -0.5], [-1.0, 0.25, 2.0]])
    return found


def drawn(count: int, seed: int = 0, temperature: float = TRUE_TEMPERATURE) -> tuple[Floats, Classes]:
    """Draw rows whose labels have the probabilities of the model `linear` at a temperature."""
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(count, 2), scale=3).astype(np.float32).astype(np.float64)
    weights = np.exp(logits_of(features) / temperature)
    shares = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    classes: Classes = (chance.uniform(size=(count, 1)) > shares).sum(axis=1)
    return features, classes


def table(folder: Path, count: int = 900, *, seed: int = 0, header: str = "x1,x2,kind", name: str = "rows.csv") -> Path:
    lines = [f"{x},{y},{LABELS[kind]}" for (x, y), kind in zip(*drawn(count, seed), strict=True)]
    (folder / name).write_text("\n".join([header, *lines]) + "\n")
    return folder / name


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """The folder of version 1 of `linear`, whose features have no ranges."""
    features = [Feature(name="x1"), Feature(name="x2", min=-1, max=1)]
    return publish_model(tmp_path / "models", 1, linear().SerializeToString(), features=features)


def calibrated_of(version: Path, job: Job) -> Calibrated:
    return recalibrate((version / MODEL_FILE).read_bytes(), read_manifest(version), job, "calibrated")


def test_the_temperature_of_the_rows_is_found(version: Path, tmp_path: Path) -> None:
    found = calibrated_of(version, Job(table(tmp_path, 9000), "kind"))

    # the information of 3,000 rows about 1/T gives a standard error of 4 %
    assert found.temperature == pytest.approx(TRUE_TEMPERATURE, rel=0.16)
    assert found.manifest.metrics["test_loss"] < found.manifest.metrics["test_loss_before"]
    assert found.manifest.metrics["test_ece"] < found.manifest.metrics["test_ece_before"]


def test_the_published_version_is_loaded_and_promises_what_it_holds(version: Path, tmp_path: Path) -> None:
    job = Job(table(tmp_path), "kind")
    folder = publish(calibrated_of(version, job), job, tmp_path / "models")

    try_out(folder, Settings())
    manifest = read_manifest(folder)
    calibration = manifest.calibration
    assert calibration is not None
    features, classes = drawn(2000, seed=1)
    outputs = Engine(folder / MODEL_FILE, device="cpu").run(features.astype(np.float32))
    held = (-np.log(outputs["probabilities"]) <= calibration.scores[269])[np.arange(2000), classes]
    typicality = calibration.typicality(outputs["atypicality"])
    # by 300 calibration and 2,000 fresh rows: both within four standard deviations of 90 and 10 %
    assert held.mean() == pytest.approx(0.9, abs=0.075)
    assert (typicality <= 0.1).mean() == pytest.approx(0.1, abs=0.075)
    assert (manifest.name, manifest.version, calibration.rows) == ("linear", 2, 300)
    assert manifest.features[0].min is not None
    assert manifest.features[1] == Feature(name="x2", min=-1, max=1)
    assert f"SHA-256 `{manifest.sha256}`" in (folder / "card.md").read_text()
    assert "| strange rows | look stranger |" in (folder / "card.md").read_text()


def test_the_same_command_makes_the_same_model(version: Path, tmp_path: Path) -> None:
    job = Job(table(tmp_path), "kind", seed=4)

    first, again, other = (calibrated_of(version, each) for each in (job, job, Job(job.file, "kind")))

    assert first.content == again.content != other.content
    assert first.manifest.model_dump() == again.manifest.model_dump()


def test_a_model_is_calibrated_again_from_where_it_is(version: Path, tmp_path: Path) -> None:
    job = Job(table(tmp_path), "kind")
    first = calibrated_of(version, job)
    lines = [f"{x},{y},{LABELS[kind]}" for (x, y), kind in zip(*drawn(900, 1, temperature=1), strict=True)]
    (tmp_path / "new.csv").write_text("\n".join(["x1,x2,kind", *lines]) + "\n")
    again = recalibrate(first.content, first.manifest, Job(tmp_path / "new.csv", "kind"), "again")

    assert first.manifest.calibration is not None
    assert again.manifest.calibration is not None
    assert again.temperature == again.manifest.calibration.temperature == pytest.approx(1 / TRUE_TEMPERATURE, rel=0.3)
    assert f"the temperature {again.temperature:.4f}" in " ".join(again.card(job, 3).split())
    both = first.temperature * again.temperature
    plain = Engine(linear().SerializeToString(), device="cpu").run(np.ones((1, 2), dtype=np.float32))["logits"]
    found = Engine(again.content, device="cpu").run(np.ones((1, 2), dtype=np.float32))["logits"]
    assert found == pytest.approx(plain / both, rel=1e-5)
    assert [note[:17] for note in again.manifest.notes] == [
        "calibrated",
        "rows of rows.csv:",
        "again",
        "rows of new.csv: ",
    ]


def test_other_rows_give_the_typicality(version: Path, tmp_path: Path) -> None:
    training = table(tmp_path, 500, seed=2, name="training.csv")
    job = Job(table(tmp_path), "kind", training)
    found = calibrated_of(version, job)

    assert found.rows == {"typicality": 500, "calibration": 450, "testing": 450}
    digest = hashlib.sha256(training.read_bytes()).hexdigest()
    assert f"rows of training.csv, for the typicality: SHA-256 {digest}" in found.manifest.notes
    assert job.words == ["rows.csv", "--target", "kind", "--training", "training.csv"]


def test_columns_in_order_and_labels_without_rows_are_noted(version: Path, tmp_path: Path) -> None:
    file = table(tmp_path, header="width,height,kind")
    file.write_text("\n".join(line for line in file.read_text().splitlines() if not line.endswith(",b")) + "\n")

    notes = calibrated_of(version, Job(file, "kind")).manifest.notes

    assert "its columns were taken in the order of the features" in notes
    assert "no row for the typicality has the label b: rows with it will not look typical" in notes


def test_too_few_rows_are_refused(version: Path, tmp_path: Path) -> None:
    assert calibrated_of(version, Job(table(tmp_path, 57), "kind")).rows["testing"] == 19
    with pytest.raises(Refused) as refused:
        calibrated_of(version, Job(table(tmp_path, 56), "kind"))

    assert str(refused.value) == (
        "rows.csv: it has too few rows, 56: 18 of them would be for testing, and 19 are needed for that as for a"
        " coverage of 95 %"
    )


def test_too_many_features_are_refused_before_the_rows_are_read(tmp_path: Path) -> None:
    features = tuple(Feature(name=f"x{index}") for index in range(4097))
    manifest = Manifest(name="wide", version=1, sha256="0" * 64, labels=("a", "b"), features=features)

    with pytest.raises(
        Refused, match=r"^a row of wide has 4097 numbers, and typicality takes at most 4096: for that of "
    ):
        read_parts(Job(tmp_path / "missing.csv", "kind"), manifest)


def test_rows_that_the_model_cannot_run_are_refused(tmp_path: Path) -> None:
    folder = publish_embedding(tmp_path / "models", 5)
    lines = [f"{index % 6},{LABELS[index % 3]}\n" for index in range(90)]
    (tmp_path / "rows.csv").write_text("category,kind\n" + "".join(lines))

    with pytest.raises(Refused, match=r"^the model cannot run the rows: .*indices element out of data bounds"):
        calibrated_of(folder, Job(tmp_path / "rows.csv", "kind"))


def test_rows_without_finite_logits_are_refused(tmp_path: Path) -> None:
    folder = publish_embedding(tmp_path / "models", 5)
    lines = [f"{index % 5},{LABELS[index % 3]}\n" for index in range(90)]
    (tmp_path / "rows.csv").write_text("category,kind\n" + "".join(lines))

    with pytest.raises(Refused, match=r"^not all logits of \d+ rows are finite: the service would refuse such rows$"):
        calibrated_of(folder, Job(tmp_path / "rows.csv", "kind"))


def of_all_rows() -> onnx.ModelProto:
    """Return `linear` with the largest feature of a batch added to its first logit."""
    weights = np.array([[1.0, 0.5, -0.5], [-1.0, 0.25, 2.0]], dtype=np.float32)
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["product"]),
        helper.make_node("ReduceMax", ["features"], ["largest"], keepdims=0),
        helper.make_node("Mul", ["largest", "first"], ["added"]),
        helper.make_node("Add", ["product", "added"], ["logits"]),
    ]
    return classifier(nodes, {"weights": weights, "first": np.array([1, 0, 0], dtype=np.float32)})


def test_a_model_whose_rows_depend_on_each_other_runs_them_alone(tmp_path: Path) -> None:
    model = of_all_rows()
    folder = publish_model(tmp_path / "models", 1, model.SerializeToString())
    file = table(tmp_path, 90)
    parts = read_parts(Job(file, "kind"), read_manifest(folder))
    engine = Engine(model.SerializeToString(), device="cpu")
    given = [int(engine.run(parts.test.features[i : i + 1])["logits"].argmax()) for i in range(30)]

    found = calibrated_of(folder, Job(file, "kind")).manifest.metrics["test_accuracy"]

    assert found == (np.array(given) == parts.test.classes).mean()
    assert found != (engine.run(parts.test.features)["logits"].argmax(axis=1) == parts.test.classes).mean()


def test_rows_that_are_tensors_are_columns_in_order(tmp_path: Path) -> None:
    weights = np.array([[1.0, 0.5, -0.5], [-1.0, 0.25, 2.0]], dtype=np.float32)
    nodes = [helper.make_node("Flatten", ["features"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])]
    model = classifier(nodes, {"w": weights})
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["n", 1, 2]))
    image = [Feature(name="image", shape=(1, 2))]
    folder = publish_model(tmp_path / "models", 1, model.SerializeToString(), features=image)

    job = Job(table(tmp_path), "kind")
    published = publish(calibrated_of(folder, job), job, tmp_path / "models")

    try_out(published, Settings())
    (feature,) = read_manifest(published).features
    assert feature.shape == (1, 2)
    assert feature.min is not None
    assert "float32 `[n, 1, 2]`; in the table image -" in (published / "card.md").read_text()


def people(folder: Path, count: int = 300) -> Path:
    """Write rows of a table whose job and age decide their label; every seventh age is missing."""
    chance = np.random.default_rng(0)
    kinds = chance.integers(0, 3, count)
    with (folder / "people.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*tables.NAMES, "kind"])
        for index, kind in enumerate(kinds.tolist()):
            age = "" if index % 7 == 0 else 20 + 20 * kind + round(float(chance.uniform(0, 10)), 1)
            job = tables.JOBS[kind]
            money, member = round(float(chance.uniform(0, 100)), 2), bool(chance.integers(2))
            writer.writerow([age, job, money, member, int(chance.integers(4)), "Rome", LABELS[kind]])
    return folder / "people.csv"


def test_a_table_is_calibrated_on_the_tensor_that_all_inputs_flow_into(tmp_path: Path) -> None:
    folder = tables.publish_mixed(tmp_path / "models")
    job = Job(people(tmp_path), "kind")
    found = calibrated_of(folder, job)
    published = publish(found, job, tmp_path / "models")

    try_out(published, Settings())
    manifest = read_manifest(published)
    assert "typicality: of the tensor all, 6 numbers a row" in manifest.notes
    run = as_graph_takes(Engine(published / MODEL_FILE, device="cpu"), manifest)
    typical = read_rows(job.file, "kind", manifest).rows.features
    far = typical.copy()
    far["numbers"][:, 0] = 1e6
    assert run(far)["atypicality"].min() > run(typical)["atypicality"].max()
    assert np.isfinite(run(with_missing(typical, manifest))["atypicality"]).all()
    assert manifest.metrics["typicality_auroc_shuffled"] > 0.6  # age and job belong together
    age, job_of, income, member, *_ = manifest.features
    assert (age.min, age.max) == (18, 90)
    assert (income.min, income.max, job_of.min, member.min) == (0, 1000, None, None)
    card = (published / "card.md").read_text()
    assert "| Inputs | `numbers`, float32 `[n, 2]`; `job`, text `[n, 1]`; `member`, bool `[n, 1]`; " in card
    assert "in the table age 18 to 90 or missing, job text or missing, income 0 to 1000, member true or false" in card


def test_ranges_that_are_not_known_are_those_of_the_rows(tmp_path: Path) -> None:
    content = tables.mixed().SerializeToString()
    bare = [feature.model_copy(update={"min": None, "max": None}) for feature in tables.FEATURES]
    folder = publish_model(tmp_path / "models", 1, content, name="people", features=bare)
    file = people(tmp_path)
    rows = read_rows(file, "kind", read_manifest(folder)).rows.features

    age, job, income, member, *_ = calibrated_of(folder, Job(file, "kind", file)).manifest.features

    assert (age.min, age.max) == (float(np.nanmin(rows["numbers"][:, 1])), float(np.nanmax(rows["numbers"][:, 1])))
    assert (income.min, job.min, member.min) == (float(rows["numbers"][:, 0].min()), None, None)


def test_missing_numbers_are_filled_before_their_distance_is_taken(tmp_path: Path) -> None:
    folder = tables.publish_filled(tmp_path / "models", columns=2)
    features, classes = drawn(300)
    lines = [
        f"{x},{'' if index % 5 == 0 else y},{LABELS[kind]}\n"
        for index, ((x, y), kind) in enumerate(zip(features, classes, strict=True))
    ]
    (tmp_path / "rows.csv").write_text("f0,f1,kind\n" + "".join(lines))

    found = calibrated_of(folder, Job(tmp_path / "rows.csv", "kind"))

    assert "typicality: of the tensor filled, 2 numbers a row" in found.manifest.notes
    missing = Engine(found.content, device="cpu").run(np.array([[0, np.nan]], np.float32))
    filled = Engine(found.content, device="cpu").run(np.array([[0, 0.5]], np.float32))
    assert missing["atypicality"].tobytes() == filled["atypicality"].tobytes()


def test_the_typicality_may_be_of_a_named_tensor(version: Path, tmp_path: Path) -> None:
    job = Job(table(tmp_path), "kind", typicality_of="logits")
    found = calibrated_of(version, job)

    assert "typicality: of the tensor logits, 3 numbers a row" in found.manifest.notes
    assert job.words == ["rows.csv", "--target", "kind", "--typicality-of", "logits"]
    try_out(publish(found, job, tmp_path / "models"), Settings())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda kinds, _: kinds, "which makes every answer less sure"),
        (lambda kinds, best: np.where(np.arange(len(kinds)) % 40 == 0, kinds, best), "which makes every answer surer"),
        (
            lambda _, best: best,
            "temperature: 1.0000, which changes nothing: on the calibration rows no other one helps by more",
        ),
    ],
)
def test_the_summary_says_in_words_how_the_temperature_works(
    change: Callable[[Classes, Classes], Classes], words: str, tmp_path: Path
) -> None:
    size = 0.05 if "surer" in words else 1.0
    weights = size * np.array([[1.0, 0.5, -0.5], [-1.0, 0.25, 2.0]], dtype=np.float32)
    nodes = [helper.make_node("MatMul", ["features", "weights"], ["logits"])]
    folder = publish_model(tmp_path / "models", 1, classifier(nodes, {"weights": weights}).SerializeToString())
    features, kinds = drawn(900)
    lines = [
        f"{x},{y},{LABELS[kind]}\n"
        for (x, y), kind in zip(features, change(kinds, logits_of(features).argmax(axis=1)), strict=True)
    ]
    (tmp_path / "rows.csv").write_text("x1,x2,kind\n" + "".join(lines))

    lines = summary(calibrated_of(folder, Job(tmp_path / "rows.csv", "kind")))

    assert words in lines[1]


def test_the_summary_has_a_range_of_the_loss_only_if_many_rows_make_it(version: Path, tmp_path: Path) -> None:
    many = calibrated_of(version, Job(table(tmp_path), "kind"))
    few = calibrated_of(version, Job(table(tmp_path, 60), "kind"))

    (known,) = [line for line in summary(many) if line.startswith("loss")]
    (unknown,) = [line for line in summary(few) if line.startswith("loss")]
    low, high = many.manifest.metrics["test_loss_low"], many.manifest.metrics["test_loss_high"]
    assert known.endswith(f"{many.manifest.metrics['test_loss']:.4f}  {low:.4f} to {high:.4f}")
    assert unknown.endswith(f"{few.manifest.metrics['test_loss']:.4f}  not estimable from 20 rows")
    low, high = few.manifest.metrics["test_ece_chance_low"], few.manifest.metrics["test_ece_chance_high"]
    (error,) = [line for line in summary(few) if line.startswith("expected")]
    assert error.endswith(f"  {low:.4f} to {high:.4f} by chance")
    low, high = many.manifest.metrics["test_loss_low"], many.manifest.metrics["test_loss_high"]
    assert f"| {low:.4g} to {high:.4g} |" in many.card(Job(tmp_path / "rows.csv", "kind"), 2)
    assert "| not estimable from 20 rows |" in few.card(Job(tmp_path / "rows.csv", "kind"), 2)


def test_of_probabilities_of_zero_none_is_left(tmp_path: Path) -> None:
    weights = np.array([[1.0, 0.5, -0.5], [-1.0, 0.25, 2.0]], dtype=np.float32) * 100
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["product"]),
        helper.make_node("Softmax", ["product"], ["hard"], axis=1),
        helper.make_node("Max", ["hard", "tiny"], ["positive"]),
        helper.make_node("Log", ["positive"], ["logits"]),
    ]
    model = classifier(nodes, {"weights": weights, "tiny": np.array([np.finfo(np.float32).tiny])})
    folder = publish_model(tmp_path / "models", 1, model.SerializeToString())

    found = calibrated_of(folder, Job(table(tmp_path), "kind"))

    assert found.added == 1 / 300
    assert summary(found)[1].endswith(", after 0.0033 is added to each probability, because some are 0")
    features = drawn(100, seed=1)[0].astype(np.float32)
    probabilities = Engine(found.content, device="cpu").run(features)["probabilities"]
    assert probabilities.min() > 1e-4
    assert found.manifest.metrics["test_loss"] < 0.2 * found.manifest.metrics["test_loss_before"]


def misleading(folder: Path) -> Path:
    """Write 60 rows with the model's own answers as labels, but in every fourth calibration row its least probable one.

    The calibration rows ask for a temperature above 1. Any such one raises the loss of test rows that are all right.
    """
    features, _ = drawn(60)
    logits = logits_of(features)
    _, calibration, _ = Rows(features, np.arange(60)).dealt(3, seed=0)
    kinds = logits.argmax(axis=1)
    kinds[calibration.classes[::4]] = logits[calibration.classes[::4]].argmin(axis=1)
    lines = [f"{x},{y},{LABELS[kind]}" for (x, y), kind in zip(features, kinds, strict=True)]
    (folder / "few.csv").write_text("\n".join(["x1,x2,kind", *lines]) + "\n")
    return folder / "few.csv"


def test_a_loss_that_rises_on_the_test_rows_is_noted(version: Path, tmp_path: Path) -> None:
    job = Job(misleading(tmp_path), "kind", seed=0)
    honest = calibrated_of(version, Job(table(tmp_path, 9000), "kind"))

    found = calibrated_of(version, job)

    metrics = found.manifest.metrics
    assert found.temperature > 1
    assert metrics["test_loss"] > metrics["test_loss_before"]
    before, after = (f"{metrics[name]:.4f}" for name in ("test_loss_before", "test_loss"))
    assert found.manifest.notes[-1] == (
        f"worse: the loss on the 20 test rows rose from {before} to {after}, so these 20 calibration rows do not make "
        "the probabilities more honest: give more rows"
    )
    assert found.manifest.notes[-1] in found.card(job, 3)
    assert not any(note.startswith("worse: ") for note in honest.manifest.notes)
