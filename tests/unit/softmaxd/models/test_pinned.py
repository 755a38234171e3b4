import threading

import numpy as np
import pytest
from onnx import helper

from softmaxd.models.engine import Engine
from softmaxd.models.outputs import Array
from softmaxd.models.pinned import BUFFER_BYTES, NEVER, TRIED_ROWS, Buffer, Pinned, is_fixed, least_rows, measured
from softmaxd.models.session import CPU, Session, new_session
from softmaxd.models.together import RunStopped
from tests.support.onnx_models import classifier, linear, looping, with_atypicality
from tests.support.tables import mixed

ROWS = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
NAMES = ["logits", "probabilities", "atypicality"]


def memory(size: int) -> Buffer:
    return np.full(size, 0xFF, np.uint8)  # NaN where nothing is written


def new(content: bytes) -> Session:
    return new_session(content, [CPU], 1)


@pytest.fixture
def session() -> Session:
    return new(with_atypicality(linear()).SerializeToString())


@pytest.mark.parametrize("rows", [1, 3, 5])
def test_the_outputs_are_those_of_the_session(session: Session, rows: int) -> None:
    features = {"features": ROWS[:rows]}
    pinned = Pinned(session, memory)

    found = pinned.run(NAMES, features, None)

    expected = session.run(NAMES, features)
    assert [each.tobytes() for each in found] == [each.tobytes() for each in expected]
    assert [each.shape for each in found] == [each.shape for each in expected]


def test_outputs_stay_as_they_are_in_later_runs(session: Session) -> None:
    pinned = Pinned(session, memory)
    before = pinned.run(NAMES, {"features": ROWS}, None)
    copies = [each.copy() for each in before]

    pinned.run(NAMES, {"features": -ROWS}, None)

    assert all(np.array_equal(each, copy) for each, copy in zip(before, copies, strict=True))


def test_each_thread_has_buffers_of_its_own(session: Session) -> None:
    allocated: list[Buffer] = []

    def counted(size: int) -> Buffer:
        allocated.append(memory(size))
        return allocated[-1]

    pinned = Pinned(session, counted)
    for _ in range(2):
        pinned.run(NAMES, {"features": ROWS}, None)
    thread = threading.Thread(target=pinned.run, args=[NAMES, {"features": ROWS}, None])
    thread.start()
    thread.join()

    assert [each.nbytes for each in allocated] == [BUFFER_BYTES] * 4


@pytest.mark.parametrize(("least", "rows"), [(6, 5), (0, BUFFER_BYTES // 8 + 1)])
def test_few_rows_and_too_many_take_ordinary_memory(session: Session, least: int, rows: int) -> None:
    def refuse(_size: int) -> Buffer:
        raise AssertionError

    pinned = Pinned(session, refuse)
    pinned.least_rows = least
    features = np.zeros((rows, 2), np.float32)

    assert len(pinned.run(NAMES, {"features": features}, None)[0]) == rows


def test_a_run_is_stopped(as_on_a_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softmaxd.models.pinned.least_rows", lambda *_: 0)
    engine = Engine(looping().SerializeToString(), device="cpu")
    short = np.array([[2, 1]], np.float32)
    expected = engine.run(short)["logits"].tobytes()
    engine.stop(threading.get_ident())

    with pytest.raises(RunStopped):
        engine.run(short)

    assert engine.run(short)["logits"].tobytes() == expected


def seconds_of(faster: set[int]) -> tuple[list[int], int]:
    """Return the rows that are tried with pinned memory, faster for these, and the fewest that are to take it."""
    asked: list[int] = []

    def pinned(rows: int) -> float:
        asked.append(rows)
        return 0.5 if rows in faster else 1.0

    least = least_rows(TRIED_ROWS, lambda _: 1.0, pinned)
    return sorted(set(asked), reverse=True), least


def test_pinned_memory_is_taken_from_as_many_rows_as_it_is_faster() -> None:
    assert seconds_of({8192, 1024, 16}) == ([8192, 1024, 128], 1024)
    assert seconds_of({1024}) == ([8192], NEVER)
    assert seconds_of(set(TRIED_ROWS)) == (list(TRIED_ROWS), 1)


def test_a_model_that_does_not_run_zeros_takes_ordinary_memory() -> None:
    def fails(_rows: int) -> float:
        raise ValueError("zeros are not taken")

    assert least_rows(TRIED_ROWS, fails, fails) == NEVER


def test_the_session_itself_runs_where_pinned_memory_is_never_faster(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("softmaxd.models.pinned.least_rows", lambda *_: NEVER)

    assert measured(session, memory) == session.run


def test_only_sizes_that_fit_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = classifier_of(features=12_288)
    tried: list[int] = []

    def keep(rows: list[int], *_: object) -> int:
        tried.extend(rows)
        return 1

    monkeypatch.setattr("softmaxd.models.pinned.least_rows", keep)

    measured(wide, memory)

    assert tried == [128, 16, 1]


def test_both_ways_are_timed(session: Session) -> None:
    run = measured(session, memory)

    assert np.array_equal(run(NAMES, {"features": ROWS}, None)[0], session.run(NAMES, {"features": ROWS})[0])


def classifier_of(features: int) -> Session:
    weights: Array = np.zeros((features, 3), np.float32)
    node = helper.make_node("MatMul", ["features", "weights"], ["logits"])
    return new(classifier([node], {"weights": weights}, features=features).SerializeToString())


def test_texts_are_not_pinned(session: Session) -> None:
    assert is_fixed(session)
    assert not is_fixed(new(mixed().SerializeToString()))
