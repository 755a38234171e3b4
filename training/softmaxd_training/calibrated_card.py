"""Writes the card of a model that was calibrated later, whoever trained it."""

from collections.abc import Mapping

from softmaxd.models.calibration import Evaluation
from softmaxd.models.features import TABLE_DTYPES, TableDatatype
from softmaxd.models.manifest import Manifest
from softmaxd_training import templates
from softmaxd_training.card import code, figures, filled, of_any, plain, temperature_text, typicality_text
from softmaxd_training.shares import with_interval

CARD = """\
# {name}, version {version}

{introduction}

| | |
| --- | --- |
| {inputs}; in the table {features} |
{outputs}
| Rows | {rows} |

{figures}

{confusion}

## Calibration

{temperature}

The test rows in parts of about equal size, from the least to the most sure. If all is well, the model is right as often
as it is sure; the 95% intervals are in brackets:

| rows | sure, before | right, before | sure | right |
| ---: | ---: | ---: | ---: | ---: |
{reliability}

{sets}

## Typicality

{typicality}

## Limits

- A probability tells which label fits best, not whether any label fits. Far away from all rows of the table it may
  still be close to 1, so look at the typicality, too.
{limits}

## Origin

- `model.onnx`: SHA-256 `{sha256}`
{notes}
"""

INTRODUCTION = """
Calibrated with the table `{file}`, whose column `{target}` has the true labels. All figures hold only if the model was
not trained on the rows of this table."""

SMOOTHED = """
The model gives some labels a probability of exactly 0, and {rows:,} calibration rows cannot confirm less than 1 in
{rows:,}. So {added:.2g} is added to each probability, and the ln of these sums are divided by the temperature
{temperature:.4f}, which has the lowest loss on these rows. Both are part of the graph, and every program that runs the
file gets calibrated probabilities."""


def card_of(manifest: Manifest, *, file: str, target: str, added: float, rows: Mapping[str, int]) -> str:
    """Return the card of a model that was calibrated later; `rows` is the number of rows by part of the table.

    `added` is what was added to each probability before its logits were divided by the temperature.
    """
    calibration, evaluation = manifest.calibration, manifest.evaluation
    assert calibration is not None
    assert evaluation is not None
    return CARD.format(
        **of_any(manifest, calibration, evaluation),
        introduction=filled(INTRODUCTION.format(file=code(file), target=code(target))),
        inputs=inputs_of(manifest),
        rows=", ".join(f"{count:,} for {part}" for part, count in rows.items()),
        figures=figures(manifest, templates.OF_CALIBRATED),
        temperature=filled(_temperature(calibration.temperature, added, calibration.rows)),
        reliability=_reliability(evaluation),
        typicality=typicality_text(manifest, calibration, evaluation),
        sha256=manifest.sha256,
        notes="\n".join(f"- {plain(note)}" for note in manifest.notes),
    )


def inputs_of(manifest: Manifest) -> str:
    """Return the inputs of the graph with their types and shapes, as the begin of a row."""
    inputs = [
        f"`{code(each.name)}`, {_kind(each.datatype)} `[n, {', '.join(map(str, each.shape))}]`"
        for each in manifest.inputs
    ]
    return f"Input{'s' if len(inputs) > 1 else ''} | {'; '.join(inputs)}"


def _kind(datatype: TableDatatype) -> str:
    return "text" if datatype == "BYTES" else TABLE_DTYPES[datatype].name


def _temperature(temperature: float, added: float, rows: int) -> str:
    if added:
        return SMOOTHED.format(added=added, temperature=temperature, rows=rows)
    return temperature_text(temperature, rows, templates.IN_THE_GRAPH)


def _reliability(evaluation: Evaluation) -> str:
    return "\n".join(
        f"| {after.rows} | {before.confidence:.1%} | {with_interval(before.accuracy, before.rows)}"
        f" | {after.confidence:.1%} | {with_interval(after.accuracy, after.rows)} |"
        for before, after in zip(evaluation.reliability_before, evaluation.reliability, strict=True)
    )
