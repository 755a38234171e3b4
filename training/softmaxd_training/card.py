"""Writes the model cards: the contents of a manifest, as Markdown for people.

Their texts are in `templates` and `demonstrations`.
"""

import re
from collections.abc import Mapping
from statistics import median
from textwrap import fill

from softmaxd.models.calibration import Calibration, Evaluation
from softmaxd.models.features import Feature
from softmaxd.models.manifest import Manifest, Provenance
from softmaxd_training import coverage, demonstrations, shares, strange, templates
from softmaxd_training.calibration import BINS, COLDEST, COVERAGES, HOTTEST, effect_of
from softmaxd_training.chance import FEW, share_by_chance
from softmaxd_training.shares import MOST_LABELS, with_interval

EPOCHS = 120  # of the blobs, by default; `demonstrations.MORE_EPOCHS` gives the reason
ARTICLE_LOSS = 0.002027  # on the test rows, from a single run
LINE = 118
MOST_FEATURES = 40  # with their ranges; the manifest has all
MOST_MISTAKES = 20
WORDS = {"BYTES": "text", "BOOL": "true or false"}


def of_blobs(manifest: Manifest, *, epochs: int, far: tuple[float, float]) -> str:
    """Return the card of the blobs' model; `far` is the highest probability and the typicality at (15, 200)."""
    provenance, metrics = _known(manifest)[0], manifest.metrics
    losses = [run.test_loss for run in provenance.seeds]
    return demonstrations.BLOBS.format(
        **metrics,
        **_sections(manifest),
        **_expected(metrics, provenance, epochs),
        epochs=epochs,
        validation_rows=provenance.rows["validation"],
        seed=provenance.seed,
        runs=len(losses),
        spread=_spread(manifest, provenance),
        lowest=min(losses),
        highest=max(losses),
        middle=median(losses),
        far=far,
    )


def _expected(metrics: Mapping[str, float], provenance: Provenance, epochs: int) -> dict[str, str]:
    """Return the texts and cells about the rows of the blobs that were drawn anew, by their names in the template."""
    rows, share = int(metrics["fresh_rows"]), metrics["fresh_known_sets"]
    article = demonstrations.ARTICLE.format(**metrics, article_loss=ARTICLE_LOSS, sets=share)
    more = demonstrations.MORE_EPOCHS if epochs == EPOCHS else ""
    coverages = {coverage: metrics[f"fresh_coverage_{100 * coverage:.0f}"] for coverage in COVERAGES}
    return {
        "origin_of_rows": filled(demonstrations.ORIGIN_OF_ROWS.format(**provenance.rows)),
        "fresh": filled(demonstrations.FRESH.format(rows=rows)),
        "loss_range": f"{metrics['fresh_loss_low']:.6f} to {metrics['fresh_loss_high']:.6f}",
        "error_range": f"{metrics['fresh_error_low']:.4%} to {metrics['fresh_error_high']:.4%}",
        "coverages": "\n".join(
            f"| {each:.0%} | {with_interval(found, rows, 2)} |" for each, found in coverages.items()
        ),
        "article": "\n\n".join(filled(text) for text in (article, more) if text),
    }


def of_digits(manifest: Manifest, *, epochs: int) -> str:
    """Return the card of the digits' model."""
    provenance = _known(manifest)[0]
    return demonstrations.DIGITS.format(
        **manifest.metrics,
        **_sections(manifest),
        epochs=epochs,
        validation_rows=provenance.rows["validation"],
        seed=provenance.seed,
        runs=len(provenance.seeds),
        spread=_spread(manifest, provenance),
    )


def _spread(manifest: Manifest, provenance: Provenance) -> str:
    """Return the results of every seed as rows of a table."""
    rows = int(manifest.metrics["test_rows"])
    return "\n".join(
        f"| {run.seed} | {run.validation_loss:.6f} | {run.test_loss:.6f} | {with_interval(run.test_accuracy, rows)} |"
        for run in provenance.seeds
    )


