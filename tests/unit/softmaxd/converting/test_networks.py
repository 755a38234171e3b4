"""Keras files and SavedModel folders become ONNX with tf2onnx, beside the outputs of TensorFlow."""

import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from softmaxd.adding.add import prepare_graph
from softmaxd.adding.graphs import read
from softmaxd.converting.networks import open_keras, open_saved_model
from softmaxd.converting.original import Original, Values
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine

pytestmark = pytest.mark.filterwarnings("ignore")  # those of Keras, TensorFlow and tf2onnx

ROWS = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)


def network(*, activation: str | None = "softmax") -> keras.Sequential:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation=activation, name="head")])


def answers(original: Original, output: str) -> tuple[Values, Values]:
    """Return an output of the library, and the probabilities of the graph as it is served."""
    graph = read(next(original.graphs))
    (name,) = (each.name for each in graph.graph.input)
    prepared = prepare_graph(graph, "made", name="m")
    return original.run({name: ROWS}, output), Engine(prepared.content, device="cpu").run(ROWS)["probabilities"]


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("activation", ["softmax", None])
def test_a_keras_file_answers_as_the_network(tmp_path: Path, suffix: str, activation: str | None) -> None:
    saved = network(activation=activation)
    saved.save(tmp_path / f"m.{suffix}")

    original = open_keras(tmp_path / f"m.{suffix}")

    outputs = np.asarray(saved(ROWS))
    assert (original.library, original.converter.split()[0]) == (f"Keras {keras.__version__}", "tf2onnx")
    own, served = answers(original, "head")
    assert np.allclose(own, outputs, atol=1e-6)
    assert np.allclose(served, outputs if activation else keras.ops.softmax(outputs), atol=1e-6)


def test_a_network_with_several_outputs_gives_the_one_that_is_named(tmp_path: Path) -> None:
    rows = keras.Input((4,))
    logits = keras.layers.Dense(3, name="scores")(rows)
    saved = keras.Model(rows, {"scores": logits, "p": keras.layers.Softmax(name="p")(logits)})
    saved.save(tmp_path / "m.keras")

    original = open_keras(tmp_path / "m.keras")

    expected = saved(ROWS)
    own, served = answers(original, "scores")
    assert np.allclose(own, expected["scores"], atol=1e-6)
    assert np.allclose(served, expected["p"], atol=1e-6)


def test_a_network_of_several_inputs_becomes_a_graph_of_as_many(tmp_path: Path) -> None:
    inputs = [keras.Input((2,), name="a"), keras.Input((2,), name="b")]
    head = keras.layers.Dense(3, name="head")(keras.layers.Concatenate()(inputs))
    network = keras.Model(inputs, head)
    network.save(tmp_path / "m.keras")

    original = open_keras(tmp_path / "m.keras")
    graph = read(next(original.graphs)).graph

    assert [each.name for each in graph.input] == ["a", "b"]
    rows = np.hsplit(ROWS, 2)
    assert np.allclose(original.run({"b": rows[1], "a": rows[0]}, "head"), network(rows), atol=1e-6)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_lambda_layer_is_refused_and_never_run(tmp_path: Path, suffix: str) -> None:
    layers = [keras.Input((4,)), keras.layers.Lambda(lambda rows: rows * 2), keras.layers.Dense(3)]
    keras.Sequential(layers).save(tmp_path / f"m.{suffix}")

    with pytest.raises(Refused, match=r"^it has a Lambda layer, whose code could do anything, and is not loaded"):
        open_keras(tmp_path / f"m.{suffix}")


class Own(keras.Model):  # type: ignore[misc] # Keras has no types
    """A network whose class is in no file."""

    def __init__(self) -> None:
        super().__init__()
        self.head = keras.layers.Dense(3)

    def call(self, rows: object) -> object:
        return self.head(rows)


def test_a_class_of_the_users_own_is_refused(tmp_path: Path) -> None:
    own = Own()
    own(ROWS)
    own.save(tmp_path / "m.keras")

    with pytest.raises(Refused, match=r"^it has a class of its own, which is in no file"):
        open_keras(tmp_path / "m.keras")


