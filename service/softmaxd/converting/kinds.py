"""Tells by its content of which library a model file is; its suffix decides only where the content says nothing."""

import re
import stat
import zipfile
from pathlib import Path
from typing import Literal

from softmaxd.errors import Refused

Kind = Literal["onnx", "keras", "saved_model", "pickle", "skops", "xgboost", "lightgbm"]

SHOWN = 4096  # bytes that tell the library
PICKLE = re.compile(rb"\x80[\x02-\x05]")
PICKLE_SUFFIXES = {".joblib", ".pickle", ".pkl"}
COMPRESSED = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x5d\x00\x00")
EXPECTED = {
    ".h5": "Keras",
    ".hdf5": "Keras",
    ".json": "XGBoost",
    ".keras": "Keras",
    ".skops": "skops",
    ".txt": "LightGBM",
    ".ubj": "XGBoost",
}
CATBOOST = "CatBoost writes ONNX itself: save_model(file, format='onnx')"
FOREIGN = (
    (b"CBM1", CATBOOST),
    (b"TFL3", "TensorFlow Lite cannot be converted: take the Keras file or the SavedModel folder that it was made of"),
    (b"binf", "this binary file of XGBoost is of an old version: save it as JSON, save_model('model.json')"),
)
PYTORCH = "PyTorch keeps no network in this file, only its weights: torch.onnx.export writes ONNX"


def kind_of(file: Path) -> Kind:
    """Return of which library a file or folder is; "onnx" if nothing speaks for another.

    Raises `Refused` if it is of a library that is not supported, or not of the one that its suffix names, or `OSError`.
    """
    if file.is_dir():
        if (file / "saved_model.pb").is_file():
            return "saved_model"
        raise Refused("it is a folder, but no SavedModel: it has no saved_model.pb")
    if not stat.S_ISREG(file.stat().st_mode):
        raise Refused("it is a pipe or a device, which may never end: save the model as a file")
    with file.open("rb") as content:
        start = content.read(SHOWN)
    for mark, advice in FOREIGN:
        if mark in start[:8]:
            raise Refused(advice)
    if start.startswith(b"PK\x03\x04"):
        return _kind_of_zip(file)
    return _kind_of_start(start, file.suffix.lower())


def _kind_of_start(start: bytes, suffix: str) -> Kind:
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return "keras"
    if start.startswith(b"tree\n"):
        return "lightgbm"
    if start.lstrip()[:1] == b"{" and b"learner" in start:
        return "xgboost"
    if start.lstrip()[:1] == b"{" and b'"features_info"' in start:
        raise Refused(CATBOOST)
    if PICKLE.match(start) or suffix in PICKLE_SUFFIXES or start.startswith(COMPRESSED):
        return "pickle"
    if suffix in EXPECTED:
        raise Refused(f"this is not a model of {EXPECTED[suffix]}, or not all of it")
    return "onnx"


def _kind_of_zip(file: Path) -> Kind:
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError) as error:  # the latter of an unknown version of the format
        raise Refused("it is an archive, but not all of it is there") from error
    if "schema.json" in names:
        return "skops"
    if {"config.json", "model.weights.h5"} <= names:
        return "keras"
    if any(name.endswith("/data.pkl") for name in names):
        raise Refused(PYTORCH)
    raise Refused("it is an archive, but neither of Keras nor of skops")
