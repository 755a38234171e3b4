"""The model cards: what a manifest says, told to people. The parts that all models have stand below the two cards."""

import re
from statistics import median
from textwrap import fill

from softmaxd.models.manifest import Calibration, Covered, Evaluation, Feature, Manifest, Provenance
from softmaxd_training.calibration import BINS, COLDEST, COVERAGES, HOTTEST, coverage_by_chance
from softmaxd_training.templates import BLOBS, LIMIT, MISSED, MORE_EPOCHS, REACHED, TABLE

EPOCHS = 240  # of the blobs, by default; MORE_EPOCHS says why
ARTICLE_LOSS = 0.002027  # one run of 30 epochs, 250 test rows
LINE = 118
MOST_FEATURES = 40  # that are shown with their ranges
MOST_CLASSES = 12  # of a confusion matrix that is shown whole
MOST_MISTAKES = 20


def of_table(manifest: Manifest, *, file: str, target: str, epochs: int, kept: int) -> str:
    """Return the card as Markdown; `kept` is the epoch whose weights the model has."""
    provenance = _known(manifest)[0]
    return TABLE.format(
        **manifest.metrics,
        **_parts(manifest),
        file=code(file),
        target=code(target),
        epochs=epochs,
        kept=kept,
        beside=filled(
            f"""Whoever knows how frequent each label is in the training rows, and nothing else, has a loss of
            {manifest.metrics["shares_loss"]:.4g}. Of all epochs, epoch {kept} has the lowest loss on the
            {provenance.rows["validation"]:,} validation rows: {manifest.metrics["validation_loss"]:.4g}, before the
            temperature."""
        ),
    )


def of_blobs(manifest: Manifest, *, epochs: int, far: tuple[float, float]) -> str:
    """Return the card as Markdown; `far` is the highest probability, and the typicality, of the point (15, 200)."""
    provenance, calibration = _known(manifest)[:2]
    losses = [run.test_loss for run in provenance.seeds]
    reached = manifest.metrics["test_loss"] <= ARTICLE_LOSS and manifest.metrics["test_accuracy"] == 1
    verdict = REACHED if reached else MISSED
    return BLOBS.format(
        **manifest.metrics,
        **_parts(manifest),
        epochs=epochs,
        calibration_rows=calibration.rows,
        validation_rows=provenance.rows["validation"],
        seed=provenance.seed,
        runs=len(losses),
        article_loss=ARTICLE_LOSS,
        verdict=f"{verdict}\n\n{MORE_EPOCHS}" if epochs == EPOCHS else verdict,
        spread="\n".join(
            f"| {run.seed} | {run.validation_loss:.6f} | {run.test_loss:.6f} | {run.test_accuracy:.1%} |"
            for run in provenance.seeds
        ),
        lowest=min(losses),
        highest=max(losses),
        middle=median(losses),
        far=far,
    )


def _known(manifest: Manifest) -> tuple[Provenance, Calibration, Evaluation]:
    assert manifest.provenance is not None
    assert manifest.calibration is not None
    assert manifest.evaluation is not None
    return manifest.provenance, manifest.calibration, manifest.evaluation


def _parts(manifest: Manifest) -> dict[str, object]:
    """Return what the cards of all models have, by its name in their texts."""
    provenance, calibration, evaluation = _known(manifest)
    return {
        "name": manifest.name,
        "version": manifest.version,
        "width": len(manifest.features),
        "classes": len(manifest.labels),
        "features": features(manifest.features),
        "rows": ", ".join(f"{count:,} {part}" for part, count in provenance.rows.items()),
        "outputs": outputs(manifest),
        "figures": figures(manifest),
        "confusion": confusion(evaluation, manifest.labels),
        "calibration": temperature(calibration, evaluation),
        "sets": prediction_sets(calibration, evaluation),
        "typicality": typicality(calibration, evaluation),
        "limits": limits(manifest, calibration),
        "origin": origin(manifest, provenance),
    }


def features(columns: tuple[Feature, ...]) -> str:
    shown = [f"{plain(column.name)} {column.min:.6g} to {column.max:.6g}" for column in columns[:MOST_FEATURES]]
    rest = len(columns) - len(shown)
    return ", ".join(shown) + (f", and {rest} more, which the manifest has" if rest else "")


def plain(text: str) -> str:
    """Return a name so that it stands for itself in Markdown, a table's cell included."""
    return re.sub(r"([\\`*{}\[\]<>#|~&]|\b_|_\b)", r"\\\1", re.sub(r"\s+", " ", text))


def filled(text: str) -> str:
    """Return a paragraph in lines of about one length."""
    return fill(" ".join(text.split()), LINE, break_long_words=False, break_on_hyphens=False)


def code(text: str) -> str:
    """Return a name as it may stand between backticks."""
    return re.sub(r"[\s`]+", " ", text)


def outputs(manifest: Manifest) -> str:
    labels = ", ".join(map(plain, manifest.labels))
    return (
        f"| Output | `logits` and `probabilities`, float32 `[n, {len(manifest.labels)}]`: {labels} |\n"
        "| | `atypicality`, float32 `[n]`: squared Mahalanobis distance to the nearest class |"
    )


