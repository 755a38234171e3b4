"""Each call of the client as a generator: it yields requests and pauses, and returns the answer."""

from collections.abc import Callable, Sequence
from typing import Any, Literal
from urllib.parse import quote

from numpy.typing import ArrayLike

from softmaxd.client import tensors
from softmaxd.client.answers import (
    Model,
    Prediction,
    Softmax,
    joined,
    models_of,
    one_model_of,
    prediction_of,
    softmax_of,
    understood,
)
from softmaxd.client.errors import ClientError, InvalidRequest, NotFound, TooLarge, moved
from softmaxd.client.retries import Budget, Retries, repeated
from softmaxd.client.rows import Instances, as_rows, body_of
from softmaxd.client.steps import Call, Reply, Send

FIRST_ROWS = 100_000  # the service's own limit, if it has the default
FIRST_VALUES = 500_000  # fit in 8 MiB of JSON, most often

Field = Literal["logits", "log_probabilities", "prediction_sets", "typicality"]
SoftmaxField = Literal["log_probabilities", "loss", "entropy", "sigmoid"]
Progress = Callable[[int, int], object]
Pinned = tuple[str, str]  # the model and the version that answered the first part
Ask = Callable[[int, int, Pinned | None], Call[Prediction]]


class Calls:
    """The calls of one client, with that which it has learnt of the service: limits, and models."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._budget = Budget(retries)
        self._most_rows: dict[str, int] = {}
        self._models: dict[tuple[str | None, str | None], Model] = {}

    def softmax(
        self,
        logits: ArrayLike,
        *,
        temperature: float = 1.0,
        targets: ArrayLike | None = None,
        include: Sequence[SoftmaxField] = (),
    ) -> Call[Softmax]:
        """Return the softmax of a vector or of the rows of a matrix, in float64; fields as in docs/api.md."""
        optional = {"targets": targets, "include": list(include) or None}
        fields = {"logits": logits, "temperature": temperature, **_given(optional)}
        return understood(softmax_of, (yield from self._post("/softmax", fields)))

    def models(self) -> Call[list[Model]]:
        """Return every version of every model, sorted by name, then by version."""
        return understood(models_of, (yield from self._send(Send("GET", "/models"))))

    def model(self, name: str | None = None, version: str | None = None) -> Call[Model]:
        """Return a version of a model, or the one that answers by default."""
        _predict_path(name, version)
        if name is not None:
            return understood(one_model_of, (yield from self._send(Send("GET", f"/models/{_named(name, version)}"))))
        for model in (yield from self.models()):
            if model.is_default:
                return model
        raise NotFound("The service has no default model; GET /models lists the models that are served")

    def predict(  # noqa: PLR0913 - the fields of a request
        self,
        instances: Instances,
        *,
        model: str | None = None,
        version: str | None = None,
        include: Sequence[Field] = (),
        top_k: int | None = None,
        coverage: float | None = None,
        coverage_by: Literal["marginal", "class"] | None = None,
        progress: Progress | None = None,
    ) -> Call[Prediction]:
        """Return the answers to rows: an array, lists, dictionaries, a mapping of columns, or a data frame.

        A table that is too large for one request is sent in parts, all answered by one version; `progress` is called
        with the rows that are done and all rows. Raises a `ClientError`; of a large table, its place is in the whole.
        """
        first_path = _predict_path(model, version)
        rows = as_rows(instances)
        options = _given(
            {"include": list(include) or None, "top_k": top_k, "coverage": coverage, "coverage_by": coverage_by}
        )

        def ask(start: int, stop: int, pinned: Pinned | None) -> Call[Prediction]:
            path = first_path if pinned is None else _predict_path(*pinned)
            fields = {"instances": rows.cut(start, stop), **options}
            return understood(prediction_of, (yield from self._post(path, fields)))

        limit = f"{first_path} {sorted(include)}"
        return (yield from self._in_parts(ask, rows.count, rows.width, limit, progress))

    def infer(  # noqa: PLR0913 - as predict
        self,
        features: tensors.Table | ArrayLike,
        *,
        model: str | None = None,
        version: str | None = None,
        include: Sequence[Field] = (),
        top_k: int | None = None,
        coverage: float | None = None,
        coverage_by: Literal["marginal", "class"] | None = None,
        progress: Progress | None = None,
    ) -> Call[Prediction]:
        """Return the answers to an array of numbers [rows, …], sent as bytes if it is large: as predict, but faster.

        The columns of a mapping or of a data frame are features by name. The first call
        also asks for the model's description.
        """
        described = yield from self._described(model, version)
        array, outputs = tensors.features_of(features, described), tensors.outputs_for(include)
        parameters = _given({"coverage": coverage, "coverage_by": coverage_by})
        if top_k is not None and not 1 <= top_k <= len(described.classes):
            raise InvalidRequest(f"top_k should be from 1 to {len(described.classes)}, the number of classes")

        def ask(start: int, stop: int, pinned: Pinned | None) -> Call[Prediction]:
            number = pinned[1] if pinned else version
            path = f"/v2/models/{_named(described.name, number)}/infer"
            request = tensors.request_of(
                path, array[start:stop], described.description["datatype"], outputs, parameters
            )
            answered, arrays = understood(tensors.outputs_of, (yield from self._send(request)))
            known = described
            if answered != known.version:  # a newer one, or one that has a share of the requests
                known = yield from self._described(known.name, answered)
                if known.description["datatype"] != described.description["datatype"]:
                    self._models.pop((model, version), None)
            return tensors.prediction_of(known.name, answered, arrays, known.classes, include, top_k)

        limit = f"/v2 {described.name} {sorted(include)}"
        try:
            return (yield from self._in_parts(ask, len(array), array[:1].size, limit, progress))
        except InvalidRequest:  # a newer version may have other features: the next call asks again
            self._models.pop((model, version), None)
            raise

    def _in_parts(self, ask: Ask, count: int, width: int, limit: str, progress: Progress | None) -> Call[Prediction]:
        """Ask for all rows in as few requests as the service allows."""
        most = self._most_rows.get(limit, max(1, min(FIRST_ROWS, FIRST_VALUES // max(1, width))))
        parts: list[Prediction] = []
        done, pinned = 0, None
        while not parts or done < count:
            stop = min(done + most, count)
            try:
                parts.append((yield from ask(done, stop, pinned)))
            except TooLarge as error:
                most = self._most_rows[limit] = _fewer(stop - done, error)
                continue
            except ClientError as error:
                raise moved(error, done) from error
            done, pinned = stop, (parts[0].model, parts[0].version)
            if progress is not None:
                progress(done, count)
        return joined(parts)

    def _described(self, name: str | None, version: str | None) -> Call[Model]:
        """Return a model's description, asked for once."""
        key = (name, version)
        if key not in self._models:
            self._models[key] = yield from self.model(name, version)
        return self._models[key]

    def _post(self, path: str, fields: dict[str, Any]) -> Call[Reply]:
        return self._send(Send("POST", path, body_of(fields), {"Content-Type": "application/json"}))

    def _send(self, request: Send) -> Call[Reply]:
        return repeated(request, self._retries, self._budget)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _named(name: str, version: str | None) -> str:
    """Return a model's part of a path."""
    return _quoted(name) if version is None else f"{_quoted(name)}/versions/{_quoted(version)}"


def _quoted(name: str) -> str:
    """Return one part of a path. Raises `InvalidRequest` for a name with which the path would lead elsewhere."""
    if not isinstance(name, str) or name in {"", ".", ".."}:
        raise InvalidRequest(f"A model or a version is named by a text, such as 'blobs' or '1', not by {name!r}")
    return quote(name, safe="")


def _predict_path(model: str | None, version: str | None) -> str:
    if model is None and version is not None:
        raise InvalidRequest("A version needs the model's name, too")
    return "/predict" if model is None else f"/models/{_named(model, version)}/predict"


def _fewer(rows: int, error: TooLarge) -> int:
    """Return how many rows to send in place of so many: as many as the service says, or half."""
    if error.rows == 0 or rows <= 1:
        raise error
    return min(error.rows or rows // 2, rows - 1)