def test_a_network_that_was_never_built_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        keras.Sequential([keras.layers.Dense(3)]).save(tmp_path / "m.keras")

    with pytest.raises(Refused, match=r"^the network was never built"):
        open_keras(tmp_path / "m.keras")


def test_a_broken_keras_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"PK\x03\x04")

    with pytest.raises(Refused, match=r"^Keras cannot load it: "):
        open_keras(tmp_path / "m.keras")


def test_an_exported_folder_answers_as_the_network(tmp_path: Path) -> None:
    saved = network()
    saved.export(tmp_path / "m", verbose=False)

    original = open_saved_model(tmp_path / "m")

    assert original.library == f"TensorFlow {tf.__version__}"
    own, served = answers(original, "output_0")
    assert np.allclose(own, saved(ROWS), atol=1e-6)
    assert np.allclose(served, saved(ROWS), atol=1e-6)


def normalised() -> keras.Sequential:
    """Return a network whose first layer has the mean and the deviation of rows as constants."""
    layer = keras.layers.Normalization()
    layer.adapt(5 * ROWS + 3)
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(3, activation="softmax", name="head")])


def test_the_constants_of_a_keras_file_are_no_inputs(tmp_path: Path) -> None:
    saved = normalised()
    saved.save(tmp_path / "m.keras")

    own, served = answers(open_keras(tmp_path / "m.keras"), "head")

    assert np.allclose(own, saved(ROWS), atol=1e-6)
    assert np.allclose(served, saved(ROWS), atol=1e-6)


def test_the_constants_of_an_exported_folder_are_no_inputs(tmp_path: Path) -> None:
    saved = normalised()
    saved.export(tmp_path / "m", verbose=False)

    own, served = answers(open_saved_model(tmp_path / "m"), "output_0")

    assert np.allclose(own, saved(ROWS), atol=1e-6)
    assert np.allclose(served, saved(ROWS), atol=1e-6)


def test_an_onnx_file_that_keras_wrote_without_its_constants_is_refused(tmp_path: Path) -> None:
    saved = normalised()
    saved(ROWS)
    saved.export(tmp_path / "m.onnx", format="onnx", verbose=False)

    reason = r"^tf2onnx made inputs of constants \(\S+:0, \S+:0\), .*: add the network's own file"
    with pytest.raises(Refused, match=reason):
        prepare_graph(read((tmp_path / "m.onnx").read_bytes()), "made", name="m")


class Fixed(tf.Module):  # type: ignore[misc] # TensorFlow has no types
    """A function of exactly two rows."""

    @tf.function(input_signature=[tf.TensorSpec([2, 4], tf.float64, name="rows")])  # type: ignore[untyped-decorator]
    def scores(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scores": tf.matmul(rows, tf.reshape(tf.range(12, dtype=tf.float64), [4, 3]))}


def test_a_fixed_number_of_rows_is_run_row_by_row(tmp_path: Path) -> None:
    module = Fixed()
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": module.scores})

    original = open_saved_model(tmp_path)

    expected = ROWS.astype(np.float64) @ np.arange(12.0).reshape(4, 3)
    assert np.allclose(original.run({"rows": ROWS}, "scores"), expected)


def test_a_folder_without_the_signature_is_refused(tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path))

    with pytest.raises(Refused, match=r"^it has no signature serving_default"):
        open_saved_model(tmp_path)


def test_a_broken_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff")

    with pytest.raises(Refused, match=r"^TensorFlow cannot load it: "):
        open_saved_model(tmp_path)


def test_a_network_that_tf2onnx_cannot_convert_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tf2onnx  # noqa: PLC0415 - to break it

    def fail(*_args: object, **_options: object) -> None:
        raise ValueError("first\nsecond")

    network().save(tmp_path / "m.keras")
    monkeypatch.setattr(tf2onnx.convert, "from_function", fail)

    with pytest.raises(Refused, match=r"^tf2onnx cannot convert it: first$"):
        open_keras(tmp_path / "m.keras")
