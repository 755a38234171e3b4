"""No input of any kind may cause a 5xx, or stop the service: random bytes, random JSON, and the OpenAPI document."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmaxd.models.manifest import OUTPUTS
from softmaxd.protocols.v2.schemas import TRUST_OUTPUTS
from tests.support.paths import MODELS
from tests.support.processes import run, untraced
from tests.support.server import StartServer

EXAMPLES = 500 if "CI" in os.environ else 100
SHARE = float(os.environ.get("FUZZ_SHARE", "0.1" if "CI" in os.environ else "0.025"))  # of examples for an operation
OTHER_PROTOCOLS = "^/v[12]"

WRONG_BODY = {
    "/softmax": 422,
    "/predict": 422,
    "/models/blobs/predict": 422,
    "/v1/models/blobs:predict": 400,
    "/v1/models/blobs:classify": 400,
}
paths = st.sampled_from(list(WRONG_BODY))
numbers = st.integers() | st.floats() | st.sampled_from([1e39, -1e39, 1e308, 5e-324, -0.0, 2**63, 10**400])
scalars = st.none() | st.booleans() | numbers | st.text()
fields = ["logits", "temperature", "targets", "include", "loss", "instances", "top_k", "x1", "x2"]
fields_of_v1 = ["inputs", "examples", "signature_name", "context", "features"]
keys = st.text() | st.sampled_from(fields) | st.sampled_from(fields_of_v1)
anything = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20)
row = st.lists(numbers, max_size=4)
records = st.lists(st.dictionaries(st.sampled_from(["x1", "x2", "x3"]), numbers | row))
named = st.fixed_dictionaries({"features": row | st.lists(row)})
rows = st.lists(row, max_size=5) | row | records | named | st.lists(named)
includes = st.lists(
    st.sampled_from(["logits", "log_probabilities", "loss", "entropy", "sigmoid", "typicality", "prediction_sets"])
    | st.text()
)
nearly_right = st.fixed_dictionaries(
    {},
    optional={
        "logits": rows,
        "instances": rows,
        "inputs": rows,
        "examples": rows,
        "signature_name": st.sampled_from(["serving_default", "logits"]) | scalars,
        "temperature": numbers,
        "targets": st.integers(-1, 5) | st.lists(st.integers(-1, 5)),
        "include": includes,
        "top_k": st.integers(-1, 5),
        "coverage": numbers,
        "coverage_by": st.sampled_from(["marginal", "class"]) | scalars,
        "other": scalars,
    },
)
bodies = st.binary() | (anything | nearly_right).map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))

odd_numbers = st.sampled_from(
    ["9" * 5000, "0" * 5000 + "1", "-1", "1e3", "1_0", "\u00b2", "\u0661", "1.0", " ", "..", ""]
)
segments = odd_numbers | st.text(max_size=50)
MOULDS = (  # of paths and queries, for one segment
    *("/{}", "/models/{}", "/models/blobs/versions/{}", "/models/{}/predict", "/models/blobs/versions/{}/predict"),
    *("/v1/models/{}", "/v1/models/blobs/versions/{}", "/v1/models/blobs/versions/{}:predict", "/docs/assets/{}"),
    *("/v2/models/{}", "/v2/models/blobs/versions/{}/stats", "/v2/models/blobs/versions/{}/infer", "/models?a={}"),
    *("/v2/repository/models/{}/load", "/predict?{}", "/metrics?name[]={}", "/v2/models/blobs/infer?{}"),
)
NAMES = (
    *("Accept", "Accept-Encoding", "Authorization", "Content-Type", "Content-Encoding", "Cookie", "Expect", "Range"),
    *("Inference-Header-Content-Length", "If-None-Match", "If-Modified-Since", "Origin", "Traceparent"),
)
header_values = odd_numbers.map(lambda text: f"gzip;q={text}bytes={text}-{text}") | odd_numbers
header_values |= st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"))
DOCUMENTED = {200, 400, 401, 403, 404, 405, 413, 415, 422, 431}

fuzz = settings(max_examples=EXAMPLES)


@pytest.fixture(scope="module")
def base_url(start_shared_server: StartServer) -> Iterator[str]:
    """Where a service that is not traced is, as tens of thousands of requests come."""
    if "BASE_URL" in os.environ:
        yield os.environ["BASE_URL"]
        return
    server = start_shared_server(traced=False, models_dir=str(MODELS))
    yield server.url
    assert server.stop() == 0
    assert not [line for line in server.messages() if line["level"] in {"ERROR", "CRITICAL"}]


@pytest.fixture(scope="module")
def client(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=30) as client:
        yield client


@fuzz
@given(path=paths, body=bodies)
def test_any_body_is_answered_or_refused(client: httpx.Client, path: str, body: bytes) -> None:
    response = client.post(path, content=body)

    assert response.status_code in {200, WRONG_BODY[path]}
    assert response.headers["content-type"] == "application/json"
    assert len(response.content) < 8 * 1024
    json.loads(response.content.decode(), parse_constant=pytest.fail)


@fuzz
@given(
    method=st.sampled_from(["GET", "POST"]),
    mould=st.sampled_from(MOULDS),
    segment=segments,
    name=st.sampled_from(NAMES),
    value=header_values,
)
def test_any_segment_query_and_header_is_answered_or_refused(
    client: httpx.Client, method: str, mould: str, segment: str, name: str, value: str
) -> None:
    target = mould.format(quote(segment, safe="", errors="surrogatepass"))
    headers = {name.encode(): value.encode("latin-1", "replace").strip()}
    body = b'{"instances": [[15.2, 0.3]]}' if method == "POST" else b""

    response = client.request(method, target, headers=headers, content=body)

    assert response.status_code in DOCUMENTED


@fuzz
@given(data=st.data())
def test_a_good_body_with_a_few_wrong_bytes_is_answered_or_refused(client: httpx.Client, data: st.DataObject) -> None:
    body = bytearray(b'{"instances": [[15.2, 0.3], [0.1, 14.7]], "include": ["typicality"], "top_k": 2}')
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))

    response = client.post("/predict", content=bytes(body))

    assert response.status_code in {200, 422}


tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("features") | st.text(),
        "shape": st.just([1, 2]) | st.lists(st.integers(-1, 3)),
        "datatype": st.sampled_from(["FP32", "FP64", "BYTES"]) | st.text(),
        "data": row | rows | anything,
        "parameters": st.dictionaries(st.sampled_from(["binary_data_size", "shared_memory_region"]), scalars),
    },
)
wanted = st.fixed_dictionaries(
    {"name": st.sampled_from([*OUTPUTS, *TRUST_OUTPUTS]) | st.text()},
    optional={
        "parameters": st.dictionaries(
            st.sampled_from(["binary_data", "classification", "coverage", "coverage_by"]), scalars | st.just("class")
        )
    },
)
inferences = st.fixed_dictionaries(
    {"inputs": st.lists(tensors | scalars, max_size=2)},
    optional={
        "id": st.text() | scalars,
        "outputs": st.lists(wanted, max_size=3),
        "parameters": st.dictionaries(
            st.sampled_from(["binary_data_output", "coverage", "coverage_by"]), scalars | st.just("class")
        ),
    },
)


@fuzz
@given(
    path=st.sampled_from(["/v2/models/blobs/infer", "/v2/repository/index"]),
    body=st.binary() | (anything | inferences).map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    tensor=st.just(b"") | st.binary(max_size=40),
    headers=st.fixed_dictionaries(
        {},
        optional={
            "Inference-Header-Content-Length": st.integers(-1, 200).map(str) | st.text("0123456789abc-+", max_size=5),
            "Content-Encoding": st.sampled_from(["gzip", "deflate", "br", "identity"]),
            "Accept-Encoding": st.sampled_from(["gzip", "deflate;q=0.5", "*"]),
        },
    ),
)
def test_any_inference_is_answered_or_refused(
    client: httpx.Client, path: str, body: bytes, tensor: bytes, headers: dict[str, str]
) -> None:
    response = client.post(path, content=body + tensor, headers=headers)

    assert response.status_code in {200, 400, 415}
    assert len(response.content) < 8 * 1024
    if response.status_code != 200:
        assert response.headers["content-type"] == "application/json"
        assert list(response.json()) == ["error"]


@fuzz
@given(
    route=st.sampled_from(["/models/{}", "/v1/models/{}/metadata", "/v2/models/{}/config", "/docs/assets/{}", "/{}"]),
    name=st.binary(min_size=1, max_size=50).filter(lambda name: name not in {b".", b".."}),
    query=st.binary(max_size=20),
    content_type=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=50).map(str.strip),
)
def test_any_name_and_content_type_is_refused(
    client: httpx.Client, route: str, name: bytes, query: bytes, content_type: str
) -> None:
    escaped, parameters = ("".join(f"%{byte:02x}" for byte in text) for text in (name, query))
    path = httpx.URL("/").copy_with(raw_path=f"{route.format(escaped)}?{parameters}".encode())

    found = client.get(path)
    posted = client.post("/softmax", content=b"{", headers={"Content-Type": content_type})

    assert found.status_code == 404
    assert posted.status_code in {415, 422}


@pytest.mark.parametrize(
    ("document", "paths", "examples"),
    [("openapi.json", "exclude", 1200), ("openapi.json", "include", 300), ("models/iris/openapi.json", "exclude", 300)],
    ids=["native", "v1, v2", "a model"],
)
def test_the_openapi_document_tells_the_truth(
    base_url: str, tmp_path: Path, document: str, paths: str, examples: int
) -> None:
    """Schemathesis sends what the document allows and forbids, and finds no answer that it does not describe."""
    checks = [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "unsupported_method",
    ]
    result = run(
        [
            Path(sys.executable).with_name("schemathesis"),
            *("run", f"{base_url}/{document}", "--checks", ",".join(checks)),
            *(f"--{paths}-path-regex", OTHER_PROTOCOLS),
            *("--max-examples", str(int(SHARE * examples)), "--phases", "examples,coverage,fuzzing", "--no-color"),
            *("--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off"),
        ],
        cwd=tmp_path,
        env=untraced(),
    )

    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr
