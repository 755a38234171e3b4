"""Files of rows, from the first byte to the last."""

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from onnx import helper
from pyarrow import parquet

from softmaxd.errors import ModelError, Refused
from softmaxd.models.features import Feature
from softmaxd.models.pins import write_pin
from softmaxd.protocols.native.codec import decode_predict, encode_predict
from softmaxd.scoring import score as scoring
from softmaxd.scoring.answers import lines_of
from softmaxd.scoring.score import Choice, find_model, new_file, not_guaranteed, score
from softmaxd.settings import Settings
from tests.support import tables
from tests.support.onnx_models import classifier, linear, pictures, publish, publish_embedding
from tests.support.paths import MODELS

GOOD = linear().SerializeToString()
PLAIN = Choice()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    publish(tmp_path / "models", 1, GOOD)
    return Settings(models_dir=tmp_path / "models")


def scored(settings: Settings, file: Path, choice: Choice = PLAIN, name: str = "linear") -> list[str]:
    """Return the lines of the answer."""
    output = io.BytesIO()
    score(file, find_model(settings, name), choice, output, lambda _rows, _place: None)
    return output.getvalue().decode().splitlines()


def table(folder: Path, text: str) -> Path:
    file = folder / "rows.csv"
    file.write_text(text)
    return file


def test_a_row_has_the_same_answer_wherever_it_stands(settings: Settings, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).uniform(-3, 3, (20_000, 2)).tolist()
    file = table(tmp_path, "x1,x2\n" + "".join(f"{x1!r},{x2!r}\n" for x1, x2 in rows))
    model = find_model(settings, "linear")
    told: list[tuple[int, int]] = []
    output = io.BytesIO()

    count, unknown = score(file, model, Choice(["logits"]), output, lambda done, place: told.append((done, place)))

    header, *lines = output.getvalue().splitlines()
    assert header == b"predicted_label," + b",".join(
        b"%s.%s" % (field, label) for field in (b"probabilities", b"logits") for label in (b"a", b"b", b"c")
    )
    assert (count, unknown) == (len(lines), {}) == (len(rows), {})
    assert told == sorted(told)
    assert told[-1] == (count, file.stat().st_size)
    for index in (0, 1, 8191, 8192, 19_999):
        body = f'{{"instances":[{rows[index]}],"include":["logits"]}}'.encode()
        job = decode_predict(body, model.manifest, max_rows=1)
        assert job.features is not None
        assert lines_of(model.run(job.features), job, None, [b"a", b"b", b"c"]) == lines[index] + b"\n"


def test_unknown_texts_are_counted_by_feature(settings: Settings, tmp_path: Path) -> None:
    tables.publish_mixed(tmp_path / "models")
    rows = 'clerk,Rome\nclerk,Paris\n,Oslo\ncook,Bern\n"say ""x""},{",Oslo\n'
    lines = [f"41,{row},120.5,true,2" for row in rows.splitlines()]
    file = table(tmp_path, "\n".join(["age,job,city,income,member,children", *lines, ""]))
    output = io.BytesIO()

    found = score(file, find_model(settings, "people"), PLAIN, output, lambda _rows, _place: None)

    assert found == (5, {"job": 1, "city": 2})


def test_columns_stand_in_any_order_and_others_pass_through(settings: Settings, tmp_path: Path) -> None:
    file = table(tmp_path, 'id,x2,note,x1\n7,0.5,"a, b",-1\n8,1,c,2\n')

    plain = scored(settings, table(tmp_path / "models", "x1,x2\n-1,0.5\n2,1\n"))
    dropped = scored(settings, file)
    kept = scored(settings, file, Choice(keep=True))

    assert dropped == plain
    assert kept == [f"id,note,{plain[0]}", f'7,"a, b",{plain[1]}', f"8,c,{plain[2]}"]


