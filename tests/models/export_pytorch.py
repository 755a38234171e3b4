"""Writes pytorch.* and others/pytorch-*: networks, and PyTorch's own probabilities, which the tests compare with ours.

    .venv-exporters/bin/python -m tests.models.export_pytorch

`make test-exporters` makes the environment. The weights are random: whether the two agree does not depend on what the
network has learnt.
"""

import json
from dataclasses import replace
from pathlib import Path

import onnx

from tests.support.exporting.pytorch import exports

import torch  # isort: skip - the line above lets it do without CUDA

FOLDER = Path(__file__).parent
OTHERS = {"dense-old": "pytorch-old", "grey-new_for_any_number_of_rows": "pytorch-pictures"}
ROWS = [[5.1, 3.5, 1.4, 0.2], [7.0, 3.2, 4.7, 1.4], [6.3, 3.3, 6.0, 2.5], [0.0, 0.0, 0.0, 0.0], [-40.0, 3e3, 1e-3, 7.0]]


def main() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).eval()
    file = FOLDER / "pytorch.onnx"
    torch.onnx.export(network, (torch.zeros(1, 4),), file, dynamo=True, external_data=False)  # for 1 row, by default
    model = onnx.load(file)
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces, with the paths of the machine
    onnx.save(model, file)
    probabilities = torch.softmax(network(torch.tensor(ROWS)), dim=1).tolist()
    (FOLDER / "pytorch.json").write_text(json.dumps({"instances": ROWS, "probabilities": probabilities}) + "\n")
    for export in exports():
        if export.name in OTHERS:
            few = replace(export, name=OTHERS[export.name], instances=export.instances[:8])
            replace(few, probabilities=export.probabilities[:8]).write(FOLDER / "others")


if __name__ == "__main__":
    main()
