"""Descriptions and statistics of models in the form of Triton."""

from collections.abc import Mapping, Sequence

from softmaxd.metrics.counts import RunCounts
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.manifest import MODEL_FILE, OUTPUTS, Manifest
from softmaxd.models.model import Model
from softmaxd.protocols.v2.descriptions import (
    V2ConfiguredTensor,
    V2Duration,
    V2InferStatistics,
    V2ModelConfiguration,
    V2ModelMetadata,
    V2ModelStatistics,
    V2Statistics,
    V2Tensor,
)
from softmaxd.protocols.v2.schemas import DATATYPE

TYPES = {"BYTES": "STRING"}  # of a configuration, where they have other names

Counts = Mapping[tuple[str, int], RunCounts]  # by name and version


def describe(manifest: Manifest, versions: Sequence[Model]) -> V2ModelMetadata:
    """Return the metadata of a version, with the numbers of all of these."""
    return V2ModelMetadata(
        name=manifest.name,
        versions=[str(version.manifest.version) for version in versions],
        platform="onnx_onnxv1",
        inputs=[V2Tensor(name=name, datatype=datatype, shape=[-1, *row]) for name, datatype, row in manifest.inputs],
        outputs=[V2Tensor(name=name, datatype=DATATYPE, shape=[-1, len(manifest.labels)]) for name in OUTPUTS],
    )


def configure(manifest: Manifest, *, max_rows: int) -> V2ModelConfiguration:
    inputs = [
        V2ConfiguredTensor(name=name, data_type=f"TYPE_{TYPES.get(datatype, datatype)}", dims=list(row))
        for name, datatype, row in manifest.inputs
    ]
    data_type = f"TYPE_{DATATYPE}"
    return V2ModelConfiguration(
        name=manifest.name,
        platform="onnxruntime_onnx",
        backend="onnxruntime",
        version_policy={"all": {}},
        max_batch_size=max_rows,
        input=inputs,
        output=[V2ConfiguredTensor(name=name, data_type=data_type, dims=[len(manifest.labels)]) for name in OUTPUTS],
        dynamic_batching={},
        default_model_filename=MODEL_FILE,
    )


def statistics_of(served: Sequence[Model], metrics: Metrics) -> V2Statistics:
    """Return the runs of these models. They are counted after they were listed, so that each has an entry."""
    counts = metrics.by_version()
    statistics = V2Statistics(model_stats=[_count(model.manifest, counts) for model in served])
    if metrics.problem:
        statistics["problem"] = f"Runs in other workers may be missing: {metrics.problem}"
    return statistics


def _count(manifest: Manifest, counts: Counts) -> V2ModelStatistics:
    counted = counts[manifest.name, manifest.version]
    requests, never = counted.requests, _duration(0, 0.0)
    return V2ModelStatistics(
        name=manifest.name,
        version=str(manifest.version),
        last_inference=int(counted.last_run * 1000),
        inference_count=counted.rows,
        execution_count=counted.runs,
        inference_stats=V2InferStatistics(
            success=_duration(requests, counted.waited + counted.engine),
            fail=_duration(counted.failed_requests, counted.failed_seconds),
            queue=_duration(requests, counted.waited),
            compute_input=never,  # part of compute_infer, like compute_output
            compute_infer=_duration(requests, counted.engine),
            compute_output=never,
            cache_hit=never,
            cache_miss=never,
        ),
        batch_stats=[],
    )


def _duration(number: int, seconds: float) -> V2Duration:
    return V2Duration(count=number, ns=round(seconds * 1e9))