def test_a_parquet_file_has_the_answers_of_the_same_csv(settings: Settings, tmp_path: Path) -> None:
    columns = {"x2": [0.5, 1.0], "x1": [-1.0, 2.0], "id": ["a", "b"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")

    found = scored(settings, tmp_path / "rows.parquet", Choice(keep=True))

    assert found == scored(settings, table(tmp_path, "x2,x1,id\n0.5,-1,a\n1,2,b\n"), Choice(keep=True))


def test_many_outputs_run_in_few_rows_at_a_time(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = table(tmp_path, "x1,x2\n" + "1,2\n" * 10)
    expected = scored(settings, file)

    monkeypatch.setattr(scoring, "MOST_NUMBERS", 9)

    assert scored(settings, file) == expected


def test_rows_of_a_model_that_mixes_them_run_one_by_one(settings: Settings, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMax", ["features"], ["largest"], keepdims=0),
        helper.make_node("Add", ["features", "largest"], ["moved"]),
        helper.make_node("MatMul", ["moved", "weights"], ["logits"]),
    ]
    weights = np.array([[1.0, 0.5, -0.5], [-1.0, 0.25, 2.0]], dtype=np.float32)
    publish(settings.models_dir, 1, classifier(nodes, {"weights": weights}).SerializeToString(), name="mixing")

    first, second, both = (
        scored(settings, table(tmp_path, f"x1,x2,id\n{rows}"), Choice(keep=True), name="mixing")[1:]
        for rows in ("1,2,a\n", "5,1,b\n", "1,2,a\n5,1,b\n")
    )

    assert both == first + second


@pytest.mark.parametrize(
    ("text", "choice", "reason"),
    [
        ("x1,x2\n1,2\n\n1,one\n", Choice(), "line 4, column x2: Input should be a valid number"),
        ("x1,x2\n1,2\n1e38,-3e38\n", Choice(), "line 3: the model's output for these numbers is not finite"),
        ("x1,x3\n", Choice(), "it has no column x2; its columns are x1, x3"),
        (
            "x1,x2,predicted_label\n",
            Choice(keep=True),
            "its column predicted_label has the name of a column of the answer: rename it, or leave out --keep",
        ),
        ("x1,x2\n1,2\n", Choice(["typicality"]), "--include: typicality needs "),
        ("x1,x2\n", Choice(["all"]), "--include: Input should be 'logits', 'log_probabilities', "),
        ("x1,x2\n", Choice(coverage_by="row"), "--coverage-by: Input should be 'marginal' or 'class'"),
    ],
)
def test_a_file_that_cannot_be_answered_is_refused(
    settings: Settings, tmp_path: Path, text: str, choice: Choice, reason: str
) -> None:
    output = io.BytesIO()

    with pytest.raises(Refused) as refused:
        score(table(tmp_path, text), find_model(settings, "linear"), choice, output, lambda _rows, _place: None)

    assert str(refused.value).startswith(reason)
    assert bool(output.getvalue()) == reason.startswith("line")  # an option is told before the header


@pytest.mark.parametrize("line", [2, 5, 6, 11])
def test_a_row_that_the_model_cannot_run_is_named(settings: Settings, tmp_path: Path, line: int) -> None:
    rows = ["9" if number >= line else "1" for number in range(2, 12)]
    name = publish_embedding(settings.models_dir, 3).parent.name
    feature = find_model(settings, name).manifest.features[0].name

    with pytest.raises(Refused, match=rf"^line {line}: The model cannot run these rows: "):
        scored(settings, table(tmp_path, "\n".join([feature, *rows])), name=name)


def test_a_row_of_a_tensor_has_its_numbers_in_order(settings: Settings, tmp_path: Path) -> None:
    features = [Feature(name="picture", shape=(2, 3))]
    publish(settings.models_dir, 1, pictures([2, 3]).SerializeToString(), name="pictures", features=features)
    model = find_model(settings, "pictures")
    job = decode_predict(b'{"instances": [[[1, 2, 3], [4, 5, 6.5]]]}', model.manifest, max_rows=1)
    assert job.features is not None

    _, line = scored(settings, table(tmp_path, "a,b,c,d,e,f\n1,2,3,4,5,6.5\n"), name="pictures")

    assert line.encode() + b"\n" == lines_of(model.run(job.features), job, None, [b"a", b"b", b"c"])
    names = ",".join(f"picture.{index}" for index in range(6))
    _, kept = scored(settings, table(tmp_path, f"id,{names}\n7,1,2,3,4,5,6.5\n"), Choice(keep=True), name="pictures")
    assert kept == f"7,{line}"
    with pytest.raises(
        Refused, match=r"^it has 2 columns, but a row of the model has 6 numbers: name these picture.0 to "
    ):
        scored(settings, table(tmp_path, "a,b\n"), name="pictures")


def test_a_row_of_a_table_has_the_answer_of_a_request(settings: Settings, tmp_path: Path) -> None:
    model = find_model(settings, tables.publish_mixed(settings.models_dir).parent.name)
    include = ["logits", "log_probabilities"]
    job = decode_predict(
        json.dumps({"instances": tables.ROWS, "include": include}).encode(), model.manifest, max_rows=4
    )
    assert job.features is not None
    expected = lines_of(model.run(job.features), job, None, [b"a", b"b", b"c"]).decode().splitlines()
    with (tmp_path / "people.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *reversed(tables.NAMES)])
        writer.writerows(
            [index, *(row[name] for name in reversed(tables.NAMES))] for index, row in enumerate(tables.ROWS)
        )
    parquet.write_table(pyarrow.Table.from_pylist(list(tables.ROWS)), tmp_path / "people.parquet")

    _, *from_csv = scored(settings, tmp_path / "people.csv", Choice(include, keep=True), name="people")
    _, *from_parquet = scored(settings, tmp_path / "people.parquet", Choice(include), name="people")

    assert from_csv == [f"{index},{line}" for index, line in enumerate(expected)]
    assert from_parquet == expected


def test_a_parquet_file_of_a_table_has_its_types(settings: Settings, tmp_path: Path) -> None:
    tables.publish_mixed(settings.models_dir)
    file, good = tmp_path / "people.parquet", pyarrow.Table.from_pylist(list(tables.ROWS))
    text = next(name for name in tables.NAMES if good.schema.field(name).type == pyarrow.string())
    place = good.schema.get_field_index(text)
    texts = good.column(text).to_pylist()

    def answers(values: list[object]) -> list[str]:
        parquet.write_table(good.set_column(place, text, pyarrow.array(values)), file)
        return scored(settings, file, name="people")

    assert answers([value and value.encode() for value in texts]) == answers(texts)
    with pytest.raises(Refused, match=rf"^row 2, column {text} is not UTF-8: "):
        answers([b"clerk", b"\xff", *[b"clerk"] * (len(texts) - 2)])
    with pytest.raises(Refused, match=rf"^its column {text} is double, but the model takes text: save it as text$"):
        answers([7.0] * len(texts))
    with pytest.raises(Refused, match=rf"^its column {text} is list<element: string>, but the model takes text: "):
        answers([["clerk"]] * len(texts))


def test_missing_numbers_of_one_input_have_the_answer_of_a_request(settings: Settings, tmp_path: Path) -> None:
    model = find_model(settings, tables.publish_filled(settings.models_dir).parent.name)
    job = decode_predict(b'{"instances": [[1, null, 0.5], [2, 3, null]]}', model.manifest, max_rows=2)
    assert job.features is not None

    _, *lines = scored(settings, table(tmp_path, "f0,f1,f2\n1,,0.5\n2,3,\n"), name="filled")

    assert lines == lines_of(model.run(job.features), job, None, [b"a", b"b", b"c"]).decode().splitlines()
    columns = {"f0": [1.0, 2.0], "f1": [np.nan, 3.0], "f2": [0.5, np.nan]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")
    assert scored(settings, tmp_path / "rows.parquet", name="filled")[1:] == lines


def test_the_version_that_a_service_would_serve_answers(settings: Settings) -> None:
    publish(settings.models_dir, 2, GOOD)
    publish(settings.models_dir, 3, b"broken")

    highest = find_model(settings, "linear")
    write_pin(settings.models_dir / "linear", 1)

    assert (highest.manifest.version, find_model(settings, "linear").manifest.version) == (2, 1)
    assert find_model(settings, "linear/2").manifest.version == 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("other", "there is no model other in "),
        ("linear/2", "there is no model linear/2 in "),
        ("broken", "version 1: model.onnx is not an ONNX file, or not all of it"),
    ],
)
def test_without_a_model_the_reason_is_told(settings: Settings, name: str, reason: str) -> None:
    publish(settings.models_dir, 1, b"broken", name="broken")

    with pytest.raises(ModelError, match=f"^{reason}"):
        find_model(settings, name)


@pytest.mark.parametrize("coverage", [None, 0.5, 0.999])
def test_labels_that_are_not_guaranteed_are_those_of_a_request(coverage: float | None) -> None:
    model = find_model(Settings(models_dir=MODELS), "blobs")
    include = ["prediction_sets"]
    fields = {"include": include, "coverage_by": "class"} | ({} if coverage is None else {"coverage": coverage})
    job = decode_predict(json.dumps({"instances": [[1, 2]], **fields}).encode(), model.manifest, max_rows=1)
    assert job.features is not None

    answer = json.loads(encode_predict(model.run(job.features), job))

    assert not_guaranteed(model.manifest, Choice(include, coverage, "class")) == answer["not_guaranteed"]
    assert bool(answer["not_guaranteed"]) == (coverage == 0.999)


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("blobs", Choice(["prediction_sets"], 0.999)),
        ("blobs", Choice([], 0.999, "class")),
        ("linear", Choice(["prediction_sets"], 0.999, "class")),
    ],
)
def test_nobody_asks_which_labels_are_not_guaranteed(settings: Settings, name: str, choice: Choice) -> None:
    folder = settings.models_dir if name == "linear" else MODELS

    assert not_guaranteed(find_model(Settings(models_dir=folder), name).manifest, choice) == ()


def interrupted() -> Iterator[bytes]:
    yield b"half"
    raise OSError("no")


def test_a_file_has_its_name_once_it_is_complete(tmp_path: Path) -> None:
    with new_file(tmp_path / "out.csv") as file:
        file.write(b"all")
        assert not (tmp_path / "out.csv").exists()
    with pytest.raises(OSError, match="no"), new_file(tmp_path / "out.csv") as file:
        file.writelines(interrupted())

    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"all"]


def test_a_file_keeps_its_mode_and_a_link_its_place(tmp_path: Path) -> None:
    target, link = tmp_path / "out.csv", tmp_path / "link.csv"
    target.write_bytes(b"before")
    target.chmod(0o604)
    link.symlink_to(target)

    with new_file(link) as file:
        file.write(b"after")

    assert link.is_symlink()
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"after", 0o604)
    assert len([*tmp_path.iterdir()]) == 2


def test_a_pipe_is_written_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    with new_file(pipe) as file:
        file.write(b"answers")

    assert os.read(reader, 100) == b"answers"
    assert pipe.is_fifo()
    os.close(reader)


@pytest.mark.parametrize("name", ["", "none/out.csv", "rows.csv/out.csv"])
def test_a_file_that_cannot_be_written_has_the_name_that_was_given(tmp_path: Path, name: str) -> None:
    table(tmp_path, "x1,x2\n")

    with pytest.raises(OSError, match="directory") as raised, new_file(tmp_path / name):
        pass

    assert raised.value.filename == str(tmp_path / name)
