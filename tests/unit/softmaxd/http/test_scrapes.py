from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from softmaxd.app import App, create_app
from softmaxd.settings import Settings
from tests.support.asgi import ask
from tests.support.onnx_models import linear, publish
from tests.support.paths import MODELS


@pytest.fixture
def app(tmp_path: Path) -> App:
    publish(tmp_path, 1, linear().SerializeToString())
    app = create_app(Settings(models_dir=tmp_path))
    assert ask(app, "POST", "/predict", json={"instances": [[1, 2]]}).status_code == 200
    return app


def scrape(app: App, accept: str, accept_encoding: str = "identity") -> httpx.Response:
    return ask(app, "GET", "/metrics", headers={"Accept": accept, "Accept-Encoding": accept_encoding})


def test_the_format_is_prometheus_own_unless_openmetrics_is_asked_for(app: App) -> None:
    plain, openmetrics = scrape(app, "*/*"), scrape(app, "application/openmetrics-text;version=1.0.0")

    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# EOF" not in plain.text
    assert openmetrics.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name: family for family in text_string_to_metric_families(openmetrics.text)}  # type: ignore[no-untyped-call]
    (sample,) = families["softmaxd_rows"].samples
    assert (sample.labels, sample.value) == ({"model": "linear", "version": "1"}, 1)
    (build,) = families["softmaxd_build_info"].samples
    assert build.labels.keys() == {"version", "python", "onnxruntime", "providers"}
    assert "CPUExecutionProvider" in build.labels["providers"]
    assert plain.headers["vary"] == openmetrics.headers["vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_the_text_is_compressed_for_clients_that_take_it(app: App, encoding: str) -> None:
    response, plain = scrape(app, "*/*", encoding), scrape(app, "*/*")

    assert response.headers["content-encoding"] == encoding
    assert "content-encoding" not in plain.headers
    assert int(response.headers["content-length"]) < len(plain.content) / 4
    assert "\nsoftmaxd_workers 1\n" in response.text


def test_the_version_that_answered_is_told_with_each_request(app: App) -> None:
    text = scrape(app, "").text

    labels = 'operation="/predict",status="200",lane="asgi",model="linear",version="1"'
    assert f"softmaxd_requests_total{{{labels}}} 1\n" in text
    assert 'softmaxd_model_current{model="linear",version="1"} 1\n' in text
    assert "softmaxd_requests_in_flight 1\n" in text  # this scrape


@pytest.mark.parametrize(("kept", "goes_on"), [(True, True), (False, False)])
def test_the_evidence_of_drift_goes_on_after_a_restart_if_it_has_a_folder(
    tmp_path: Path, kept: bool, goes_on: bool
) -> None:
    settings = Settings(models_dir=MODELS, drift_dir=tmp_path if kept else None)
    odd = {"instances": [[900.0, -900.0]] * 20}
    before, after = create_app(settings), create_app(settings)

    assert ask(before, "POST", "/models/blobs/predict", json=odd).status_code == 200
    values = [
        float(scrape(app, "").text.partition('softmaxd_drift_evidence{model="blobs",version="2"} ')[2].split("\n")[0])
        for app in (before, after)
    ]

    assert values[0] > 100
    assert (values[1] == values[0]) is goes_on
    assert goes_on or values[1] == 1


def test_a_refusal_outside_the_operations_is_counted_but_no_probe(tmp_path: Path) -> None:
    app = create_app(Settings(models_dir=tmp_path))

    statuses = [
        ask(app, method, path).status_code
        for method, path in [
            ("GET", "/readyz"),
            ("GET", "/v2/health/ready"),
            ("GET", "/unknown"),
            ("PUT", "/predict"),
            ("POST", "/v2/repository/models/m/unload"),
        ]
    ]

    text = scrape(app, "").text
    assert statuses == [503, 503, 404, 405, 403]
    counted = {"unroutable": 2, "forbidden": 1, "not_ready": 0, "unauthorized": 0, "model_not_found": 0}
    for reason, number in counted.items():
        assert f'softmaxd_rejections_total{{reason="{reason}",model="",version=""}} {number}\n' in text
