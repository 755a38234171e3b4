"""Starts the `tritonserver` of the nvidia-pytriton wheel with the blobs model and others, without PyTriton's own proxy.

As Triton's optimisation guide recommends: the dynamic batcher without a delay, one instance (one core), response
cache and tracing off, metrics on as by default.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytriton

CONFIG = """\
backend: "python"
max_batch_size: 131072
input {{ name: "features" data_type: TYPE_FP32 dims: {features} }}
output {{ name: "probabilities" data_type: TYPE_FP32 dims: {classes} }}
instance_group {{ kind: KIND_CPU count: 1 }}
dynamic_batching {{ max_queue_delay_microseconds: 0 }}
parameters {{ key: "model" value {{ string_value: "{model}" }} }}
parameters {{ key: "threads" value {{ string_value: "{threads}" }} }}
"""


def write_repository(folder: Path, models: Iterable[str], threads: int) -> Path:
    """Return a model repository with these models, each as `NAME=FILE,FEATURES,CLASSES`."""
    for model in models:
        name, _, rest = model.partition("=")
        file, features, classes = rest.split(",")
        version = folder / "models" / name / "1"
        version.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("model.py"), version)
        config = CONFIG.format(model=file, features=features, classes=classes, threads=threads)
        (version.parent / "config.pbtxt").write_text(config)
    return folder / "models"


def copy_backends(folder: Path, server: Path) -> Path:
    """Return a backend folder whose Python backend has the stub of this Python."""
    backends = folder / "backends"
    shutil.copytree(server / "backends", backends)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = "triton_python_backend_stub"
    shutil.copy(server / "python_backend_stubs" / python / stub, backends / "python" / stub)
    return backends


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--metrics-port", type=int, required=True)
    parser.add_argument("--also", action="append", default=[], help="another model, NAME=FILE,FEATURES,CLASSES")
    parser.add_argument("--threads", type=int, default=1, help="of ONNX Runtime, for each model")
    arguments = parser.parse_args()
    models = [f"blobs={arguments.model},2,4", *arguments.also]
    package = Path(pytriton.__file__).parent
    folder = Path(tempfile.mkdtemp(dir="."))
    libraries = [str(package.parent / "nvidia_pytriton.libs"), str(Path(sys.base_prefix) / "lib")]
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": ":".join(libraries),
        # the stub ignores PYTHONPATH; it takes the environment of the first python3 on the path
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    command = [
        str(package / "tritonserver" / "bin" / "tritonserver"),
        f"--model-repository={write_repository(folder, models, arguments.threads)}",
        f"--backend-directory={copy_backends(folder, package / 'tritonserver')}",
        f"--http-port={arguments.port}",
        "--http-address=127.0.0.1",
        f"--metrics-port={arguments.metrics_port}",
        "--allow-grpc=false",
        "--log-verbose=0",
    ]
    os.execve(command[0], command, environment)  # noqa: S606 - it becomes the server


if __name__ == "__main__":
    main()