def plain(text: str) -> str:
    """Return a name with its Markdown characters escaped, on one line: it can stand in a cell of a table."""
    return re.sub(r"([\\`*{}\[\]<>#|~&]|\b_|_\b)", r"\\\1", re.sub(r"\s+", " ", text))


def code(text: str) -> str:
    """Return a name that can stand between backticks."""
    return re.sub(r"[\s`]+", " ", text)


def filled(text: str) -> str:
    """Return a paragraph with lines of even length."""
    return fill(" ".join(text.split()), LINE, break_long_words=False, break_on_hyphens=False)


def _known(manifest: Manifest) -> tuple[Provenance, Calibration, Evaluation]:
    """Return the parts of a manifest that every model has that is trained here."""
    assert manifest.provenance is not None
    assert manifest.calibration is not None
    assert manifest.evaluation is not None
    return manifest.provenance, manifest.calibration, manifest.evaluation


def _sections(manifest: Manifest) -> dict[str, object]:
    """Return the values and sections that both cards have, by their names in the templates."""
    provenance, calibration, evaluation = _known(manifest)
    return {
        **of_any(manifest, calibration, evaluation),
        "classes": len(manifest.labels),
        "rows": ", ".join(f"{count:,} {part}" for part, count in provenance.rows.items()),
        "figures": figures(manifest, templates.OF_TRAINED),
        "calibration": _calibration(calibration, evaluation, provenance.rows),
        "typicality": templates.TYPICALITY.format(text=typicality_text(manifest, calibration, evaluation)),
        "origin": origin(manifest, provenance, "Keras"),
    }


def figures(manifest: Manifest, uses: str) -> str:
    """Return the section of the figures with their intervals; the test rows had none of these `uses`."""
    metrics = manifest.metrics
    rows = int(metrics["test_rows"])
    low, high = share_by_chance(round(metrics["test_accuracy"] * rows), rows)
    return templates.FIGURES.format(
        **metrics,
        measured=filled(templates.MEASURED.format(test_rows=rows, uses=uses)),
        intervals=filled(templates.INTERVALS.format(few=FEW)),
        accuracy=f"{low:.2%} to {high:.2%}",
        loss=_interval(manifest, "test_loss"),
        brier=_interval(manifest, "test_brier"),
        chance=_interval(manifest, "test_ece_chance"),
        bins=BINS,
    )


def _interval(manifest: Manifest, name: str) -> str:
    metrics = manifest.metrics
    if f"{name}_low" not in metrics:
        return templates.NOT_ESTIMABLE.format(rows=metrics["test_rows"])
    return f"{metrics[f'{name}_low']:.4g} to {metrics[f'{name}_high']:.4g}"


def of_any(manifest: Manifest, calibration: Calibration, evaluation: Evaluation) -> dict[str, object]:
    """Return the values and sections that every card has, by their names in the templates."""
    labels = [plain(label) for label in manifest.labels]
    return {
        "name": manifest.name,
        "version": manifest.version,
        "width": ", ".join(map(str, manifest.layout.shape)),
        "features": _features(manifest.features),
        "outputs": templates.OUTPUTS.format(
            classes=len(labels), labels=", ".join(labels), nearest=strange.nearest_of(manifest.metrics)
        ),
        "confusion": f"{_confusion(evaluation, labels)}\n\n{shares.by_label(evaluation, labels)}",
        "sets": coverage.section(calibration, evaluation, labels),
        "limits": _limits(manifest, calibration),
    }


def _features(columns: tuple[Feature, ...]) -> str:
    shown = [f"{plain(column.name)} {_values(column)}" for column in columns[:MOST_FEATURES]]
    rest = len(columns) - len(shown)
    return ", ".join(shown) + (f", and {rest} more (see the manifest)" if rest else "")


def _values(feature: Feature) -> str:
    """Return the values that a feature had, in words."""
    missing = " or missing" if feature.nullable else ""
    if feature.min is None or feature.max is None:
        return f"{WORDS.get(feature.datatype or '', 'number')}{missing}"
    return f"{feature.min:.6g} to {feature.max:.6g}{missing}"


