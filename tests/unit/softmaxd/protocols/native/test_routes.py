import json
from pathlib import Path

from fastapi import FastAPI

from softmaxd.app import create_app
from softmaxd.settings import Settings
from tests.support.asgi import ask
from tests.support.onnx_models import linear, publish
from tests.support.paths import MODELS


def committed() -> FastAPI:
    return create_app(Settings(models_dir=MODELS))


def test_a_model_and_its_version_are_the_same_entry_as_in_the_list() -> None:
    app = committed()

    entries = {each["name"]: each for each in ask(app, "GET", "/models").json()["models"]}

    assert set(entries) == {"blobs", "digits", "iris"}
    assert [each["default"] for each in entries.values()].count(True) == 1
    assert ask(app, "GET", "/models/iris").json() == entries["iris"]
    assert ask(app, "GET", "/models/iris/versions/1").json() == entries["iris"]
    assert entries["iris"]["calibration"]["rows"] > 0


def test_a_model_without_calibration_data_says_so(tmp_path: Path) -> None:
    publish(tmp_path, 1, linear().SerializeToString())
    app = create_app(Settings(models_dir=tmp_path))

    assert ask(app, "GET", "/models/linear").json()["calibration"] is None


def test_a_model_tells_its_words_for_missing_values(tmp_path: Path) -> None:
    manifest = publish(tmp_path, 1, linear().SerializeToString()) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"missing_words": ["unknown", "-999"]}))
    app = create_app(Settings(models_dir=tmp_path))

    assert ask(app, "GET", "/models/linear").json()["missing_words"] == ["unknown", "-999"]
    assert ask(committed(), "GET", "/models/iris").json()["missing_words"] == []


def test_a_version_that_is_rejected_has_a_reason_and_no_manifest(tmp_path: Path) -> None:
    publish(tmp_path, 1, linear().SerializeToString())
    publish(tmp_path, 2, b"no model")

    first, second = ask(create_app(Settings(models_dir=tmp_path)), "GET", "/models").json()["models"]

    assert (first["state"], first["reason"]) == ("ready", "")
    assert (second["state"], second["classes"], second["default"]) == ("rejected", [], False)
    assert second["reason"]


def test_the_files_of_a_version_come_without_a_connection_of_ours() -> None:
    folder = MODELS / "iris" / "1"

    for path, name in (("card", "card.md"), ("manifest", "manifest.json"), ("history.png", "history.png")):
        assert ask(committed(), "GET", f"/models/iris/versions/1/{path}").content == (folder / name).read_bytes()
    assert ask(committed(), "GET", "/models/iris/versions/1/history.gif").status_code == 404


def test_the_openapi_document_of_a_model_comes_without_a_connection_of_ours() -> None:
    app = committed()

    paths = [list(ask(app, "GET", f"/models/{path}/openapi.json").json()["paths"]) for path in ("iris", "blobs")]

    assert paths == [["/models/iris/predict"], ["/models/blobs/predict", "/predict"]]


def test_an_unknown_model_or_version_is_not_found() -> None:
    app = committed()

    for path in ("/models/nothing", "/models/blobs/versions/9", "/models/blobs/versions/x"):
        response = ask(app, "GET", path)
        assert (response.status_code, list(response.json())) == (404, ["detail"])


def test_the_process_is_alive_without_a_model_but_not_ready(tmp_path: Path) -> None:
    empty = create_app(Settings(models_dir=tmp_path))

    assert ask(empty, "GET", "/livez").json() == {"status": "alive"}
    assert ask(empty, "GET", "/readyz").status_code == 503
    assert ask(committed(), "GET", "/readyz").json() == {"status": "ready"}


def test_the_root_tells_name_version_and_documentation() -> None:
    about = ask(committed(), "GET", "/").json()

    assert (about["name"], about["docs"]) == ("softmaxd", "/docs")
