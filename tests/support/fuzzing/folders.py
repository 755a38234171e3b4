"""Files of a live folder of models, and ONNX files that `softmaxd models add` is given."""

import contextlib
import hashlib
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from softmaxd.adding.add import add_model
from softmaxd.app import App, create_app
from softmaxd.errors import ModelError, Refused
from softmaxd.models.loading import load
from softmaxd.models.manifest import MANIFEST_FILE, MODEL_FILE
from softmaxd.models.onnxfile import check_content
from softmaxd.models.repository import Repository
from softmaxd.settings import Settings
from tests.support.asgi import ask
from tests.support.fuzzing.bodies import answer
from tests.support.onnx_models import linear, publish, with_atypicality

Run = Callable[[bytes], None]

NO_DIGEST = b"0" * 64
START_ONE_IN = 50  # manifests that are served, the service starts with: that takes a quarter of a second
ONE_IN = 200  # files that pass the check of their content is loaded: that starts a process
PAGES = (
    *("/models", "/models/linear", "/models/linear/versions/2", "/v1/models/linear", "/v1/models/linear/metadata"),
    *("/v2/models/linear", "/v2/models/linear/versions/2", "/v2/models/linear/ready"),
)


class LiveFolder:
    """A repository whose version 2 changes on the disk; version 1 stays, and stays served."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self.good = with_atypicality(linear()).SerializeToString()
        publish(self._models, 1, self.good)
        self.manifest = (publish(self._models, 2, self.good) / MANIFEST_FILE).read_bytes()
        self.folder = self._models / "linear" / "2"
        self._settings = Settings(models_dir=self._models, reload_interval=0)
        self._app = create_app(self._settings)
        self._repository = next(
            finder for each in self._app.state.operations if isinstance(finder := _owner(each.find), Repository)
        )

    def write(self, name: str, content: bytes) -> None:
        """Put a file of version 2 in the place of the last one."""
        unfinished = self.folder / f".{name}"
        unfinished.write_bytes(content)
        unfinished.replace(self.folder / name)

    def update(self) -> bool:
        """Look for changes, and return whether version 2 is served as it is now; the reason is for everybody's eyes."""
        self._repository.update()
        one, two = self._repository.states()
        assert one.model is not None, one
        assert two.state in {"ready", "rejected"}, two
        assert str(self._models) not in two.reason, two
        assert "\n" not in two.reason, two
        return two.model is not None and not two.reason


def _owner(method: object) -> object:
    return getattr(method, "__self__", None)


class Manifests(LiveFolder):
    """The manifest of version 2 changes."""

    def __call__(self, content: bytes) -> None:
        """Write a manifest, with the right digest for one of zeros; if it is served, ask everything about the model."""
        self.write(MANIFEST_FILE, content.replace(NO_DIGEST, hashlib.sha256(self.good).hexdigest().encode()))
        if self.update():
            self._ask_all(self._app)
            if zlib.crc32(content) % START_ONE_IN == 0:
                self._ask_all(create_app(self._settings))

    def _ask_all(self, app: App) -> None:
        for page in PAGES:
            assert ask(app, "GET", page).status_code < 500, page
        for operation in app.state.operations:
            for body in BODIES:
                answer(operation, "linear", (), body)


class Models(LiveFolder):
    """The ONNX file of version 2 changes, and its manifest has the digest."""

    def __call__(self, content: bytes) -> None:
        """Check a file, and load one in many."""
        self.write(MODEL_FILE, content)
        with contextlib.suppress(ModelError):
            check_content(self.folder / MODEL_FILE)
            digest = hashlib.sha256(content).hexdigest()
            if int(digest, 16) % ONE_IN == 0:
                old = hashlib.sha256(self.good).hexdigest()
                self.write(MANIFEST_FILE, self.manifest.replace(old.encode(), digest.encode()))
                self.update()


@contextlib.contextmanager
def live(kind: type[Manifests] | type[Models]) -> Iterator[Run]:
    """Give a target with a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="softmaxd-fuzz-") as folder:
        yield kind(Path(folder))


def add(content: bytes) -> None:
    """Add a model; a version that was published can be loaded."""
    with tempfile.TemporaryDirectory(prefix="softmaxd-fuzz-") as folder, contextlib.suppress(Refused, ModelError):
        file = Path(folder) / "file.onnx"
        file.write_bytes(content)
        published, _ = add_model(file, Path(folder) / "models", name="added", labels=None, features=None)
        load(published, Settings(device="cpu"))


BODIES = (
    b'{"instances": [[1, -1]], "include": ["logits", "log_probabilities", "prediction_sets", "typicality"]}',
    b'{"instances": [[1, -1]], "include": ["prediction_sets"], "coverage": 0.999999, "top_k": 1}',
    b'{"instances": [[1, -1]], "include": ["prediction_sets"], "coverage": 0.5, "coverage_by": "class"}',
    b'{"instances": [[1, -1], [0, 0]], "signature_name": "logits"}',
    b'{"examples": [{"x1": 1, "x2": 2}]}',
    b'{"inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}',
    b'{"inputs": [{"name": "features", "shape": [1, 2], "datatype": "INT64", "data": [1, 2]}], "outputs": '
    b'[{"name": "prediction_sets"}, {"name": "typicality"}, {"name": "probabilities", "parameters": '
    b'{"classification": 2}}]}',
)
