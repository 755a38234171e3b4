"""Descriptions of models, as `/v2` and Triton give them."""

from collections.abc import Mapping, Sequence

from softmaxd.metrics.counts import VersionCounts
from softmaxd.models.manifest import MODEL_FILE, Manifest
from softmaxd.models.model import Model
from softmaxd.protocols.v2.schemas import (
    DATATYPE,
    INPUT,
    OUTPUTS,
    Configuration,
    ConfiguredTensor,
    Duration,
    InferStatistics,
    Metadata,
    ModelStatistics,
    Tensor,
)

Tallies = Mapping[tuple[str, int], VersionCounts]


def describe(versions: Sequence[Model]) -> Metadata:
    """Describe the last one of these versions of a model."""
    manifest = versions[-1].manifest
    return Metadata(
        name=manifest.name,
        versions=[str(version.manifest.version) for version in versions],
        platform="onnx_onnxv1",
        inputs=[Tensor(name=INPUT, datatype=manifest.datatype, shape=[-1, len(manifest.features)])],
        outputs=[Tensor(name=name, datatype=DATATYPE, shape=[-1, len(manifest.labels)]) for name in OUTPUTS],
    )


def configure(manifest: Manifest, *, max_rows: int) -> Configuration:
    rows = ConfiguredTensor(name=INPUT, data_type=f"TYPE_{manifest.datatype}", dims=[len(manifest.features)])
    data_type = f"TYPE_{DATATYPE}"
    return Configuration(
        name=manifest.name,
        platform="onnxruntime_onnx",
        backend="onnxruntime",
        version_policy={"all": {}},
        max_batch_size=max_rows,
        input=[rows],
        output=[ConfiguredTensor(name=name, data_type=data_type, dims=[len(manifest.labels)]) for name in OUTPUTS],
        dynamic_batching={},
        default_model_filename=MODEL_FILE,
    )


def count(manifest: Manifest, tallies: Tallies) -> ModelStatistics:
    tally = tallies[manifest.name, manifest.version]
    requests, never = tally.requests, _duration(0, 0.0)
    return ModelStatistics(
        name=manifest.name,
        version=str(manifest.version),
        last_inference=int(tally.last_run * 1000),
        inference_count=tally.rows,
        execution_count=tally.runs,
        inference_stats=InferStatistics(
            success=_duration(requests, tally.waited + tally.engine),
            fail=_duration(tally.failed_requests, tally.failed_seconds),
            queue=_duration(requests, tally.waited),
            compute_input=never,  # it is part of compute_infer, as is compute_output
            compute_infer=_duration(requests, tally.engine),
            compute_output=never,
            cache_hit=never,
            cache_miss=never,
        ),
        batch_stats=[],
    )


def _duration(number: int, seconds: float) -> Duration:
    return Duration(count=number, ns=round(seconds * 1e9))