def figures(manifest: Manifest) -> str:
    metrics = manifest.metrics
    names = {
        "loss": "loss, nats",
        "brier": "Brier score, 0 to 2",
        "ece": f"expected calibration error, {BINS} parts of equal size",
    }
    table = [
        f"| {text} | {metrics[f'test_{name}_before']:.4g} | {metrics[f'test_{name}']:.4g} |"
        for name, text in names.items()
    ]
    return f"""\
On the {metrics["test_rows"]:.0f} test rows, which took no part in training, choice or calibration:

| | before the temperature | this model |
| --- | ---: | ---: |
| accuracy | {metrics["test_accuracy"]:.2%} | {metrics["test_accuracy"]:.2%} |
{chr(10).join(table)}"""


def confusion(evaluation: Evaluation, labels: tuple[str, ...]) -> str:
    """Return which labels are taken for which: all of it, or of many labels the most frequent mistakes."""
    names = [plain(label) for label in labels]
    if len(labels) > MOST_CLASSES:
        return _mistakes(evaluation, names)
    lines = [
        "Test rows by their true label, and by the one that they are given:",
        "",
        f"| true | {' | '.join(names)} |",
        f"| --- |{' ---: |' * len(names)}",
    ]
    for name, counts in zip(names, evaluation.confusion, strict=True):
        lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def _mistakes(evaluation: Evaluation, names: list[str]) -> str:
    found = [
        (count, names[true], names[given])
        for true, counts in enumerate(evaluation.confusion)
        for given, count in enumerate(counts)
        if count and true != given
    ]
    found.sort(key=lambda mistake: -mistake[0])
    lines = [f"| {true} | {given} | {count} |" for count, true, given in found[:MOST_MISTAKES]]
    return "\n".join(["The most frequent mistakes:", "", "| true | given | rows |", "| --- | --- | ---: |", *lines])


def temperature(calibration: Calibration, evaluation: Evaluation) -> str:
    sizes = sorted({part.rows for part in evaluation.reliability})
    text = f"""Each point is a part of the test rows, {" or ".join(map(str, sizes))} of them, which the model is about
        equally sure of; the lines are 95% confidence intervals. On the diagonal it is right as often as it is sure."""
    return f"""\
## Calibration

{filled(_temperature(calibration))}

![How often rows are labelled right, by how sure the model is](reliability.png)

{filled(text)}"""


def _temperature(calibration: Calibration) -> str:
    rows = f"{calibration.rows:,} calibration rows"
    if calibration.temperature == 1:
        return f"""The temperature is 1: the network is as it was trained. On the {rows} the loss has no minimum.
            When every row is labelled right, the surer the better, and nothing tells how sure is too sure."""
    words = "less sure" if calibration.temperature > 1 else "surer"
    at_an_end = not COLDEST * 1.001 < calibration.temperature < HOTTEST * 0.999
    return f"""The logits are divided by the temperature {calibration.temperature:.4f}, which makes every answer
        {words}. It is the one with the least loss on the {rows}. It is folded into the weights and the bias of the last
        layer, so it takes no time, and any program that runs the file gets calibrated probabilities.
        {f"It is at the end of what is tried, {COLDEST} to {HOTTEST:.0f}: do not rely on it." if at_an_end else ""}"""


def prediction_sets(calibration: Calibration, evaluation: Evaluation) -> str:
    rows = sum(evaluation.typicality)
    return f"""\
## Prediction sets

Sets of labels that should hold the true one as often as asked for, and how they did on the test rows. When all is well,
95% of measurements with as many rows are in the range:

| coverage | measured | range | labels in a set, mean |
| ---: | ---: | ---: | ---: |
{chr(10).join(_covered(row, calibration.rows, rows) for row in evaluation.prediction_sets)}

With {calibration.rows:,} calibration rows a coverage above {calibration.most_coverage:.3%} gives all labels."""


def _covered(row: Covered, calibration_rows: int, test_rows: int) -> str:
    low, high = coverage_by_chance(calibration_rows, test_rows, row.coverage)
    return f"| {row.coverage:.0%} | {row.measured:.1%} | {low:.1%} to {high:.1%} | {row.labels:.2f} |"


def typicality(calibration: Calibration, evaluation: Evaluation) -> str:
    rows = calibration.rows + 1
    text = f"""The test rows are like the calibration rows, so their typicality should be spread evenly. In the lowest
        tenth there are {evaluation.typicality[0]} of {sum(evaluation.typicality)}. A row from elsewhere has a low one,
        but never below 1/{rows:,}, which is {1 / rows:.4f}."""
    return f"""\
## Typicality

![Test rows by typicality](typicality.png)

{filled(text)}"""


def limits(manifest: Manifest, calibration: Calibration) -> str:
    rows, accuracy = manifest.metrics["test_rows"], manifest.metrics["test_accuracy"]
    lines = [LIMIT]
    if accuracy == 1:
        lines.append(f"- No mistake on {rows:.0f} rows still allows an error rate of {3 / rows:.1%} (95% confidence).")
    if calibration.most_coverage < max(COVERAGES):
        lines.append(
            f"- {calibration.rows} calibration rows are few: the next {calibration.rows} may give other figures."
        )
    return "\n".join(lines)


def origin(manifest: Manifest, provenance: Provenance) -> str:
    drift = manifest.metrics["max_drift"]
    packages = ", ".join(f"{name} {number}" for name, number in provenance.packages.items())
    return f"""\
## Origin

- `{provenance.command}`, {provenance.created}
- data: seed {provenance.data_seed}, SHA-256 `{provenance.data_sha256}`
- `model.onnx`: SHA-256 `{manifest.sha256}`
- largest difference between Keras and ONNX Runtime in any probability of the test rows: {drift:.0e}
- {packages}"""
