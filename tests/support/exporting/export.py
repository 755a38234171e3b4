"""A model that a library has exported, with the library's own answers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Export:
    """An ONNX file, or a pickle, some rows, and the probabilities [n, classes] of the library for them."""

    name: str
    content: bytes
    instances: Any
    probabilities: Any
    failure: str = ""

    def write(self, folder: Path) -> None:
        """Write both files; numbers keep all their digits. Of an export that failed, write NAME.txt."""
        if self.failure:
            (folder / f"{self.name}.txt").write_text(self.failure)
            return
        (folder / f"{self.name}.onnx").write_bytes(self.content)
        probabilities = np.asarray(self.probabilities, dtype=np.float64).tolist()
        content = {"instances": np.asarray(self.instances).tolist(), "probabilities": probabilities}
        (folder / f"{self.name}.json").write_text(json.dumps(content) + "\n")
