"""A made table with texts, gaps, a date and a boolean: who keeps a subscription, takes a smaller one, or leaves.

Its bytes are the same on every machine. All chance comes from `Random.random`, whose numbers Python promises to keep,
and numbers are written with fixed digits.
"""

import csv
import math
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from random import Random
from typing import TextIO

SEED, ROWS = 11, 800
COLUMNS = ("since", "age", "price", "hours", "calls", "plan", "channel", "city", "autopay")
TARGET = "outcome"
OUTCOMES = ("stays", "downgrades", "leaves")
LAST_DAY, DAYS = date(2025, 6, 30), 2_000  # of the beginnings
PLANS = ("basic", "standard", "family")
PRICES = {"basic": 9.0, "standard": 15.0, "family": 24.0}  # of a plan, about
EFFECTS = {"basic": -1.0, "standard": 2.5, "family": 3.5}  # on the logit of a smaller plan
CHANNELS = ("web", "shop", "phone", "partner")
CITIES = """
    Berlin Hamburg Vienna Paris Madrid Rome Lisbon Porto Milan Turin Lyon Lille Nantes Ghent Bruges Antwerp Leiden Delft
    Utrecht Oslo Bergen Turku Tampere Riga Tartu Vilnius Gdansk Poznan Lublin Brno Ostrava Graz Linz Basel Bern Bonn
    Kiel Mainz Ulm Trier Jena Siena Parma Pisa Lecce Bari Seville Malaga Bilbao Vigo
""".split()  # noqa: SIM905 - half as long as a list


@dataclass(frozen=True, slots=True)
class Subscription:
    """A row: its cells as a CSV has them, "" for missing ones, its outcome, and the true probability of each outcome.

    The probabilities know the values of missing cells, too.
    """

    cells: tuple[str, ...]
    outcome: str
    probabilities: tuple[float, ...]


def write_subscriptions(file: TextIO) -> None:
    """Write the table as CSV, with the outcome as the last column."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*COLUMNS, TARGET])
    for row in subscriptions():
        writer.writerow([*row.cells, row.outcome])


def subscriptions() -> Iterator[Subscription]:
    """Draw the rows."""
    chance = Random(SEED)  # noqa: S311 - no secrets
    for _ in range(ROWS):
        yield _subscription(chance)


def _subscription(chance: Random) -> Subscription:
    plan, channel = _one_of(PLANS, (0.45, 0.35, 0.2), chance), _one_of(CHANNELS, (0.5, 0.25, 0.15, 0.1), chance)
    city = _one_of(CITIES, [1 / (1 + place) for place in range(len(CITIES))], chance)
    days, age = int(DAYS * _low(chance)), 18 + int(60 * _low(chance))
    price = PRICES[plan] + 2 * _normal(chance)
    hours = max(0.0, (9 if plan == "family" else 6) + 4 * _normal(chance))
    calls = int(_one_of("01234", (0.56, 0.24, 0.11, 0.06, 0.03), chance))
    is_automatic = chance.random() < 0.6  # noqa: PLR2004
    years = days / 365
    logits = (
        0.3 * hours + 0.8 * years + 1.5 * is_automatic,
        0.6 * (price - PRICES[plan]) + EFFECTS[plan] + 0.6 * (CITIES.index(city) % 3 == 0),
        1.2 * calls + 1.5 * (channel == "partner") + 2 * (years < 1 and not is_automatic) + 1.5 * math.sin(age / 8) + 1,
    )
    probabilities = _softmax(logits)
    outcome = _one_of(OUTCOMES, probabilities, chance)
    since, automatic = (LAST_DAY - timedelta(days)).isoformat(), "true" if is_automatic else "false"
    cells = [since, f"{age}", f"{price:.2f}", f"{hours:.1f}", f"{calls}", plan, channel, city, automatic]
    # The hours of those who hardly use it are often not counted.
    gaps = {"age": 0.1, "hours": 0.3 if hours < 3 else 0.08, "channel": 0.04, "city": 0.06}  # noqa: PLR2004
    for name, share in gaps.items():
        if chance.random() < share:
            cells[COLUMNS.index(name)] = ""
    return Subscription(tuple(cells), outcome, probabilities)


def _softmax(logits: Sequence[float]) -> tuple[float, ...]:
    powers = [math.exp(logit - max(logits)) for logit in logits]
    return tuple(power / math.fsum(powers) for power in powers)


def _one_of(values: Sequence[str], weights: Sequence[float], chance: Random) -> str:
    ends = list(accumulate(weights))
    return values[min(bisect(ends, chance.random() * ends[-1]), len(ends) - 1)]


def _low(chance: Random) -> float:
    """Return a number from 0 to 1, rather a low one."""
    drawn = chance.random()
    return drawn * math.sqrt(drawn)


def _normal(chance: Random) -> float:
    """Return a nearly normal number: `math.fsum` rounds the sum of twelve in the same way everywhere."""
    return math.fsum(chance.random() for _ in range(12)) - 6
