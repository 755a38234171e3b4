"""The processor time of a request, from results/*.json, and the capacity and the cost that follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import report

PLANNED = 0.6  # of the time of a core: docs/operations.md, Sizing
USUAL = "50 %"  # the load whose processor time is planned with; a request costs less under more load
BILLION = 1_000_000_000

Results = Mapping[str, report.Result]


@dataclass(frozen=True, slots=True)
class Values:
    """The medians of all measurements."""

    results: Results

    def median(self, scenario: str, name: str) -> float:
        """Return the median of a measurement by its name; raises `KeyError` when there is none."""
        measurements = {each["name"]: each["median"] for each in self.results[scenario]["measurements"]}
        return float(measurements[name])

    @property
    def service(self) -> float:
        """The processor time of a request, in µs, in one worker that has a core to itself."""
        return self.median("S1", f"1 worker, {USUAL}: processor time")

    @property
    def service_of_several(self) -> float:
        """The same with two workers on two cores, one of which also has `wrk`."""
        return self.median("S1", f"2 workers, {USUAL}: processor time")

    @property
    def proxy(self) -> float:
        """The processor time of a request in HAProxy, in µs."""
        return self.median("S3", "behind HAProxy: processor time of HAProxy")

    @property
    def service_behind_proxy(self) -> float:
        """The processor time of a request in one of several workers behind HAProxy, in µs."""
        behind, alone = (
            self.median("S3", f"{name}: processor time of the service") for name in ("behind HAProxy", "alone")
        )
        return self.service_of_several * behind / alone

    @property
    def hop(self) -> float:
        """The processor time that a run by an actor of Ray takes more, in µs, in the way that is kinder to Ray."""
        by_actor, here = (
            self.median("S2", f"{name}: processor time") for name in ("by an actor, 64 at once", "in the process")
        )
        return by_actor - here


def planned_rate(cores: float, microseconds: float) -> float:
    """Return the requests a second of cores that are busy for `PLANNED` of their time."""
    return cores * PLANNED * 1e6 / microseconds


def core_hours(microseconds: float) -> float:
    """Return the core-hours of a billion predictions, on cores that are busy for `PLANNED` of their time."""
    return BILLION * microseconds / 1e6 / PLANNED / 3600
