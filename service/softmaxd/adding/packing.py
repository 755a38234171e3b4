"""Takes weights that are in other files (external data) into a graph."""

import re
from collections.abc import Iterable
from pathlib import Path

from onnx import TensorProto

from softmaxd.errors import Refused
from softmaxd.models.files import read_regular
from softmaxd.models.onnxfile import MAX_MODEL_BYTES


def pack(tensors: Iterable[TensorProto], folder: Path, max_bytes: int) -> None:
    """Read the weights of tensors from the files of a folder into the tensors.

    Raises `Refused`, `OSError` or `ModelError` if a file is not in the folder or cannot be read, or if the weights have
    more than `max_bytes`.
    """
    files: dict[str, memoryview] = {}
    for tensor in tensors:
        name, start, length = _place(tensor)
        if name not in files:
            files[name] = memoryview(read_regular(folder / name, max_bytes=MAX_MODEL_BYTES))
        weights = files[name][start:][:length]
        max_bytes -= len(weights)
        if max_bytes < 0:
            raise Refused(f"with its weights it has more than the {MAX_MODEL_BYTES} bytes that a model may have")
        tensor.raw_data = bytes(weights)
        tensor.ClearField("data_location")
        del tensor.external_data[:]


def _place(tensor: TensorProto) -> tuple[str, int, int | None]:
    """Return the file of a tensor's weights, where they start in it, and their length, None for up to its end."""
    place = {entry.key: entry.value for entry in tensor.external_data}
    name = place.get("location", "")
    if name in {"", ".."} or name != Path(name).name or "\0" in name:
        raise Refused(f"the weights are in {name!r}, but --pack takes only files of the same folder")
    if not all(re.fullmatch("[0-9]{1,18}", place.get(key, "0")) for key in ("offset", "length")):
        raise Refused("the place of its weights in the other file is not a number")
    return name, int(place.get("offset", 0)), int(place["length"]) if "length" in place else None
