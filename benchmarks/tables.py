"""Compares `fit` of tables with scikit-learn's classifiers on the same rows: `python -m benchmarks.tables`.

Ten tables, each split five times by a seed: four fifths of the rows for fitting, one fifth for the loss, with the same
share of every class. All contenders have one thread, and their processor time is that of fitting. Each split is kept
in build/tables, so that an interrupted run goes on; `--again` measures anew. Writes results/t1.json, and README.md.

Contenders have the options that their documentation or a short search advises: numbers are standardised and texts are
one-hot for the linear model and the network, with flags for missing values; boosting reads texts as categories.
"""

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks import report
from benchmarks.contenders import FOLDER
from benchmarks.processes import ROOT
from benchmarks.results import Figure, Measurement, Outcome, to_json
from benchmarks.tabledata import TABLES, Table
from softmaxd.numerics.softmax import Floats, Softmax
from softmaxd_training.tables.fitting import fit

KEY, WORK = "T1", "the loss of tables' classifiers on rows that they have not seen, in nats"
OURS = "softmaxd"
SEEDS = range(5)
KEPT = ROOT / "build" / "tables"
LEAST = 1e-6  # lower probabilities count as this one: forests answer 0
ALLOWED = 1.03  # times the loss of the best contender
DRAWS = 2_000  # of the bootstrap
MOST_SECONDS = 60

Contender = Callable[[Table, Table, int], tuple[Floats, float]]  # → probabilities of the second's rows, and seconds
Losses = Mapping[str, Floats]  # by contender: the loss of each test row


def _ours(train: Table, test: Table, seed: int) -> tuple[Floats, float]:
    begin = time.process_time()
    fitted = fit(train.numbers, train.texts, train.classes, seed=seed, on_epoch=lambda _: None)
    seconds = time.process_time() - begin
    candidates = ", ".join(f"{each.name} {each.loss:.4f}" for each in fitted.candidates)
    print(f"    {fitted.chosen.name} of {candidates}", flush=True)
    return Softmax(fitted.logits(test.numbers, test.texts)).probabilities, seconds


def _theirs(build: Callable[[Table, int], Any], rows_of: Callable[[Table, Table], Any]) -> Contender:
    """Return a contender that fits an estimator of scikit-learn to rows in its form."""

    def contender(train: Table, test: Table, seed: int) -> tuple[Floats, float]:
        begin = time.process_time()
        estimator = build(train, seed).fit(rows_of(train, train), train.classes)
        seconds = time.process_time() - begin
        return estimator.predict_proba(rows_of(train, test)), seconds

    return contender


def _objects(_train: Table, table: Table) -> Any:
    """Return numbers and texts side by side, as objects; a missing text is a category of its own."""
    return np.concatenate([table.numbers.astype(object), table.texts], axis=1)


def _codes(train: Table, table: Table) -> Any:
    """Return numbers and the codes of texts side by side; missing and unknown ones are NaN."""
    codes = np.full(table.texts.shape, np.nan)
    for column, texts in enumerate(train.texts.T):
        known = {text: code for code, text in enumerate(sorted(set(texts) - {""}))}
        codes[:, column] = [known.get(text, np.nan) for text in table.texts[:, column]]
    return np.hstack([table.numbers, codes])


def _filled(train: Table, table: Table) -> Any:
    return np.nan_to_num(_codes(train, table), nan=-1e6)


def _prepared(train: Table, estimator: Any) -> Any:
    """Return an estimator behind standardised numbers and one-hot texts."""
    numbers = list(range(train.numbers.shape[1]))
    texts = [len(numbers) + place for place in range(train.texts.shape[1])]
    scale = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    encode = OneHotEncoder(handle_unknown="ignore", min_frequency=10)
    return make_pipeline(
        ColumnTransformer([("numbers", scale, numbers), ("texts", encode, texts)], sparse_threshold=0), estimator
    )


def _boosting(train: Table, seed: int, **options: Any) -> Any:
    is_text = np.arange(train.numbers.shape[1] + train.texts.shape[1]) >= train.numbers.shape[1]
    return HistGradientBoostingClassifier(categorical_features=is_text, random_state=seed, **options)


SLOW: dict[str, Any] = {
    "learning_rate": 0.05, "max_iter": 400, "max_leaf_nodes": 15, "l2_regularization": 1, "n_iter_no_change": 20,
    "early_stopping": True,
}  # fmt: skip
CONTENDERS: Mapping[str, Contender] = {
    OURS: _ours,
    "LogisticRegression": _theirs(lambda train, _: _prepared(train, LogisticRegression(max_iter=500)), _objects),
    "MLPClassifier": _theirs(
        lambda train, seed: _prepared(
            train, MLPClassifier((64, 32), early_stopping=True, max_iter=100, random_state=seed)
        ),
        _objects,
    ),
    "RandomForest": _theirs(
        lambda _, seed: RandomForestClassifier(200, min_samples_leaf=2, random_state=seed), _filled
    ),
    "HistGradientBoosting": _theirs(_boosting, _codes),
    "HistGradientBoosting, slow": _theirs(lambda train, seed: _boosting(train, seed, **SLOW), _codes),
}


