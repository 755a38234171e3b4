"""Responses as NumPy arrays with labels."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from softmaxd.client.errors import InvalidRequest, ServiceFailed
from softmaxd.client.steps import Reply

T = TypeVar("T")
Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]
Top = list[tuple[str, float]]

DATATYPES = {
    "probabilities": np.float32,
    "logits": np.float32,
    "log_probabilities": np.float32,
    "typicality": np.float64,
}


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The answers to rows: entry i of each array belongs to row i."""

    model: str
    version: str
    labels: NDArray[np.str_]  # [rows]
    fields: Mapping[str, Any]  # those that were asked for, by name; the properties have their types

    def _asked(self, name: str) -> Any:
        if name not in self.fields:
            raise InvalidRequest(
                f"The answer has no {name}: this call did not ask for it; it has {sorted(self.fields)}"
            )
        return self.fields[name]

    @property
    def probabilities(self) -> Singles:
        """[rows, classes], in the order of the model's `classes`; with `top_k` there is `top` instead."""
        return np.asarray(self._asked("probabilities"), dtype=np.float32)

    @property
    def logits(self) -> Singles:
        """[rows, classes]: the model's outputs before the softmax."""
        return np.asarray(self._asked("logits"), dtype=np.float32)

    @property
    def log_probabilities(self) -> Singles:
        """[rows, classes], in nats."""
        return np.asarray(self._asked("log_probabilities"), dtype=np.float32)

    @property
    def typicality(self) -> Doubles:
        """[rows], in (0, 1]: how much each row resembles the training rows."""
        return np.asarray(self._asked("typicality"), dtype=np.float64)

    @property
    def top(self) -> list[Top]:
        """For each row its `top_k` labels with their probabilities, the most probable first."""
        return list(self._asked("top"))

    @property
    def prediction_sets(self) -> list[list[str]]:
        """For each row the labels that cannot be ruled out, the most probable first."""
        return list(self._asked("prediction_sets"))

    @property
    def not_guaranteed(self) -> list[str]:
        """With `coverage_by="class"`: the labels whose own coverage is not guaranteed."""
        return list(self._asked("not_guaranteed"))

    @property
    def unknown(self) -> list[list[str]]:
        """For each row the features whose text is none of the categories that the model knows."""
        return list(self.fields.get("unknown") or ([] for _ in self.labels))


@dataclass(frozen=True, slots=True, eq=False)
class Softmax:
    """The softmax of logits, in their shape; the other fields are None unless they were asked for."""

    probabilities: Doubles
    log_probabilities: Doubles | None = None
    loss: Doubles | None = None
    entropy: Doubles | None = None
    sigmoid: Doubles | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A version of a model; `description` is the whole entry of `GET /models` (docs/api.md)."""

    name: str
    version: str
    state: str
    is_default: bool
    classes: tuple[str, ...]
    features: tuple[str, ...]
    description: Mapping[str, Any]


def understood(read: Callable[[Reply], T], reply: Reply) -> T:
    """Return that which `read` makes of a response.

    Raises:
        ServiceFailed: the response has another form, so another program answered.
    """
    try:
        return read(reply)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        message = f"The response is none of softmaxd's ({error!r}): is the service at this URL?"
        raise ServiceFailed(message, status=reply.status) from error


def prediction_of(reply: Reply) -> Prediction:
    """Return the answer of /predict."""
    answer = json.loads(reply.content)
    model, version, labels = (answer.pop(name) for name in ("model", "version", "labels"))
    if "top" in answer:
        answer["top"] = [[(each["label"], each["probability"]) for each in row] for row in answer["top"]]
    fields = {
        name: np.array(value, dtype=DATATYPES[name]) if name in DATATYPES else value for name, value in answer.items()
    }
    return Prediction(model, version, np.array(labels, dtype=np.str_), fields)


def joined(parts: Sequence[Prediction]) -> Prediction:
    """Return the answers to the parts of a table as one."""
    first = parts[0]
    if len(parts) == 1:
        return first
    fields = {name: _joined([part.fields[name] for part in parts], name) for name in first.fields if name != "unknown"}
    if any("unknown" in part.fields for part in parts):  # it is absent if no row has one
        fields["unknown"] = _joined([part.unknown for part in parts], "unknown")
    return Prediction(first.model, first.version, np.concatenate([part.labels for part in parts]), fields)


def _joined(values: Sequence[Any], name: str) -> Any:
    if name == "not_guaranteed":  # of the model, not of rows
        return values[0]
    return np.concatenate(values) if name in DATATYPES else [row for value in values for row in value]


def softmax_of(reply: Reply) -> Softmax:
    """Return the answer of /softmax."""
    return Softmax(**{name: np.array(value, dtype=np.float64) for name, value in json.loads(reply.content).items()})


def models_of(reply: Reply) -> list[Model]:
    """Return the answer of GET /models."""
    return [model_of(entry) for entry in json.loads(reply.content)["models"]]


def one_model_of(reply: Reply) -> Model:
    """Return the answer of GET /models/{name}."""
    return model_of(json.loads(reply.content))


def model_of(entry: Mapping[str, Any]) -> Model:
    """Return an entry of GET /models; a version that is not ready has only its name, state and reason."""
    return Model(
        name=entry["name"],
        version=entry["version"],
        state=entry["state"],
        is_default=entry.get("default", False),
        classes=tuple(entry.get("classes", ())),
        features=tuple(feature["name"] for feature in entry.get("features", ())),
        description=entry,
    )
