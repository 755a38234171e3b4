"""Lets PyTorch as it comes on Linux be imported without the gigabytes of CUDA that only a GPU needs.

The libraries of CUDA are linked, but a processor never calls them. So each that is missing becomes a link to a library
of PyTorch that has no functions, and functions are looked up when they are called.
"""

import contextlib
import ctypes
import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

MISSING = re.compile(r"(lib\S+\.so\S*): cannot open shared object file")
MOST = 30  # libraries that may be missing


def prepare() -> None:
    """Make `import torch` possible in this process."""
    if sys.platform != "linux":
        return
    found = find_spec("torch")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / "lib"
    for _ in range(MOST):
        try:
            for library in ("libtorch_python.so", "libtorch_cuda_linalg.so"):
                ctypes.CDLL(str(folder / library), mode=os.RTLD_LAZY)
            break
        except OSError as error:
            missing = MISSING.match(str(error))
            if missing is None:
                raise
            with contextlib.suppress(FileExistsError):  # another process was faster
                (folder / missing[1]).symlink_to("libtorch_global_deps.so")
    sys.setdlopenflags(os.RTLD_LAZY)
