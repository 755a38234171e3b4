"""A watch counts the time of each part, without that of others, and without its own."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from benchmarks.watch import BATCHING, BODY, HEAD, LONGEST, OUTSIDE, PARTS, RUN, TEXT, WRITING, Watch, read


class Clock:
    """A clock that a test moves on; it may also go on by itself whenever it is read."""

    def __init__(self, step: int = 0) -> None:
        self.now = 0
        self._step = step

    def __call__(self) -> int:
        self.now += self._step
        return self.now

    def wait(self, nanoseconds: int) -> None:
        self.now += nanoseconds


def in_turn(steps: Iterable[Callable[[], object]]) -> Callable[[], None]:
    """Return a function that takes some steps."""
    steps = list(steps)

    def run() -> None:
        for step in steps:
            step()

    return run


def counted(file: Path) -> dict[int, int]:
    """Return the nanoseconds of the parts that have some."""
    nanoseconds, _ = read(file)
    return {part: nanoseconds[part] for part in PARTS if nanoseconds[part]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "watch"


def waits(clock: Clock, nanoseconds: int) -> Callable[[], None]:
    return lambda: clock.wait(nanoseconds)


def test_the_parts_are_the_whole_time_and_each_is_without_the_others(file: Path) -> None:
    clock = Clock()
    watch = Watch(file, clock)
    run = watch.over(waits(clock, 300), RUN)
    batch = watch.over(in_turn([waits(clock, 20), run, waits(clock, 30)]), BATCHING)
    body = watch.over(waits(clock, 4_000), BODY)
    answer = watch.over(in_turn([waits(clock, 1), body, batch, run]), BATCHING, begins=True)

    clock.wait(50_000)
    answer()
    answer()

    assert counted(file) == {OUTSIDE: 50_000, BATCHING: 102, BODY: 8_000, RUN: 1_200}
    assert sum(counted(file).values()) == clock.now
    assert [read(file)[1][part] for part in (BATCHING, BODY, RUN)] == [4, 2, 4]


def test_a_caller_may_go_on_with_another_part(file: Path) -> None:
    clock = Clock()
    watch = Watch(file, clock)
    text = watch.over(waits(clock, 70), TEXT, after=WRITING)

    watch.over(in_turn([waits(clock, 5), text, waits(clock, 8)]), BATCHING, begins=True)()
    watch.over(waits(clock, 3), HEAD, begins=True)()

    assert counted(file) == {BATCHING: 5, TEXT: 70, WRITING: 8, HEAD: 3}


def test_a_part_that_begins_nothing_is_counted_inside_of_others_only(file: Path) -> None:
    clock = Clock()
    watch = Watch(file, clock)

    watch.over(waits(clock, 9), RUN)()
    watch.over(waits(clock, 3), HEAD, begins=True)()

    assert counted(file) == {OUTSIDE: 9, HEAD: 3}
    assert read(file)[1][RUN] == 0


def test_an_error_ends_its_part(file: Path) -> None:
    clock = Clock()
    watch = Watch(file, clock)

    with pytest.raises(ZeroDivisionError):
        watch.over(in_turn([waits(clock, 7), lambda: 1 // 0]), HEAD, begins=True)()
    clock.wait(11)
    watch.over(waits(clock, 2), BODY, begins=True)()

    assert counted(file) == {HEAD: 7, OUTSIDE: 11, BODY: 2}


def test_the_time_of_another_process_is_left_out(file: Path) -> None:
    clock = Clock()
    watch = Watch(file, clock)

    for nanoseconds in (LONGEST, LONGEST - 1):
        watch.over(waits(clock, nanoseconds), HEAD, begins=True)()

    assert counted(file) == {HEAD: LONGEST - 1}


def test_the_time_of_the_watch_is_left_out(file: Path) -> None:
    clock = Clock(step=10)
    watch = Watch(file, clock)
    watch.calibrate()
    run = watch.over(waits(clock, 300), RUN)

    watch.over(in_turn([waits(clock, 20), run, run]), BATCHING, begins=True)()

    assert {part: time for part, time in counted(file).items() if part != OUTSIDE} == {BATCHING: 20, RUN: 600}


def test_calibrating_again_finds_the_same(file: Path) -> None:
    clock = Clock(step=10)
    watch = Watch(file, clock)

    for _ in range(2):
        watch.calibrate()
        watch.over(waits(clock, 5), HEAD, begins=True)()

        assert counted(file)[HEAD] == 5
