"""PyTorch: both exporters, networks with and without a softmax, and small networks of pictures."""

import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx

from tests.support.exporting.export import Export
from tests.support.torch_without_cuda import prepare

prepare()

import torch  # noqa: E402 - only now can it be imported


def old(network: Any, example: Any) -> bytes:
    """Return the file of the exporter that records a run."""
    buffer = io.BytesIO()
    sizes = {"x": {0: "n"}, "y": {0: "n"}}
    torch.onnx.export(
        network, (example,), buffer, dynamo=False, input_names=["x"], output_names=["y"], dynamic_axes=sizes
    )
    return buffer.getvalue()


def new(network: Any, example: Any) -> bytes:
    """Return the file of the exporter that reads the program, as it comes: for the rows of the example."""
    return without_traces(torch.onnx.export(network, (example,), dynamo=True, verbose=False).model_proto)


def new_for_any_number_of_rows(network: Any, example: Any) -> bytes:
    """Return the file of the exporter that reads the program, for any number of rows."""
    rows = ({0: torch.export.Dim("n")},)
    two = torch.cat([example, example])  # one row would be taken for a fixed size
    program = torch.onnx.export(network, (two,), dynamo=True, dynamic_shapes=rows, verbose=False)
    return without_traces(program.model_proto)


def without_traces(model: onnx.ModelProto) -> bytes:
    """Return a file without stack traces, which have the paths of the machine."""
    for node in model.graph.node:
        del node.metadata_props[:]
    return bytes(model.SerializeToString())


def dense(*last: Any) -> Any:
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3), *last)


def pictures(channels: int) -> Any:
    """Return a network of pictures [n, channels, 8, 8] with all that behaves differently in training."""
    convolutions = [torch.nn.Conv2d(channels, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU()]
    end = [torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(64, 10)]
    return torch.nn.Sequential(*convolutions, *end)


def exports() -> Iterator[Export]:
    """Yield networks with random weights: whether both agree does not depend on what they have learnt."""
    warnings.simplefilter("ignore")  # about the end of the old exporter
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    table, grey, colour = (generator.normal(size=(40, *row)) for row in ((4,), (1, 8, 8), (3, 8, 8)))
    for name, network, rows, logits in (
        ("dense", dense(), table * 3, True),
        ("softmax", dense(torch.nn.Softmax(dim=1)), table * 3, False),
        ("grey", pictures(1), grey, True),
        ("colour", pictures(3), colour, True),
    ):
        network.eval()
        example = torch.tensor(rows, dtype=torch.float32)
        answers = network(example)
        probabilities = (torch.softmax(answers, dim=1) if logits else answers).tolist()
        for exporter in (old, new, new_for_any_number_of_rows):
            content = exporter(network, example[:1])
            yield Export(f"{name}-{exporter.__name__}", content, example.numpy(), probabilities)
    one = torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Sigmoid()).eval()
    yield Export("sigmoid", new(one, torch.zeros(1, 4)), [], [])
    yield Export("training", old_in_training(), [], [])


def old_in_training() -> bytes:
    """Return a network that was exported as it is while it learns: with dropout."""
    network, buffer = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(4, 3)).train(), io.BytesIO()
    options = {"training": torch.onnx.TrainingMode.TRAINING, "input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}}
    torch.onnx.export(network, (torch.zeros(2, 4),), buffer, dynamo=False, **options)
    return buffer.getvalue()
