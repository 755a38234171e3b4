from pydantic import TypeAdapter

from softmaxd.protocols.v2.descriptions import V2ModelMetadata, V2Statistics


def test_the_document_states_the_types_of_tensors_and_that_numbers_are_counts() -> None:
    metadata = TypeAdapter(V2ModelMetadata).json_schema()["$defs"]
    statistics = TypeAdapter(V2Statistics).json_schema()["$defs"]

    assert "INT64" in metadata["V2Tensor"]["properties"]["datatype"]["enum"]
    assert statistics["V2Duration"]["properties"]["ns"]["minimum"] == 0
    assert statistics["V2ModelStatistics"]["properties"]["batch_stats"]["maxItems"] == 0
