import threading

import numpy as np
import pytest

from softmaxd.models.engine import Engine
from softmaxd.models.together import RunStopped
from tests.support.onnx_models import looping


def test_a_run_is_stopped_from_another_thread_and_the_next_one_goes_on() -> None:
    engine = Engine(looping().SerializeToString(), device="cpu")
    short, endless = (np.array([[turns, 1]], np.float32) for turns in (2, 3e9))
    expected = engine.run(short)["logits"].tobytes()
    timer = threading.Timer(0.1, engine.stop, [threading.get_ident()])
    timer.start()

    with pytest.raises(RunStopped):
        engine.run(endless)

    assert engine.run(short)["logits"].tobytes() == expected


def test_a_stop_without_a_run_hits_the_next_one_of_its_thread_only() -> None:
    engine = Engine(looping().SerializeToString(), device="cpu")
    row = np.array([[2, 1]], np.float32)
    engine.run(row)
    engine.stop(threading.get_ident())

    other = threading.Thread(target=engine.run, args=[row])
    other.start()
    other.join(10)

    with pytest.raises(RunStopped):
        engine.run(row)
    assert len(engine.run(row)["logits"]) == 1
