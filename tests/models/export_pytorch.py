"""Writes pytorch.onnx, and pytorch.json with PyTorch's own probabilities, which the tests compare with ours.

    pip install torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2
    python tests/models/export_pytorch.py

PyTorch is in none of the locked environments: as it comes on Linux, with CUDA, it takes several gigabytes. The weights
are random: whether the two agree does not depend on what the network has learnt.
"""

import json
from pathlib import Path

import onnx
import torch

FOLDER = Path(__file__).parent
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


if __name__ == "__main__":
    main()
