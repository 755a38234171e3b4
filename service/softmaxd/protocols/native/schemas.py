"""The bodies of the native interface."""

from typing import Annotated, Literal, NotRequired

from pydantic import BaseModel, Field, FiniteFloat, StrictInt, Tag, TypeAdapter, with_config
from typing_extensions import TypedDict

from softmaxd.errors import Problem
from softmaxd.models import features
from softmaxd.models.calibration import DEFAULT_COVERAGE_BY, CoverageBy, Evaluation
from softmaxd.models.features import Datatype
from softmaxd.models.manifest import Provenance
from softmaxd.models.row_schema import FeatureType
from softmaxd.models.schemas import (
    DEPTHS,
    FAIL_FAST,
    NOT_EMPTY,
    Instances,
    TableRows,
    VectorOrMatrix,
    allow_tables,
    rows_or_records,
    with_fields,
)
from softmaxd.models.versions import State
from softmaxd.numerics.trust import DEFAULT_COVERAGE
from softmaxd.protocols.protocol import FORBID_UNKNOWN_FIELDS

SoftmaxInclude = Literal["log_probabilities", "loss", "entropy", "sigmoid"]
PredictInclude = Literal["logits", "log_probabilities", "prediction_sets", "typicality"]
NEED_CALIBRATION = {"prediction_sets", "typicality"}
Index = Annotated[StrictInt, Field(ge=0)]


@with_config(FORBID_UNKNOWN_FIELDS)
class SoftmaxRequest(TypedDict):
    """Raw logits, for their softmax."""

    logits: Annotated[
        VectorOrMatrix,
        Field(description="A vector of numbers, or a matrix with rows of the same length. Finite float64 numbers."),
    ]
    temperature: NotRequired[
        Annotated[FiniteFloat, Field(gt=0, description="The answer is softmax(logits / temperature). Default 1.")]
    ]
    targets: NotRequired[
        Annotated[
            Annotated[Index, Tag("index")] | Annotated[list[Index], NOT_EMPTY, Tag("indices")],
            Field(
                union_mode="left_to_right",
                description="The true class: an index for a vector, a list of indices for a matrix. Needed for `loss`.",
            ),
        ]
    ]
    include: NotRequired[
        Annotated[
            list[SoftmaxInclude],
            FAIL_FAST,
            Field(
                description="More fields of the answer: `log_probabilities`; `loss` (−log p of the target, in nats, "
                "per row); `entropy` (in nats, per row); `sigmoid` (of each logit, for comparison)."
            ),
        ]
    ]


@with_config(FORBID_UNKNOWN_FIELDS)
class PredictRequest(TypedDict):
    """Rows of features, for their classes."""

    instances: Annotated[
        Instances,
        Field(
            description="Rows: lists of numbers in the model's feature order, or objects by feature name; one form per "
            "request. A feature with a `shape` is a tensor: nested lists. Finite numbers that fit the model's "
            "`datatype`; a feature with a `datatype` of its own is a number, a text or a boolean, and one that is "
            "`nullable` may be null, or absent in an object.",
            json_schema_extra=allow_tables,
        ),
    ]
    include: NotRequired[
        Annotated[
            list[PredictInclude],
            FAIL_FAST,
            Field(
                description="More fields of the answer: `logits`; `log_probabilities` (in nats); `prediction_sets` and "
                "`typicality` if the model has calibration data."
            ),
        ]
    ]
    coverage: NotRequired[
        Annotated[
            FiniteFloat,
            Field(
                gt=0,
                lt=1,
                description="The smallest share of rows whose prediction set has the true label. "
                f"Default {DEFAULT_COVERAGE}.",
            ),
        ]
    ]
    coverage_by: NotRequired[
        Annotated[
            CoverageBy,
            Field(
                description="`class` holds the `coverage` among the rows of each true label, if the model has "
                "calibration scores by label; `marginal` holds it on average over all rows. "
                f"Default `{DEFAULT_COVERAGE_BY}`.",
            ),
        ]
    ]
    top_k: NotRequired[
        Annotated[
            StrictInt,
            Field(
                ge=1,
                description="Answer with this many `top` labels instead of all `probabilities`; at most the number of "
                "classes.",
            ),
        ]
    ]


SOFTMAX_REQUEST = TypeAdapter(SoftmaxRequest)
PREDICT_REQUEST = TypeAdapter(PredictRequest)
PREDICT_REQUESTS = (  # by the dimensions of a row that is a tensor
    PREDICT_REQUEST,
    *(TypeAdapter(with_fields(PredictRequest, {"instances": rows_or_records(depth)})) for depth in DEPTHS),
)
PREDICT_TABLE = TypeAdapter(with_fields(PredictRequest, {"instances": TableRows}))


Share = Annotated[float, Field(ge=0, le=1)]
Logarithm = Annotated[float, Field(le=0)]
Nats = Annotated[float, Field(ge=0)]

LIKE_LOGITS = Field(description="In the shape of `logits`.")
PER_ROW = Field(description="One number for a vector, one per row for a matrix, in nats.")
FloatRows = Annotated[list[list[float]], Field(description="One row per instance, one float32 number per class.")]


