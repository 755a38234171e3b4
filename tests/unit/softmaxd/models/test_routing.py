"""The version that a route chooses for a request."""

from collections import Counter
from math import sqrt
from random import Random
from typing import Any

import numpy as np
import pytest

from softmaxd.models.batching import Batcher
from softmaxd.models.model import Model
from softmaxd.models.outputs import Array
from softmaxd.models.routes import ALL, Route
from softmaxd.models.routing import Routed, follow, place_of
from softmaxd.models.runner import Runner
from softmaxd.models.shadow import ShadowedBatcher, Shadows
from tests.support.manifests import manifest

SEEDED = Random(1)  # noqa: S311
IDS = [b"%032x" % SEEDED.getrandbits(128) for _ in range(20_000)]


def run(features: Array) -> dict[str, Array]:
    return {"probabilities": np.full((len(features), 2), 0.5, dtype=np.float32)}


def version(number: int, **fields: Any) -> Model:
    batcher = Batcher(Runner(run, inline=True), lambda _: None, max_queued_rows=9, queue_timeout=1)
    return Model(manifest(name="m", version=number, **fields), "CPU", run, batcher)


def routed(route: Route, **others: Model) -> Routed:
    """Return a route by which version 1 answers the rest; version 2 to 4 are ready, if they are not others."""
    ready = {number: others.get(f"v{number}", version(number)) for number in (1, 2, 3, 4)}
    return follow(route, ready[1], ready, lambda _: "there is no such version", Shadows())


def versions(found: Routed, ids: list[bytes]) -> list[int]:
    return [found.choose(each).manifest.version for each in ids]


@pytest.mark.parametrize("shares", [((2, 1000),), ((2, 1),), ((2, 5000), (3, 2500)), ((2, 10_000),)])
def test_each_version_gets_its_share_of_many_ids(shares: tuple[tuple[int, int], ...]) -> None:
    counted = Counter(versions(routed(Route(shares)), IDS))

    rest = ALL - sum(share for _, share in shares)
    for number, share in (*shares, (1, rest)):
        part = share / ALL
        assert abs(counted[number] - len(IDS) * part) <= 4 * sqrt(len(IDS) * part * (1 - part)) + 1e-9, number


def test_ids_that_are_counted_are_spread_like_any_others() -> None:
    ids = [b"0123456789abcdef-%x" % number for number in range(10_000)]

    assert abs(versions(routed(Route(((2, 1000),))), ids).count(2) - 1000) <= 4 * sqrt(900)


def test_an_id_keeps_its_version_in_every_process_and_while_the_share_rises() -> None:
    few, many = (versions(routed(Route(((2, share),))), IDS[:2000]) for share in (1000, 3000))

    assert few == versions(routed(Route(((2, 1000),))), IDS[:2000])
    assert all(more == 2 for less, more in zip(few, many, strict=True) if less == 2)
    assert [place_of("m", each) for each in (b"1", b"2", b"a" * 128)] == [138, 7122, 3628]
    assert place_of("other", b"1") != 138


def test_the_shares_are_told_with_that_of_the_rest() -> None:
    found = routed(Route(((2, 1000), (3, 500)), shadow=4))

    assert (found.shares, found.shadow, found.problems) == ({1: 8500, 2: 1000, 3: 500}, 4, ())


@pytest.mark.parametrize(
    ("route", "others", "problem"),
    [
        (Route(((9, 1000),)), {}, "Version 9 of m should answer 10% of its requests, but there is no such version"),
        (Route(shadow=9), {}, "Version 9 of m should be its shadow, but there is no such version"),
        (
            Route(((2, 250),)),
            {"v2": version(2, labels=("b", "a"))},
            "Version 2 of m should answer 2.5% of its requests, but its labels, or their order, differ from those of "
            "version 1",
        ),
        (
            Route(shadow=2),
            {"v2": version(2, columns=3)},
            "Version 2 of m should be its shadow, but its features differ from those of version 1",
        ),
        (Route(shadow=1), {}, "Version 1 of m should be its shadow, but it answers itself"),
    ],
)
def test_a_version_that_cannot_take_part_is_told_and_the_rest_answers(
    route: Route, others: dict[str, Model], problem: str
) -> None:
    found = routed(route, **others)

    assert (found.problems, found.shares, found.shadow, found.chosen) == ((problem,), {1: ALL}, None, ())
    assert found.choose(b"1") is found.rest


def test_a_share_of_the_version_that_answers_anyway_changes_nothing() -> None:
    found = routed(Route(((1, 1000),)))

    assert (found.problems, found.shares) == ((), {1: ALL})


def test_the_shadow_is_beside_every_version_but_itself() -> None:
    found = routed(Route(((2, 5000), (3, 5000)), shadow=2))

    models = {model.manifest.version: model for model in (found.rest, *(model for _, model in found.chosen))}
    assert {number: isinstance(model.batcher, ShadowedBatcher) for number, model in models.items()} == {
        1: True,
        2: False,
        3: True,
    }
