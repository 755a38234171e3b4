"""A table is trained on for real, and the published version is loaded as the service does."""

import gzip
import io
import math
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.csv
import pytest
from pyarrow import feather, parquet

from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.files import sha256
from softmaxd.models.loading import read_manifest
from softmaxd.models.outputs import Array
from softmaxd.models.trials import try_out
from softmaxd.settings import Settings
from softmaxd_training import splitting
from softmaxd_training.frames.columns import frame_of
from softmaxd_training.frames.decisions import ColumnOptions
from softmaxd_training.frames.frame import Frame
from softmaxd_training.frames.options import ReadOptions
from softmaxd_training.frames.reading import read
from softmaxd_training.job import Job
from softmaxd_training.splitting import split
from softmaxd_training.table import export, telling, train
from softmaxd_training.tablefeatures import Part
from softmaxd_training.tables.fitting import fit
from softmaxd_training.tables.graphs import inputs_of
from tests.support.iris import parts_of_committed, write_iris
from tests.support.loans import loans, loans_csv
from tests.support.paths import MODELS, REPOSITORY

JOB = Job("loans.csv", "loans", ColumnOptions("end"), seed=1)


def frame_of_csv(path: Path, target: str) -> Frame:
    return frame_of(read(path, ReadOptions()), ColumnOptions(target))


def quiet(_line: str) -> None:
    return None


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Frame:
    return loans(tmp_path_factory.mktemp("loans"), 200, seed=0)


@pytest.fixture(scope="module")
def published(frame: Frame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, _ = train(frame, split(frame.classes, 1), JOB, tmp_path_factory.mktemp("models"), tell=quiet)
    return folder


def test_a_version_has_these_files(published: Path) -> None:
    assert sorted(path.name for path in published.iterdir()) == [
        "card.md",
        "manifest.json",
        "model.onnx",
        "reliability.png",
        "typicality.png",
    ]


def test_the_service_takes_it(published: Path) -> None:
    try_out(published, Settings())


def test_the_manifest_tells_the_truth_of_the_test_rows(published: Path, frame: Frame) -> None:
    test = Part.of(frame, split(frame.classes, 1).test)
    outputs = Engine(published / "model.onnx", device="cpu").run_inputs(inputs_of(test.numbers, test.texts))
    manifest = read_manifest(published)
    origin, calibration = manifest.provenance, manifest.calibration
    assert origin is not None
    assert calibration is not None
    given = outputs["probabilities"][np.arange(len(test)), test.classes].astype(float)

    assert (manifest.name, manifest.labels) == ("loans", ("late", "lost", "paid"))
    assert manifest.metrics["test_loss"] == pytest.approx(-math.fsum(np.log(given)) / len(test), rel=1e-4)
    assert manifest.metrics["test_accuracy"] == (outputs["probabilities"].argmax(axis=1) == test.classes).mean()
    assert manifest.metrics["test_loss"] < manifest.metrics["shares_loss"]
    assert min(origin.candidates.values()) == manifest.metrics["out_of_fold_loss"]
    assert list(origin.candidates)[:3] == ["networks", "trees", "linear"]
    assert (origin.rows, calibration.rows, manifest.sample) == ({"train": 160, "test": 40}, 160, None)
    assert (origin.seed, origin.data_seed, origin.data_sha256) == (1, 1, frame.sha256)
    assert origin.command == "softmaxd train table loans.csv --target end --name loans --seed 1"


def test_nothing_names_a_path_of_the_machine(published: Path) -> None:
    places = [str(folder).encode() for folder in (published.parents[1], REPOSITORY, Path.home(), Path(sys.prefix))]

    for path in published.iterdir():
        assert not [place for place in places if place in path.read_bytes()]


def test_training_again_in_another_process_gives_the_same_model(published: Path, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from softmaxd_training.table import train;"
        " from softmaxd_training.frames.decisions import ColumnOptions;"
        " from softmaxd_training.job import Job; from softmaxd_training.splitting import split;"
        " from tests.support.loans import loans;"
        f" folder = Path({str(tmp_path)!r}); frame = loans(folder, 200, seed=0);"
        " job = Job('loans.csv', 'loans', ColumnOptions('end'), seed=1);"
        " train(frame, split(frame.classes, 1), job, folder, tell=print)"
    )

    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, check=True)

    first, second = read_manifest(published), read_manifest(tmp_path / "loans" / "1")
    assert (tmp_path / "loans" / "1" / "model.onnx").read_bytes() == (published / "model.onnx").read_bytes()
    assert (second.metrics, second.calibration, second.evaluation) == (
        first.metrics,
        first.calibration,
        first.evaluation,
    )


def with_decimal_commas(csv: str) -> str:
    return csv.replace(",", ";").replace(".", ",")


