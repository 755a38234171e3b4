"""The bodies of the native interface."""

from typing import Annotated, Literal, NotRequired

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictInt,
    Tag,
    TypeAdapter,
    with_config,
)
from typing_extensions import TypedDict

from softmaxd.errors import (
    Problem,
)
from softmaxd.models.inputs import FAIL_FAST, Instances, VectorOrMatrix
from softmaxd.models.manifest import Datatype, Evaluation, Feature, Provenance
from softmaxd.numerics.trust import (
    DEFAULT_COVERAGE,
)

STRICT = ConfigDict(strict=True, extra="forbid")

SoftmaxInclude = Literal["log_probabilities", "loss", "entropy", "sigmoid"]
PredictInclude = Literal["logits", "log_probabilities", "prediction_sets", "typicality"]
NEED_CALIBRATION = {"prediction_sets", "typicality"}
Index = Annotated[StrictInt, Field(ge=0)]


@with_config(STRICT)
class SoftmaxRequest(TypedDict):
    """Raw logits, whose softmax is wanted."""

    logits: Annotated[
        VectorOrMatrix,
        Field(description="A vector of at least 1 number, or a matrix: rows of the same length. Finite float64."),
    ]
    temperature: NotRequired[
        Annotated[FiniteFloat, Field(gt=0, description="The answer is softmax(logits / temperature). Default 1.")]
    ]
    targets: NotRequired[
        Annotated[
            Annotated[Index, Tag("index")] | Annotated[list[Index], FAIL_FAST, Tag("indices")],
            Field(
                union_mode="left_to_right",
                description="The true class: an index, or one per row of a matrix. Needed for `loss`.",
            ),
        ]
    ]
    include: NotRequired[
        Annotated[
            list[SoftmaxInclude],
            FAIL_FAST,
            Field(
                description="More fields in the answer: `log_probabilities`; `loss` (−log p of the target, in nats, "
                "per row); `entropy` (in nats, per row); `sigmoid` (elementwise, for comparison)."
            ),
        ]
    ]


@with_config(STRICT)
class PredictRequest(TypedDict):
    """Rows of features, whose classes are wanted."""

    instances: Annotated[
        Instances,
        Field(
            description="At least one row: a list of numbers in the model's feature order, or an object by feature "
            "name; one form per request. Finite, and such as the model's `datatype` has: also as float32, or whole."
        ),
    ]
    include: NotRequired[
        Annotated[
            list[PredictInclude],
            FAIL_FAST,
            Field(
                description="More fields in the answer: `logits`; `log_probabilities` (in nats); `prediction_sets` and "
                "`typicality`, of models with calibration data."
            ),
        ]
    ]
    coverage: NotRequired[
        Annotated[
            FiniteFloat,
            Field(
                gt=0,
                lt=1,
                description="The share of rows whose true label is in their prediction set, at least. "
                f"Default {DEFAULT_COVERAGE}.",
            ),
        ]
    ]
    top_k: NotRequired[
        Annotated[
            StrictInt,
            Field(ge=1, description="1 … classes: answer with the `top` labels instead of all `probabilities`."),
        ]
    ]


SOFTMAX_REQUEST = TypeAdapter(SoftmaxRequest)
PREDICT_REQUEST = TypeAdapter(PredictRequest)


Numbers = Annotated[list[float] | list[list[float]], Field(description="Of the shape of `logits`.")]
PerRow = Annotated[float | list[float], Field(description="A number for a vector, one per row for a matrix. Nats.")]
FloatRows = Annotated[list[list[float]], Field(description="One row per instance, one float32 per class.")]


class SoftmaxReply(TypedDict):
    probabilities: Numbers
    log_probabilities: NotRequired[Numbers]
    loss: NotRequired[PerRow]
    entropy: NotRequired[PerRow]
    sigmoid: NotRequired[Numbers]


class Ranked(TypedDict):
    label: str
    probability: float


class PredictReply(TypedDict):
    """Column-wise: entry i of each list belongs to instance i."""

    model: str
    version: str
    labels: Annotated[list[str], Field(description="The most probable class; ties: the lower class index.")]
    probabilities: NotRequired[FloatRows]
    top: NotRequired[Annotated[list[list[Ranked]], Field(description="With `top_k`: most probable first.")]]
    logits: NotRequired[FloatRows]
    log_probabilities: NotRequired[FloatRows]
    prediction_sets: NotRequired[
        Annotated[
            list[list[str]],
            Field(description="The smallest sets that hold the true label often enough, most probable label first."),
        ]
    ]
    typicality: NotRequired[
        Annotated[
            list[float],
            Field(description="In (0, 1]: the share of calibration rows at least as unlike the training rows."),
        ]
    ]


class CalibrationInfo(TypedDict):
    rows: Annotated[int, Field(description="Which took no part in training.")]
    temperature: Annotated[float, Field(description="By which the graph divides the network's logits.")]
    most_coverage: Annotated[float, Field(description="Above it a prediction set is all labels.")]


class ModelInfo(BaseModel):
    """One version of a model: what it is, and where it comes from. Only a ready one has more than a state."""

    name: str
    version: str
    default: Annotated[bool, Field(description="Whether `POST /predict` asks this one.")]
    state: Literal["ready", "loading", "rejected", "unloaded"]
    reason: Annotated[str, Field(description="Why it is not ready, or why a newer file of it is not; else empty.")]
    provider: Annotated[str | None, Field(description="ONNX Runtime's execution provider.")] = None
    classes: Annotated[list[str], Field(description="All labels, in the order of the probabilities.")] = []
    features: Annotated[list[Feature], Field(description="In order, with the range in the training rows.")] = []
    datatype: Annotated[Datatype | None, Field(description="Of the features, as `/v2` names it.")] = None
    metrics: Annotated[dict[str, float], Field(description="On the test rows; losses in nats.")] = {}
    sha256: Annotated[str | None, Field(description="Of the ONNX file.")] = None
    provenance: Provenance | None = None
    calibration: Annotated[CalibrationInfo | None, Field(description="Null: no prediction sets, no typicality.")] = None
    evaluation: Annotated[Evaluation | None, Field(description="Tables of the test rows.")] = None
    notes: Annotated[list[str], Field(description="What `softmaxd models add` found and changed.")] = []


class ModelList(BaseModel):
    models: list[ModelInfo]


class Status(BaseModel):
    status: str


class About(Status):
    name: str
    version: str
    docs: str


class Refusal(BaseModel):
    detail: str


class BodyRefusal(BaseModel):
    detail: list[Problem]
