"""Writes the card of a table's model."""

from collections.abc import Iterator, Sequence

from softmaxd.models.calibration import Calibration, Evaluation
from softmaxd.models.manifest import Manifest, Provenance
from softmaxd_training import strange, templates
from softmaxd_training.calibrated_card import inputs_of
from softmaxd_training.calibration import effect_of
from softmaxd_training.card import code, figures, filled, of_any, origin, plain, temperature_text, typicality_text
from softmaxd_training.frames.frame import Frame
from softmaxd_training.tables.choice import Candidate
from softmaxd_training.tables.folds import FOLDS

MOST_COLUMNS = 100  # of the file, with a line each

CARD = """\
# {name}, version {version}

Predicts the `{target}` of a row from {count} of the columns of the table `{file}`. It is the best of several models
that were fitted to the table, and it is calibrated.

| | |
| --- | --- |
| {inputs}; in the training rows {features} |
{outputs}
| Model | {chosen} |
| Rows | {rows}; drawn at random, with about the same share of every label in each part |

{figures}

Always answering with the share of each label in the training rows would have a loss of {shares_loss:.4g}.

{confusion}

## Candidates

{choice}

| model | out-of-fold loss, nats | |
| --- | ---: | --- |
{candidates}
{notes}
## Columns

| column | use | |
| --- | --- | --- |
{columns}
{missing}
## Calibration

{temperature}

![How often the model is right, by how sure it is](reliability.png)

{diagram}

{sets}

{guarantee}

## Typicality

![Test rows by typicality](typicality.png)

{typicality}

## Limits

- These figures come from one table and one split. Another seed gives other figures, above all if the test rows are few.
- A probability tells which label fits best, not whether any label fits. Far away from all training rows it may still be
  close to 1, so look at the typicality, too.
{limits}

{origin}
"""

MODELS = {
    "networks": "eight networks (Dense 64 relu, Dense 64 relu, Dense {classes}) and the mean of their logits",
    "trees": "boosted trees (scikit-learn's HistGradientBoosting)",
    "linear": "a linear model (softmax regression)",
}
USES = "training, for choosing the model or for calibration"

CHOICE = """
The training rows were dealt into {folds} parts, and every model was fitted without some of them in turn, so that each
row got an answer by models that had not seen it: out of fold. The candidate with the lowest loss of these answers is
the model. A mean has a share of each model's logits. Each loss is that after the best temperature."""

OUT_OF_FOLD = """
The logits are divided by the temperature {temperature:.4f}, which {effect}. It has the lowest loss of the out-of-fold
answers for the {rows:,} training rows, slightly drawn towards 1. It is part of the graph, and every program that runs
the file gets calibrated probabilities."""

NO_GUARANTEE = """
The table is too small for calibration rows of its own. The scores and atypicalities of the calibration are the
out-of-fold ones of the training rows. The model itself has seen all of these, so it is mostly a little better than its
scores say, and its sets are a little too large. This has no exact guarantee for so few rows: the measured coverage is
the evidence."""
GUARANTEE = """
The calibration rows were used for nothing but the temperature and these scores. Any {calibration:,} and any {test:,}
such rows are as likely as these, so the coverage is guaranteed on average, with the ranges above."""


NEAREST_ROWS = """
The atypicality of a row is its distance to the nearest of {points:,.0f} training rows. Parts of the training rows that
were held back showed that this notices strange rows better than the distance to the nearest class mean. The graph has
these training rows, so whoever may read the file can see them."""
CLASS_MEANS = """
The atypicality of a row is its distance to the nearest class mean."""
NOT_TAKEN = """
The distance to the nearest training rows is taken only where it notices strange rows clearly better, in parts of the
training rows that are held back, and never with `--no-sample`, as the graph then has such rows."""


def card_of(manifest: Manifest, frame: Frame, chosen: Candidate, *, file: str) -> str:
    """Return the card of a table's model: `chosen` among the candidates, and fitted to the columns of a frame."""
    provenance, calibration, evaluation = manifest.provenance, manifest.calibration, manifest.evaluation
    assert provenance is not None
    assert calibration is not None
    assert evaluation is not None
    (target,) = [column.name for column in frame.columns if column.kind == "target"]
    sizes = sorted({part.rows for part in evaluation.reliability})
    return CARD.format(
        **of_any(manifest, calibration, evaluation),
        target=code(target),
        file=code(file),
        count=len(manifest.features),
        inputs=inputs_of(manifest),
        chosen=_model(chosen, len(manifest.labels)),
        rows=", ".join(f"{count:,} {part}" for part, count in provenance.rows.items()),
        figures=figures(manifest, USES),
        shares_loss=manifest.metrics["shares_loss"],
        choice=filled(CHOICE.format(folds=FOLDS)),
        candidates="\n".join(_candidates(provenance, chosen)),
        notes="".join(f"\n- {plain(note)}" for note in manifest.notes) + ("\n" if manifest.notes else ""),
        columns="\n".join(_columns(frame)),
        missing=_missing(manifest.missing_words),
        temperature=filled(_temperature(manifest, provenance)),
        diagram=filled(templates.DIAGRAM.format(sizes=" or ".join(map(str, sizes)))),
        guarantee=filled(_guarantee(provenance)),
        typicality=_typicality(manifest, calibration, evaluation),
        origin=origin(manifest, provenance, "Python"),
    )


def _model(chosen: Candidate, classes: int) -> str:
    parts = [MODELS[name].format(classes=classes) for name in chosen.weights]
    return parts[0] if len(parts) == 1 else f"a mean of {len(parts)}: {'; '.join(parts)}"


def _candidates(provenance: Provenance, chosen: Candidate) -> Iterator[str]:
    for name, loss in provenance.candidates.items():
        yield f"| {name} | {loss:.4g} | {'chosen' if name == chosen.name else ''} |"


def _columns(frame: Frame) -> Iterator[str]:
    for column in frame.columns[:MOST_COLUMNS]:
        yield f"| {plain(column.name)} | {column.kind} | {plain(column.line)} |"
    if (rest := len(frame.columns) - MOST_COLUMNS) > 0:
        yield f"| and {rest:,} more | | |"


def _missing(words: Sequence[str]) -> str:
    """Return a line with the words of a file for a missing value, beside the usual ones; nothing without any."""
    names = ", ".join(f"`{code(word)}`" for word in words)
    return f"\nIn a file, these stand for a missing value, too: {names}.\n" if words else ""


def _temperature(manifest: Manifest, provenance: Provenance) -> str:
    assert manifest.calibration is not None
    temperature, rows = manifest.calibration.temperature, manifest.calibration.rows
    if "calibration" in provenance.rows:
        return temperature_text(temperature, rows, templates.IN_THE_GRAPH)
    return OUT_OF_FOLD.format(temperature=temperature, effect=effect_of(temperature), rows=rows)


def _typicality(manifest: Manifest, calibration: Calibration, evaluation: Evaluation) -> str:
    """Return the text of any card, after the choice between two distances if there was one."""
    text, points = typicality_text(manifest, calibration, evaluation), manifest.metrics.get(strange.POINTS)
    if points is None:
        return text
    was_choice = any(name.startswith(strange.OTHER) for name in manifest.metrics)
    choice = NEAREST_ROWS.format(points=points) if points else CLASS_MEANS + (NOT_TAKEN if was_choice else "")
    return f"{filled(choice)}\n\n{text}"


def _guarantee(provenance: Provenance) -> str:
    return (GUARANTEE if "calibration" in provenance.rows else NO_GUARANTEE).format(**provenance.rows)