def zipped(csv: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("loans.csv", csv)
    return file.getvalue()


def typed(csv: str, write: Callable[[pa.Table, io.BytesIO], None]) -> bytes:
    file = io.BytesIO()
    write(pyarrow.csv.read_csv(io.BytesIO(csv.encode())), file)
    return file.getvalue()


def workbook(csv: str) -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    assert book.active is not None
    for line in csv.splitlines():
        book.active.append(
            [float(cell) if cell.replace(".", "").isdigit() else cell or None for cell in line.split(",")]
        )
    book.save(file)
    return file.getvalue()


FILES: dict[str, Callable[[str], bytes]] = {
    "loans.csv": lambda csv: with_decimal_commas(csv).encode(),
    "loans.tsv": lambda csv: csv.replace(",", "\t").encode("utf-16"),
    "loans.txt": lambda csv: csv.replace(",", "|").encode("utf-8-sig"),
    "loans.csv.gz": lambda csv: gzip.compress(csv.encode()),
    "loans.zip": lambda csv: zipped(with_decimal_commas(csv)),
    "loans.parquet": lambda csv: typed(csv, parquet.write_table),
    "loans.feather": lambda csv: typed(csv, feather.write_feather),
    "loans.xlsx": workbook,
}


@pytest.fixture(scope="module")
def from_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Frame]:
    """The table of `frame`, from files of all kinds."""
    folder, csv = tmp_path_factory.mktemp("files"), loans_csv(200, seed=0)
    for name, form in FILES.items():
        (folder / name).write_bytes(form(csv))
    return {name: frame_of_csv(folder / name, "end") for name in FILES}


@pytest.mark.parametrize("name", FILES)
def test_files_of_all_kinds_give_the_same_table(name: str, from_files: dict[str, Frame], frame: Frame) -> None:
    found = from_files[name]

    np.testing.assert_array_equal(found.numbers, frame.numbers)
    np.testing.assert_array_equal(found.texts, frame.texts)
    np.testing.assert_array_equal(found.classes, frame.classes)
    names = (found.labels, found.number_names, found.text_names)
    assert names == (frame.labels, frame.number_names, frame.text_names)


def test_a_file_of_another_kind_gives_the_same_model(
    from_files: dict[str, Frame], published: Path, tmp_path: Path
) -> None:
    found = from_files["loans.zip"]
    folder, _ = train(found, split(found.classes, 1), replace(JOB, file="loans.zip"), tmp_path, tell=quiet)

    assert (folder / "model.onnx").read_bytes() == (published / "model.onnx").read_bytes()
    try_out(folder, Settings())


def test_a_larger_table_is_calibrated_by_rows_held_back(
    frame: Frame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splitting, "SMALL", 100)
    parts = split(frame.classes, 1)
    assert parts.calibration is not None
    held = Part.of(frame, parts.calibration)

    folder, manifest = train(frame, parts, JOB, tmp_path, tell=quiet)

    outputs = Engine(folder / "model.onnx", device="cpu").run_inputs(inputs_of(held.numbers, held.texts))
    given = outputs["probabilities"][np.arange(40), held.classes].astype(float)
    assert manifest.calibration is not None
    assert np.exp(-np.array(manifest.calibration.scores)) == pytest.approx(np.sort(given)[::-1], rel=1e-5)
    assert np.array_equal(manifest.calibration.atypicality, np.sort(outputs["atypicality"]))
    assert manifest.provenance is not None
    assert manifest.provenance.rows == {"train": 120, "calibration": 40, "test": 40}
    assert "The calibration rows were used for nothing but" in (folder / "card.md").read_text()


def test_a_model_that_is_wrong_about_the_test_rows_is_not_published(tmp_path: Path) -> None:
    classes = np.arange(100) % 2
    parts = split(classes, 0)
    is_contrary = np.isin(np.arange(100), parts.test)
    rows = [f"{x},{'ab'[side]}" for x, side in zip(np.where(is_contrary, 1 - classes, classes), classes, strict=True)]
    (tmp_path / "sides.csv").write_text("\n".join(["x,side", *rows]))
    frame = frame_of_csv(tmp_path / "sides.csv", "side")

    with pytest.raises(Refused, match=r"^the model has learnt nothing: its loss on the test rows is \d"):
        train(frame, parts, Job("sides.csv", "sides", ColumnOptions("side")), tmp_path, tell=quiet)

    assert not (tmp_path / "sides").exists()