class SoftmaxReply(TypedDict):
    """The softmax of the logits."""

    probabilities: Annotated[list[Share] | list[list[Share]], LIKE_LOGITS]
    log_probabilities: NotRequired[Annotated[list[Logarithm] | list[list[Logarithm]], LIKE_LOGITS]]
    loss: NotRequired[Annotated[Nats | list[Nats], PER_ROW]]
    entropy: NotRequired[Annotated[Nats | list[Nats], PER_ROW]]
    sigmoid: NotRequired[Annotated[list[Share] | list[list[Share]], LIKE_LOGITS]]


class Ranked(TypedDict):
    """A label with its probability."""

    label: str
    probability: float


class PredictReply(TypedDict):
    """The predictions by column: item i of each list belongs to instance i."""

    model: str
    version: str
    labels: Annotated[list[str], Field(description="The most probable class; in a tie, the first in the class order.")]
    probabilities: NotRequired[FloatRows]
    top: NotRequired[Annotated[list[list[Ranked]], Field(description="With `top_k`; the most probable label first.")]]
    logits: NotRequired[FloatRows]
    log_probabilities: NotRequired[FloatRows]
    prediction_sets: NotRequired[
        Annotated[
            list[list[str]],
            Field(description="The smallest sets of labels with this `coverage`; the most probable label first."),
        ]
    ]
    not_guaranteed: NotRequired[
        Annotated[
            list[str],
            Field(
                description="With `coverage_by` `class`: the labels with too few calibration rows for this `coverage`, "
                "fewer than ⌈1/(1 − coverage)⌉ − 1. They take the threshold of all rows, and the coverage of their "
                "rows is not guaranteed."
            ),
        ]
    ]
    typicality: NotRequired[
        Annotated[
            list[Annotated[float, Field(gt=0, le=1)]],
            Field(description="The share of calibration rows that are at least as unlike the training rows."),
        ]
    ]
    unknown: NotRequired[
        Annotated[
            list[list[str]],
            Field(
                description="For each row the features whose text is none of the `categories` that the model knows. "
                "Absent if no row has one."
            ),
        ]
    ]


class CalibrationInfo(TypedDict):
    """The calibration data of a model."""

    rows: Annotated[int, Field(gt=0, description="Rows that took no part in training.")]
    temperature: Annotated[float, Field(gt=0, description="The last calibration divided the logits by it.")]
    most_coverage: Annotated[float, Field(gt=0, lt=1, description="Above it, a prediction set has all labels.")]
    rows_by_label: Annotated[
        list[int] | None,
        Field(description="In the order of `classes`; null if the model gives no coverage by class."),
    ]


class Feature(features.Feature):
    """A value of each row, or a tensor of numbers, with the range that it had in the training rows."""

    type: Annotated[FeatureType, Field(description="The type of its values in JSON; `array` for a tensor.")]


class ModelInfo(BaseModel):
    """One version of a model: its state and its manifest. Only a version with a loaded model has a manifest here."""

    name: str
    version: str
    default: Annotated[bool, Field(description="True for the version that answers `POST /predict`.")]
    pinned: Annotated[
        bool, Field(description="True for the version that answers for its model's name instead of the highest one.")
    ]
    state: State
    reason: Annotated[
        str, Field(description="Why the version is not ready, or why its newer file is not served; else empty.")
    ]
    share: Annotated[float, Field(description="Its share of the requests to its model that name no version: 0 to 1.")]
    shadow: Annotated[bool, Field(description="True if it runs their rows, too, without answering.")]
    provider: Annotated[str | None, Field(description="The execution provider of ONNX Runtime.")] = None
    classes: Annotated[list[str], Field(description="All labels, in the order of the probabilities.")] = []
    features: Annotated[list[Feature], Field(description="In order, with their ranges in the training rows.")] = []
    datatype: Annotated[Datatype | None, Field(description="The type of the features, with its name in `/v2`.")] = None
    metrics: Annotated[dict[str, float], Field(description="Measured on the test rows; losses in nats.")] = {}
    sha256: Annotated[
        str | None, Field(pattern=r"^[0-9a-f]{64}$", description="The digest of the ONNX file, in hexadecimal.")
    ] = None
    provenance: Provenance | None = None
    calibration: Annotated[
        CalibrationInfo | None, Field(description="Null if the model gives no prediction sets and no typicality.")
    ] = None
    evaluation: Annotated[Evaluation | None, Field(description="Tables of the test rows.")] = None
    notes: Annotated[list[str], Field(description="Findings and changes of `softmaxd models add`.")] = []
    missing_words: Annotated[
        list[str], Field(description="Texts of a file that stand for a missing value, beside the usual ones.")
    ] = []


class ModelList(BaseModel):
    """All versions of all models."""

    models: list[ModelInfo]
    problems: Annotated[
        list[str],
        Field(
            description="A sentence for each folder that cannot be read now, whose versions stay in service, and for "
            "each version that a pin or a route names in vain."
        ),
    ]


class Status(BaseModel):
    """The state of the process."""

    status: Literal["alive", "ready"]


class About(Status):
    """Name and version of the service."""

    name: str
    version: str
    docs: Annotated[str, Field(description="The path of the interactive documentation.")]


class Error(BaseModel):
    """An error, in one sentence."""

    detail: str


class BodyError(BaseModel):
    """The problems of a body."""

    detail: list[Problem]
