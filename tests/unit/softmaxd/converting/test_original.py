"""A missing package, a version and a library's message are each one line."""

import sys

import pytest

from softmaxd.converting.original import first_line, named, need
from softmaxd.errors import Refused


def test_a_missing_package_is_named_with_its_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)

    with pytest.raises(
        Refused, match=r"^it needs TensorFlow and tf2onnx: .*python.* -m pip install 'softmaxd\[train\]'$"
    ):
        need({"numpy": "NumPy", "tensorflow": "TensorFlow", "tf2onnx": "tf2onnx"}, install="'softmaxd[train]'")


def test_packages_that_are_there_are_enough() -> None:
    need({"numpy": "NumPy"}, install="numpy")


@pytest.mark.parametrize("module", ["numpy", "typing_extensions"])  # the latter has no __version__
def test_a_library_is_named_with_its_version(module: str) -> None:
    name, _, number = named(module, "It").partition(" ")

    assert name == "It"
    assert number[0].isdigit()


@pytest.mark.parametrize(
    ("message", "line"),
    [("one\ntwo", "one"), ("\n  one", "one"), ("", "ValueError"), ("a" * 301, "a" * 300 + "…")],
)
def test_the_first_line_of_a_message_is_kept(message: str, line: str) -> None:
    assert first_line(ValueError(message)) == line