def test_the_manifest_of_two_features_has_rows_to_draw(tmp_path: Path) -> None:
    rows = [f"{number % 10 + 20 * (number % 2)},{number % 7},{'ab'[number % 2]}" for number in range(100)]
    (tmp_path / "pairs.csv").write_text("\n".join(["x,y,side", *rows]))
    frame = frame_of_csv(tmp_path / "pairs.csv", "side")
    parts, job = split(frame.classes, 0), Job("pairs.csv", "pairs", ColumnOptions("side"))

    folder, manifest = train(frame, parts, job, tmp_path, tell=quiet)

    assert manifest.sample is not None
    assert manifest.sample.rows == tuple(map(tuple, frame.numbers[parts.train].tolist()))
    assert manifest.sample.classes == tuple(frame.classes[parts.train].tolist())
    assert read_manifest(folder).sample == manifest.sample

    _, private = train(frame, parts, replace(job, is_sampled=False), tmp_path, tell=quiet)

    assert private.sample is None
    assert private.provenance is not None
    assert private.provenance.command.endswith("--seed 0 --no-sample")


FAR = {"iris": [[50, -30, 90, 40], [0, 0, 0, 0], [5.1, 3.5, 1.4, 25]], "blobs": [[15, 200], [-100, -100], [15, -40]]}


@pytest.mark.parametrize("name", FAR)
def test_the_committed_models_are_sure_far_away_and_their_typicality_is_not(name: str) -> None:
    folder = MODELS / name / "1"
    calibration = read_manifest(folder).calibration
    assert calibration is not None
    far: Array = np.array(FAR[name], dtype=np.float32)

    outputs = Engine(folder / "model.onnx", device="cpu").run(far)

    assert outputs["probabilities"].max(axis=1).tolist() == pytest.approx([1, 1, 1], abs=0.05)
    assert calibration.typicality(outputs["atypicality"]).tolist() == [1 / (calibration.rows + 1)] * 3


def test_the_committed_iris_model_is_made_from_the_example(tmp_path: Path) -> None:
    manifest = read_manifest(MODELS / "iris" / "1")
    origin = manifest.provenance
    assert origin is not None

    assert origin.data_sha256 == sha256(write_iris(tmp_path))
    assert origin.command.startswith("softmaxd train table iris.csv --target species --name iris ")
    test = parts_of_committed(origin.seed).test
    outputs = Engine(MODELS / "iris" / "1" / "model.onnx", device="cpu").run(test.features)
    hits = outputs["probabilities"].argmax(axis=1) == test.classes
    assert manifest.metrics["test_accuracy"] == hits.mean() >= 0.9


class Stream(io.StringIO):
    """Standard error, which tells when it has the text `awaited`."""

    def __init__(self, awaited: str, *, is_terminal: bool) -> None:
        super().__init__()
        self.awaited, self.is_terminal, self.has_it = awaited, is_terminal, Event()

    def isatty(self) -> bool:
        return self.is_terminal

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.awaited in self.getvalue():
            self.has_it.set()
        return written


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_told_on_a_terminal_and_in_a_log(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream("networks: epoch 1", is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", stream)

    with telling(pause=0.001) as tell:
        tell("networks: epoch 1")
        is_told = stream.has_it.wait(60)

    assert is_told
    assert ("\r" in stream.getvalue()) == is_terminal
    assert ("networks: epoch 1 (0 s)\n" in stream.getvalue()) != is_terminal


def test_a_log_of_a_short_training_has_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with telling(pause=1e6) as tell:
        tell("networks: epoch 1")

    assert capsys.readouterr().err == ""


def rings(folder: Path) -> Frame:
    """Read rows of two labels: a ring each, one within the other."""
    chance = np.random.default_rng(0)
    angles, radii = 2 * np.pi * chance.random(320), 10 + 20 * (np.arange(320) % 2) + chance.normal(size=320) / 4
    rows = [
        f"{r * np.cos(a):.3f},{r * np.sin(a):.3f},{'ab'[place % 2]}"
        for place, (a, r) in enumerate(zip(angles, radii, strict=True))
    ]
    (folder / "rings.csv").write_text("\n".join(["x,y,ring", *rows]))
    return frame_of_csv(folder / "rings.csv", "ring")


def test_the_typicality_is_of_the_nearest_rows_where_that_pays_and_rows_may_be_sampled(tmp_path: Path) -> None:
    frame = rings(tmp_path)
    parts = split(frame.classes, 0)
    training, test = Part.of(frame, parts.train), Part.of(frame, parts.test)
    fitted = fit(training.numbers, training.texts, training.classes, seed=0, on_epoch=quiet)

    near, private = (export(fitted, training, None, test, seed=0, is_sampled=sampled) for sampled in (True, False))

    assert [each.metrics["typicality_points"] for each in (near, private)] == [256 * 7 // 8, 0]
    name = "typicality_auroc_shuffled"
    assert near.metrics[name] == private.metrics[f"other_{name}"] > private.metrics[name] + 0.1
    assert near.metrics[f"other_{name}"] == private.metrics[name]
    middle = {"features": np.zeros((1, 2), np.float32)}
    found, other = (
        each.calibration.typicality(Engine(each.content, device="cpu").run_inputs(middle)["atypicality"])
        for each in (near, private)
    )
    assert found == 1 / 257
    assert other > 0.5
