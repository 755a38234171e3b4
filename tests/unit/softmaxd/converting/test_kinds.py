"""A file is of the library that its content shows, whatever it is called."""

import os
import pickle
import zipfile
import zlib
from pathlib import Path

import pytest

from softmaxd.converting.kinds import kind_of
from softmaxd.errors import Refused

HDF5 = b"\x89HDF\r\n\x1a\n"
ONNX = b"\x08\x09\x12\x07pytorch"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("m.onnx", ONNX, "onnx"),
        ("m", ONNX, "onnx"),
        ("m.onnx", b"", "onnx"),
        ("m.h5", HDF5, "keras"),
        ("m", HDF5, "keras"),
        ("m.txt", b"tree\nversion=v4\n", "lightgbm"),
        ("m.onnx", b"tree\nversion=v4\n", "lightgbm"),
        ("m.json", b' {"learner":{', "xgboost"),
        ("m.ubj", b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{L", "xgboost"),
        ("m.pkl", pickle.dumps([1], protocol=4), "pickle"),
        ("m.onnx", pickle.dumps([1], protocol=2), "pickle"),
        ("m.pickle", pickle.dumps([1], protocol=0), "pickle"),
        ("m.joblib", b"anything", "pickle"),
        ("m.gz", zlib.compress(b"anything"), "pickle"),
    ],
)
def test_the_content_tells_the_library(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(content)

    assert kind_of(tmp_path / name) == kind


@pytest.mark.parametrize(
    ("members", "kind"),
    [(["config.json", "metadata.json", "model.weights.h5"], "keras"), (["1.npy", "schema.json"], "skops")],
)
def test_an_archive_is_told_by_its_members(tmp_path: Path, members: list[str], kind: str) -> None:
    archive(tmp_path / "m.zip", members)

    assert kind_of(tmp_path / "m.zip") == kind


def archive(file: Path, members: list[str]) -> None:
    with zipfile.ZipFile(file, "w") as written:
        for member in members:
            written.writestr(member, "{}")


def test_a_folder_with_a_saved_model_is_one(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")

    assert kind_of(tmp_path) == "saved_model"


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"it is a folder, but no SavedModel"):
        kind_of(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("m.keras", b"\x93anything", "this is not a model of Keras, or not all of it"),
        ("m.h5", b"\x93anything", "this is not a model of Keras, or not all of it"),
        ("m.skops", b"\x93anything", "this is not a model of skops, or not all of it"),
        ("m.json", b'{"a": 1}', "this is not a model of XGBoost, or not all of it"),
        ("m.UBJ", b"\x93anything", "this is not a model of XGBoost, or not all of it"),
        ("m.txt", b"hello", "this is not a model of LightGBM, or not all of it"),
        ("m.keras", b"PK\x03\x04anything", "it is an archive, but not all of it is there"),
        ("m.cbm", b"CBM1anything", "CatBoost writes ONNX itself"),
        ("m.json", b'{\n "features_info": {"float_features": []}', "CatBoost writes ONNX itself"),
        ("m.tflite", b"\x1c\x00\x00\x00TFL3anything", "TensorFlow Lite cannot be converted"),
        ("m.bin", b"binf", "this binary file of XGBoost is of an old version"),
    ],
)
def test_a_file_that_is_not_of_the_library_of_its_suffix_is_refused(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(Refused, match=reason):
        kind_of(tmp_path / name)


@pytest.mark.parametrize(
    ("members", "reason"),
    [(["a/data.pkl"], "PyTorch keeps no network in this file"), (["a.txt"], "neither of Keras nor of skops")],
)
def test_an_archive_of_something_else_is_refused(tmp_path: Path, members: list[str], reason: str) -> None:
    archive(tmp_path / "m.zip", members)

    with pytest.raises(Refused, match=reason):
        kind_of(tmp_path / "m.zip")


def test_a_pipe_and_a_device_are_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")

    for file in (tmp_path / "pipe.onnx", Path("/dev/zero")):
        with pytest.raises(Refused, match=r"^it is a pipe or a device, which may never end: save the model as a file$"):
            kind_of(file)


def test_a_file_that_does_not_exist_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        kind_of(tmp_path / "m.onnx")
