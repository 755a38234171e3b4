"""Triton's own Python client, unchanged, with models whose features are FP64 or INT64."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pytest
from tritonclient import http
from tritonclient.utils import InferenceServerException

from softmaxd.models.engine import Engine
from softmaxd.models.features import Datatype
from tests.support.onnx_graphs import add_exact
from tests.support.server import Server
from tests.support.triton import assert_same, tensor

EXACT: dict[Datatype, npt.NDArray[Any]] = {
    "FP64": np.array([[1 + 2**-52, 1 - 2**-53], [0.1, 1e39]]),
    "INT64": np.array([[2**53 - 1, 1 - 2**53], [2**24 + 1, -3]]),
}
BEYOND_JSON = np.array([[2**63 - 1, -(2**63)], [2**53 + 1, 2**62 + 3]])

Typed = tuple[http.InferenceServerClient, dict[Datatype, Engine]]


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def typed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typed]:
    """A client of a service with such models, and the engines of the files that they were made from."""
    folder = tmp_path_factory.mktemp("typed")
    engines = {datatype: add_exact(datatype, folder) for datatype in EXACT}
    server = Server("--models-dir", str(folder / "models"), environment={"SOFTMAXD_EXPRESS": request.param})
    with http.InferenceServerClient(urlsplit(server.url).netloc) as client:
        yield client, engines
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("datatype", "rows", "binary"),
    [
        *((datatype, rows, binary) for datatype, rows in EXACT.items() for binary in (True, False)),
        ("INT64", BEYOND_JSON, True),
    ],
)
def test_infers_the_very_bits_of_a_file_whose_input_has_another_type(
    typed: Typed, datatype: Datatype, rows: npt.NDArray[Any], binary: bool
) -> None:
    client, engines = typed

    result = client.infer(datatype.lower(), [tensor(rows, datatype=datatype, binary=binary)])

    expected = engines[datatype].run(rows)
    assert_same(result, {"logits": expected["s"], "probabilities": expected["p"]}, "logits", "probabilities")


@pytest.mark.parametrize("datatype", EXACT)
@pytest.mark.parametrize("binary", [True, False])
def test_float32_is_refused_where_the_model_takes_another_type(typed: Typed, datatype: Datatype, binary: bool) -> None:
    with pytest.raises(InferenceServerException) as raised:
        typed[0].infer(datatype.lower(), [tensor(binary=binary)])

    assert raised.value.status() == "400"
    expected = f"The datatype of features should be {datatype}, as the model takes it, not FP32"
    assert raised.value.message() == expected


def test_an_integer_that_json_rounds_is_refused_with_a_way_out(typed: Typed) -> None:
    with pytest.raises(InferenceServerException) as raised:
        typed[0].infer("int64", [tensor(BEYOND_JSON, datatype="INT64", binary=False)])

    assert "/v2 takes all of INT64 as bytes" in raised.value.message()


def test_triton_finds_the_type_in_metadata_and_configuration(typed: Typed) -> None:
    for datatype in EXACT:
        metadata = typed[0].get_model_metadata(datatype.lower())
        config = typed[0].get_model_config(datatype.lower())

        assert metadata["inputs"] == [{"name": "features", "datatype": datatype, "shape": [-1, 2]}]
        assert config["input"] == [{"name": "features", "data_type": f"TYPE_{datatype}", "dims": [2]}]
