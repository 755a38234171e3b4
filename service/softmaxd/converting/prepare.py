"""Prepares any model file to be published: an ONNX file as it is, and another library's converted and checked."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from softmaxd.adding import add, graphs
from softmaxd.adding.add import Prepared
from softmaxd.adding.features import MISSING, missing_note
from softmaxd.adding.given import own_rows
from softmaxd.converting.apart import Apart, opened_apart
from softmaxd.converting.checking import MORE_DIGITS, answers_alike, check, first_taken
from softmaxd.converting.drawing import drawn_rows, exact
from softmaxd.converting.kinds import kind_of
from softmaxd.converting.original import Values
from softmaxd.errors import Refused
from softmaxd.models.by_name import listed
from softmaxd.models.files import sha256
from softmaxd.models.outputs import Features

FEWEST = 32  # rows that the library takes
MOST_GIVEN = 10_000  # rows of tables that are compared
ROWS_WITHOUT = 3  # each number that may be missing
FEWER_DIGITS = (
    ", and no conversion has them everywhere: train it on numbers nearer to 0 (seconds since a day of the table), and "
    "trees in the place of a KBinsDiscretizer"
)
UNTRUSTED = (
    "it is a pickle, which runs any code that its author put into it, with your rights: --trust-pickle opens it "
    "nevertheless; a file of skops needs no such trust"
)


@contextmanager
def opened(file: Path, *, trust_pickle: bool = False, pack: bool = False) -> Iterator[Callable[..., Prepared]]:
    """Yield a function that returns a model as it can be published; its options are those of `prepare_graph`.

    A library's file is opened and converted once, however often it is called. Only with `trust_pickle` a pickle is
    opened. Raises `Refused`, `ModelError` or `OSError`, the function too.
    """
    with ExitStack() as stack:
        with _naming(file):
            kind = kind_of(file)
            if kind == "pickle" and not trust_pickle:
                raise Refused(UNTRUSTED)
            original = None if kind == "onnx" else stack.enter_context(opened_apart(kind, file))
        yield partial(add.prepare, file, pack=pack) if original is None else partial(_prepare, original, file)


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Begin each refusal with the file."""
    try:
        yield
    except Refused as error:
        raise Refused(f"{file}: {error}") from error


def _prepare(original: Apart, file: Path, *, features: Sequence[str] | None = None, **options: Any) -> Prepared:
    """Return the first of the ONNX files that are made of a file whose answers are those of its library.

    Raises `Refused`, with the reason against the first one, if there is none.
    """
    options["features"] = features or original.features
    origin = f"made from {file.name} of {original.library}, by {original.converter}, SHA-256 {_digest(file)}"
    tried: list[Values] = []
    refused: Refused | None = None
    with _naming(file):
        try:
            for content in original.graphs():
                try:
                    prepared = add.prepare_graph(graphs.read(content), origin, **options)
                    prepared = _checked(prepared, original, tried, options.get("nullable", ()), refused)
                    return _compared(prepared, original, options.get("given"))
                except Refused as error:
                    refused = refused or error
        except Refused as error:  # there is no other graph
            refused = refused or error
        assert refused is not None
        raise Refused(f"{refused}{FEWER_DIGITS}") if str(refused).endswith(MORE_DIGITS) else refused


def _checked(
    prepared: Prepared, original: Apart, tried: list[Values], told: Sequence[str], refused: Refused | None
) -> Prepared:
    """Return a model with notes on its conversion, and add the rows that are tried to those of the file before it.

    Raises `Refused` if it answers otherwise than the library.
    """
    rows = prepared.findings.rows
    tried.append(rows)
    prepared, without = _confirmed(prepared, original, told)
    dtype, drawn = rows.dtype, []
    if original.known is not None:
        dtype, drawn = exact(rows.dtype), [drawn_rows(prepared.findings, original.known)]
    every = [each.astype(dtype) for each in (*tried, *without, *drawn)]
    checked = check(prepared, original, np.concatenate(every), fewest=FEWEST)
    float32 = (f"not as float32: {refused}",) if refused else ()
    for note in (*original.notes, checked, *float32):
        prepared = prepared.noting(note)
    return prepared


def _compared(prepared: Prepared, original: Apart, given: Features | None) -> Prepared:
    """Return a model with a note on rows that the user gave, if any; a library of float64 gets all their digits.

    Raises `Refused` if it answers otherwise than the library.
    """
    if given is None:
        return prepared
    rows = own_rows(given, prepared.findings.source, MOST_GIVEN)
    if original.known is None:
        rows = rows.astype(prepared.findings.rows.dtype)
    return prepared.noting(check(prepared, original, rows, whose=" of yours"))


def _confirmed(prepared: Prepared, original: Apart, told: Sequence[str]) -> tuple[Prepared, list[Values]]:
    """Return a model in which a number may be missing only where the library has the same answers, and rows without it.

    The graph alone shows that it has an answer, not that it is right. One that is `told` to be nullable stays so.
    """
    source, features = prepared.findings.source, list(prepared.manifest.features)
    numbers = [index for index, each in enumerate(features) if each.nullable and each.datatype != "BYTES"]
    rows = first_taken(prepared, original, ROWS_WITHOUT) if numbers else prepared.findings.rows[:0]
    without = {index: source.with_values(rows, {index: np.nan}) for index in numbers}
    others = [
        index
        for index in numbers
        if features[index].name not in told and not answers_alike(prepared, original, rows, without[index])
    ]
    if not others:
        return prepared, list(without.values())
    for index in others:
        features[index] = features[index].model_copy(update={"nullable": False})
        del without[index]
    names, left = (
        [each.name for each in features],
        {i: each.missing for i, each in enumerate(features) if each.nullable},
    )
    reason = f"{original.library} refuses it for {listed([names[index] for index in others])}, or answers otherwise"
    kept = [note for note in prepared.manifest.notes if not note.startswith(MISSING)]
    manifest = prepared.manifest.model_copy(update={"features": tuple(features), "notes": tuple(kept)})
    noted = replace(prepared, manifest=manifest).noting(f"{missing_note(names, left)}, because {reason}")
    return noted, list(without.values())


def _digest(file: Path) -> str:
    """Return the SHA-256 of a file; of a folder that of the lines that sha256sum prints for its files, by name."""
    if not file.is_dir():
        return sha256(file)
    files = sorted(path.relative_to(file).as_posix() for path in file.rglob("*") if path.is_file())
    lines = "".join(f"{sha256(file / name)}  {name}\n" for name in files)
    return hashlib.sha256(lines.encode()).hexdigest()