def _confusion(evaluation: Evaluation, labels: list[str]) -> str:
    """Return the confusion matrix, or the most frequent mistakes if there are many labels."""
    if len(labels) > MOST_LABELS:  # beyond it only mistakes are listed
        return templates.MISTAKES.format(rows=_mistakes(evaluation, labels))
    rows = [
        f"| {label} | {' | '.join(map(str, counts))} |"
        for label, counts in zip(labels, evaluation.confusion, strict=True)
    ]
    return templates.CONFUSION.format(labels=" | ".join(labels), columns=" ---: |" * len(labels), rows="\n".join(rows))


def _mistakes(evaluation: Evaluation, labels: list[str]) -> str:
    found = [
        (count, labels[true], labels[given])
        for true, counts in enumerate(evaluation.confusion)
        for given, count in enumerate(counts)
        if count and true != given
    ]
    found.sort(key=lambda mistake: -mistake[0])
    return "\n".join(f"| {true} | {given} | {count} |" for count, true, given in found[:MOST_MISTAKES])


def _calibration(calibration: Calibration, evaluation: Evaluation, rows: Mapping[str, int]) -> str:
    part = "temperature" if "temperature" in rows else "calibration"
    text = temperature_text(calibration.temperature, rows[part], templates.IN_THE_WEIGHTS, part)
    sizes = sorted({part.rows for part in evaluation.reliability})
    return templates.CALIBRATION.format(
        temperature=filled(text),
        diagram=filled(templates.DIAGRAM.format(sizes=" or ".join(map(str, sizes)))),
    )


def temperature_text(temperature: float, rows: int, place: str, part: str = "calibration") -> str:
    """Return where the temperature is from, and its effect; `rows` of the `part` gave it, and it is in this `place`."""
    if temperature == 1:
        return templates.TEMPERATURE_OF_ONE.format(rows=rows, part=part)
    effect = effect_of(temperature)
    text = templates.TEMPERATURE.format(temperature=temperature, effect=effect, rows=rows, place=place, part=part)
    if COLDEST * 1.001 < temperature < HOTTEST * 0.999:
        return text
    return text + templates.TEMPERATURE_AT_AN_END.format(coldest=COLDEST, hottest=HOTTEST)


def typicality_text(manifest: Manifest, calibration: Calibration, evaluation: Evaluation) -> str:
    """Return how the typicality of the test rows is spread, and how it tells strange rows from them."""
    ranks, rows = calibration.rows + 1, sum(evaluation.typicality)
    spread = templates.SPREAD_OF_TYPICALITY.format(
        lowest=evaluation.typicality[0],
        rows=rows,
        share=with_interval(evaluation.typicality[0] / rows, rows),
        ranks=ranks,
        least=1 / ranks,
    )
    return filled(spread) + strange.section(manifest)


def _limits(manifest: Manifest, calibration: Calibration) -> str:
    rows = int(manifest.metrics["test_rows"])
    lines = [templates.LIMIT]
    if manifest.metrics["test_accuracy"] == 1:
        lines.append(templates.NO_MISTAKE.format(rows=rows, rate=1 - share_by_chance(rows, rows)[0]))
    if calibration.most_coverage < max(COVERAGES):
        lines.append(templates.FEW_ROWS.format(rows=calibration.rows))
    return "\n".join(lines)


def origin(manifest: Manifest, provenance: Provenance, program: str) -> str:
    """Return the section of the origin; `program` is the one that the graph was compared with."""
    return templates.ORIGIN.format(
        command=provenance.command,
        created=provenance.created,
        data_seed=provenance.data_seed,
        data_sha256=provenance.data_sha256,
        sha256=manifest.sha256,
        program=program,
        difference=manifest.metrics["max_drift"],
        packages=", ".join(f"{name} {number}" for name, number in provenance.packages.items()),
    )