def measure(name: str, seed: int) -> None:
    """Fit all contenders to one split of a table, and keep the loss of each test row and the seconds."""
    table = TABLES[name]()
    places = np.arange(len(table.classes))
    train, test = train_test_split(places, test_size=0.2, random_state=seed, stratify=table.classes)
    kept: dict[str, Any] = {"test": test}
    for contender, run in CONTENDERS.items():
        probabilities, seconds = run(table.part(train), table.part(test), seed)
        true = probabilities[np.arange(len(test)), table.classes[test]]
        kept |= {f"loss {contender}": -np.log(np.maximum(true, LEAST)), f"seconds {contender}": seconds}
        print(f"{name}, seed {seed}: {contender} {kept[f'loss {contender}'].mean():.4f}, {seconds:.1f} s", flush=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    np.savez(_file(name, seed), **kept)


def _file(name: str, seed: int) -> Path:
    return KEPT / f"{name.replace(' ', '-')}-{seed}.npz"


def outcome(names: Sequence[str], seeds: Sequence[int]) -> Outcome:
    """Return the losses of all contenders on these tables and splits, and the figures with their targets."""
    runs = {(name, seed): dict(np.load(_file(name, seed))) for name in names for seed in seeds}
    losses = {
        name: {each: [float(runs[name, seed][f"loss {each}"].mean()) for seed in seeds] for each in CONTENDERS}
        for name in names
    }
    seconds = [[float(runs[name, seed][f"seconds {OURS}"]) for name in names] for seed in seeds]
    ranks = [
        _ranks([[losses[name][each][place] for each in CONTENDERS] for name in names]) for place in range(len(seeds))
    ]
    worse = [name for name in names if _is_worse([runs[name, seed] for seed in seeds], losses[name])]
    figures = [
        Figure("mean rank, less that of the best other", "<", 0, [each[0] - min(each[1:]) for each in ranks], "ranks"),
        Figure("worse than the best other by more than 3 % beyond noise", "≤", 0, [len(worse)], "tables"),
        Figure("fitting, the longest of the tables", "≤", MOST_SECONDS, [max(each) for each in seconds], "CPU s"),
    ]
    measurements = [
        *(Measurement(f"{name}: {each}", "nats", values) for name in names for each, values in losses[name].items()),
        *(
            Measurement(f"mean rank: {each}", "", [rank[place] for rank in ranks])
            for place, each in enumerate(CONTENDERS)
        ),
    ]
    return Outcome(measurements, figures, [_note(worse)])


def _note(worse: Sequence[str]) -> str:
    named = ", ".join(worse) or "none"
    return (
        "beyond noise: the lower end of the 95 % interval of our loss less 1.03 times the best other's is above 0,"
        f" by {DRAWS:,} draws of test rows, of which each keeps its losses from all splits; here {named}"
    )


def _ranks(losses: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean rank of each contender, 1 is best: losses [tables, contenders]."""
    places = np.argsort(np.argsort(np.array(losses), axis=1), axis=1)
    return [float(rank) for rank in 1 + places.mean(axis=0)]


def _is_worse(runs: Sequence[Mapping[str, Floats]], losses: Mapping[str, Sequence[float]]) -> bool:
    """Return whether our loss is worse than allowed in so many draws of test rows that it is no chance."""
    best = min((each for each in CONTENDERS if each != OURS), key=lambda each: float(np.mean(losses[each])))
    rows = np.concatenate([run["test"] for run in runs]).astype(np.int64)
    excess = np.concatenate([run[f"loss {OURS}"] - ALLOWED * run[f"loss {best}"] for run in runs])
    sums, counts = np.bincount(rows, excess), np.bincount(rows)
    sums, counts = sums[counts > 0], counts[counts > 0]
    drawn = np.random.default_rng(0).integers(0, len(sums), (DRAWS, len(sums)))
    means = np.array([sums[draw].sum() / counts[draw].sum() for draw in drawn])
    return bool(np.quantile(means, 0.025) > 0)


def main() -> int:
    """Measure, print, and write the results; exit with 1 when a figure does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(TABLES), metavar="TABLE,…")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="splits of each table; default: 5")
    parser.add_argument("--again", action="store_true", help="measure splits that were kept, too")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # of the contenders
    load = os.getloadavg()[0]
    seeds = range(options.seeds)
    for seed in seeds:
        for name in options.only:
            if options.again or not _file(name, seed).exists():
                with threadpool_limits(1):
                    measure(name, seed)
    settings = {"rounds": options.seeds, "round": "one split of each table", "load_average": load}
    versions = {"scikit-learn": version("scikit-learn"), "tensorflow": version("tensorflow")}
    result = to_json(KEY, WORK, settings, outcome(options.only, seeds), versions)
    print(report.table([result]))
    if options.only == list(TABLES):
        text = json.dumps(result, indent=1, ensure_ascii=False)
        (FOLDER / "results" / f"{KEY.lower()}.json").write_text(f"{text}\n")
        report.write(FOLDER, report.read(FOLDER / "results"))
    return 0 if all(figure["holds"] for figure in result["figures"]) else 1


if __name__ == "__main__":
    sys.exit(main())
