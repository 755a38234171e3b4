"""A file that cannot be served is refused in one line with the remedy, and nothing is written."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from softmaxd.cli.main import main
from softmaxd.errors import pip_install
from softmaxd.models.files import sha256
from softmaxd.models.manifest import MANIFEST_FILE, MODEL_FILE, Manifest
from softmaxd.models.onnxfile import MAX_MODEL_BYTES
from tests.support.onnx_graphs import WEIGHTS, logits_only, model, node, tensor
from tests.support.paths import REPOSITORY
from tests.support.server import StartServer

Capture = pytest.CaptureFixture[str]
SCORES = [tensor("scores", ["n", 3])]


def changed(change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    """Return the plainest classifier with something about it changed."""
    file = logits_only()
    change(file)
    return file


def with_external_data() -> onnx.ModelProto:
    file = logits_only()
    (weights,) = file.graph.initializer
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights.bin")
    return file


def with_external_data_in_a_node() -> onnx.ModelProto:
    elsewhere = numpy_helper.from_array(np.ones((2, 3), np.float32))
    elsewhere.data_location = TensorProto.EXTERNAL
    nodes = [node("Constant", "", "v", value=elsewhere), node("MatMul", "x v", "scores")]
    return model(nodes, outputs=SCORES)


def with_a_foreign_branch() -> onnx.ModelProto:
    """Return a graph whose custom operator stands in a branch of an `If`, in a function."""
    branches = [
        helper.make_graph([operator], "branch", [], [tensor("chosen", ["n", 3])])
        for operator in (node("Identity", "inner", "chosen"), node("Sharpen", "inner", "chosen", domain="com.acme"))
    ]
    choose = node("If", "flag", "outer", then_branch=branches[0], else_branch=branches[1])
    body = [node("Constant", "", "flag", value=numpy_helper.from_array(np.array(True))), choose]
    file = changed(lambda file: file.graph.node.append(node("Choose", "scores", "chosen", domain="own")))
    file.functions.append(
        helper.make_function("own", "Choose", ["inner"], ["outer"], body, [helper.make_opsetid("", 17)])
    )
    return file


def picture_and_number() -> onnx.ModelProto:
    inputs = [tensor("picture", ["n", 2, 2]), tensor("width", ["n", 1])]
    nodes = [node("Flatten", "picture", "flat"), node("Concat", "flat width", "x", axis=1)]
    weights = {"w": np.ones((5, 3), np.float32)}
    return model([*nodes, node("MatMul", "x w", "scores")], inputs=inputs, outputs=SCORES, constants=weights)


def no_input() -> onnx.ModelProto:
    return model([node("Softmax", "w", "scores")], inputs=[], outputs=[tensor("scores", [2, 3])])


def text_tensor() -> onnx.ModelProto:
    encode = node("LabelEncoder", "x", "c", domain="ai.onnx.ml", keys_strings=["a"], values_floats=[1.0])
    inputs = [tensor("x", ["n", 1, 2], TensorProto.STRING)]
    nodes = [encode, node("Flatten", "c", "flat"), node("MatMul", "flat w", "scores")]
    return model(nodes, inputs=inputs, outputs=SCORES)


def images() -> onnx.ModelProto:
    flatten = node("Flatten", "image", "x")
    inputs = [tensor("image", ["n", 2, "h", 1])]
    return model([flatten, node("MatMul", "x w", "scores")], inputs=inputs, outputs=SCORES)


def dictionaries() -> onnx.ModelProto:
    """Return a graph that gives a sequence, and no ZipMap that could be left out."""
    nodes = [node("MatMul", "x w", "scores"), node("SequenceConstruct", "scores", "y")]
    sequence = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    return model(nodes, outputs=[helper.make_value_info("y", sequence)])


def in_bfloat16() -> onnx.ModelProto:
    """Return a classifier that takes and gives float32, and computes in bfloat16."""
    cast = node("Cast", "x", "b", to=TensorProto.BFLOAT16)
    nodes = [cast, node("MatMul", "b v", "c"), node("Cast", "c", "scores", to=TensorProto.FLOAT)]
    graph = model(nodes, outputs=SCORES, constants={})
    graph.graph.initializer.append(helper.make_tensor("v", TensorProto.BFLOAT16, [2, 3], [1.0] * 6))
    return graph


def of_bfloat16() -> onnx.ModelProto:
    nodes = [node("Cast", "x", "f", to=TensorProto.FLOAT), node("MatMul", "f w", "scores")]
    return model(nodes, inputs=[tensor("x", ["n", 2], TensorProto.BFLOAT16)], outputs=SCORES)


def ending_with(*nodes: onnx.NodeProto, kind: int = TensorProto.FLOAT, shape: tuple[str | int, ...]) -> onnx.ModelProto:
    """Return a graph that makes `y` of the scores."""
    return model([node("MatMul", "x w", "scores"), *nodes], outputs=[tensor("y", shape, kind)])


def two_outputs(first: str, second: str) -> onnx.ModelProto:
    nodes = [node("MatMul", "x w", "scores"), node(first, "scores", "a"), node(second, "scores", "b")]
    return model(nodes, outputs=[tensor("a", ["n", 3]), tensor("b", ["n", 3])])


def decision_function() -> onnx.ModelProto:
    nodes = [node("MatMul", "x one", "s"), node("Neg", "s", "t"), node("Concat", "t s", "y", axis=1)]
    return model(nodes, outputs=[tensor("y", ["n", 2])], constants={"one": np.ones((2, 1), np.float32)})


def for_two_rows(*nodes: onnx.NodeProto, output: list[int], **constants: object) -> onnx.ModelProto:
    arrays = {"w": np.eye(2, 3, dtype=np.float32), **{name: np.array(value) for name, value in constants.items()}}
    return model(nodes, inputs=[tensor("x", [2, 2])], outputs=[tensor("y", output)], constants=arrays)


REFUSED = {
    "custom operator": (
        changed(lambda file: setattr(file.graph.node[0], "domain", "com.acme")),
        "custom operators (com.acme.MatMul) are not supported: use those of ONNX and ONNX Runtime",
    ),
    "custom operator inside": (with_a_foreign_branch(), "custom operators (com.acme.Sharpen) are not supported: "),
    "external data": (
        with_external_data(),
        "the weights are in another file (external data): --pack takes them from the same folder",
    ),
    "external data in a node": (with_external_data_in_a_node(), "the weights are in another file (external data): "),
    "new opset": (
        changed(lambda file: setattr(file.opset_import[0], "version", 99)),
        "opset 99 is too new for ONNX Runtime ",
    ),
    "new opset of ai.onnx.ml": (
        changed(lambda file: setattr(file.opset_import[1], "version", 99)),
        "opset 99 of ai.onnx.ml is too new for ONNX Runtime ",
    ),
    "old opset": (
        changed(lambda file: setattr(file.opset_import[0], "version", 8)),
        "opset 8 is too old: export with opset 9 or newer",
    ),
    "new IR version": (
        changed(lambda file: setattr(file, "ir_version", 99)),
        "IR version 99 is too new for ONNX Runtime ",
    ),
    "wrong graph": (
        changed(lambda file: file.graph.node[0].input.append("w")),
        "ONNX Runtime cannot load it: ",
    ),
    "a picture and a number": (
        picture_and_number(),
        "input picture has the shape [n, 2, 2]: beside other inputs it must be columns, [n, features] or [n]",
    ),
    "no input": (no_input(), "the graph has no input"),
    "a tensor of texts": (
        text_tensor(),
        "input x has the shape [n, 1, 2]: texts must be columns, [n, features] or [n]",
    ),
    "images": (images(), "input image has the shape [n, 2, h, 1]: export it with a fixed shape of a row"),
    "no features": (
        model(
            [node("MatMul", "x w", "scores")],
            inputs=[tensor("x", ["n", 0])],
            outputs=SCORES,
            constants={"w": np.zeros((0, 3), np.float32)},
        ),
        "input x has the shape [n, 0]: it must be rows of numbers, [n, features]",
    ),
    "unknown width": (
        changed(lambda file: file.graph.input[0].CopyFrom(tensor("x", ["n", "d"]))),
        "it does not say how many features a row has: give their names or their number with --features",
    ),
    "dictionaries": (dictionaries(), "output y is seq(tensor(float)): it must be a table of numbers [n, classes]"),
    "bfloat16 inside": (in_bfloat16(), "ONNX Runtime "),
    "bfloat16 input": (
        of_bfloat16(),
        "input x is bfloat16, which NumPy does not have: export it as float32 (PyTorch: network.float())",
    ),
    "labels only": (
        ending_with(node("ArgMax", "scores", "y", axis=1, keepdims=0), kind=TensorProto.INT64, shape=("n",)),
        "no output is a table of numbers [n, classes]; the outputs are y tensor(int64) [n]",
    ),
    "a column for each class": (
        model(
            [node("MatMul", "x w", "scores"), node("Split", "scores", "a b c", axis=1)],
            outputs=[tensor(name, ["n", 1]) for name in "abc"],
        ),
        "outputs a, b, c are one number per row: make one output of them, [n, classes] (skl2onnx: ",
    ),
    "one column": (
        ending_with(node("ReduceMax", "scores", "y", axes=[1]), shape=("n", 1)),
        "output y is one number per row: a classifier of two classes must give both probabilities, ",
    ),
    "a regression": (
        model(
            [node("LinearRegressor", "x", "y", domain="ai.onnx.ml", coefficients=[1.0, 2.0], intercepts=[0.5])],
            outputs=[tensor("y", ["n", 1])],
        ),
        "output y is one number per row, of a regression (LinearRegressor): export a classifier",
    ),
    "sigmoids": (
        ending_with(node("Sigmoid", "scores", "y"), shape=("n", 3)),
        "output y lies in [0, 1], but its rows do not sum to 1: multi-label models (one sigmoid per label) are not ",
    ),
    "decision function": (
        decision_function(),
        "output y is [-s, s], the decision function of two classes, and its softmax is not ",
    ),
    "two probabilities": (
        two_outputs("Softmax", "Softmax"),
        "several outputs could be the probabilities (a, b): export only one of them",
    ),
    "two logits": (
        two_outputs("Identity", "Relu"),
        "several outputs could be the logits (a, b): export only one of them",
    ),
    "not finite": (
        ending_with(node("Sub", "scores scores", "zero"), node("Div", "scores zero", "y"), shape=("n", 3)),
        "output y is not finite for any of the rows that were tried",
    ),
    "softmax along the rows": (
        ending_with(node("Softmax", "scores", "y", axis=0), shape=("n", 3)),
        "output y lies in [0, 1], but its rows do not sum to 1: ",
    ),
    "rows that depend on others": (
        ending_with(node("ReduceMean", "scores", "m", axes=[0]), node("Sub", "scores m", "y"), shape=("n", 3)),
        "the answer for a row depends on the other rows, or on chance: check the axis of the softmax, ",
    ),
    "as many rows always": (
        ending_with(node("Constant", "", "t", value_ints=[66, 3]), node("Expand", "scores t", "y"), shape=("m", 3)),
        "the answer for a row depends on the other rows, or on chance: ",
    ),
    "chance": (
        ending_with(node("RandomNormalLike", "scores", "r"), node("Add", "scores r", "y"), shape=("n", 3)),
        "the answer for a row depends on the other rows, or on chance: ",
    ),
    "two rows at a time": (
        for_two_rows(node("MatMul", "x w", "s"), node("Reshape", "s t", "y"), output=[2, 3], t=[2, 3]),
        "it takes exactly 2 rows: export it with any number of rows (PyTorch: ",
    ),
    "all rows in one": (
        for_two_rows(node("MatMul", "x w", "s"), node("Reshape", "s t", "y"), output=[1, 6], t=[1, -1]),
        "it takes exactly 2 rows: ",
    ),
    "two rows that depend on each other": (
        for_two_rows(
            node("MatMul", "x w", "s"), node("ReduceMean", "s", "m", axes=[0]), node("Sub", "s m", "y"), output=[2, 3]
        ),
        "it takes exactly 2 rows: ",
    ),
    "does not run": (
        ending_with(node("Constant", "", "t", value_ints=[7, 5]), node("Reshape", "scores t", "y"), shape=(7, 5)),
        "ONNX Runtime cannot run it: ",
    ),
}


def refusal(capsys: Capture, *arguments: str) -> str:
    """Run `softmaxd models add`, which must fail with one line, and return this line."""
    code = main(["models", "add", *arguments])

    output, error = capsys.readouterr()
    assert (code, output) == (1, "")
    assert error.startswith("softmaxd: ")
    assert error.count("\n") == 1
    return error.removeprefix("softmaxd: ").rstrip("\n")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "classifier.onnx"
    onnx.save(logits_only(), path)
    return path


@pytest.mark.parametrize("name", REFUSED)
def test_a_graph_that_cannot_be_served_is_refused(name: str, file: Path, models: Path, capsys: Capture) -> None:
    graph, message = REFUSED[name]
    file.write_bytes(graph.SerializeToString())

    line = refusal(capsys, str(file), "--name", "iris", "--models-dir", str(models))

    assert line.startswith(f"{file}: {message}")
    assert not models.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "this is not an ONNX file: export the model to ONNX first"),
        (b"garbage", "this is not an ONNX file: export the model to ONNX first"),
        (logits_only().SerializeToString()[:-30], "this ONNX file is damaged or incomplete: copy or export it again"),
    ],
)
def test_a_file_that_is_no_onnx_file_is_refused(
    content: bytes, message: str, file: Path, models: Path, capsys: Capture
) -> None:
    file.write_bytes(content)

    line = refusal(capsys, str(file), "--name", "iris", "--models-dir", str(models))

    assert line == f"{file}: {message}"
    assert not models.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels", "a,b"], "--labels needs 3 names, one per class, but has 2"),
        (["--labels", "a,b,c,d"], "--labels needs 3 names, one per class, but has 4"),
        (["--labels", "a,b,a"], "--labels has the name 'a' twice"),
        (["--labels", "a,b,c:d"], "a label should have 1 to 200 characters, without colons and control characters: "),
        (["--labels", "a,b,c\td"], "a label should have 1 to 200 characters, without colons and control characters: "),
        (["--labels", "a,,c"], "a label should have 1 to 200 characters, without colons and control characters: "),
        (["--features", "x1"], "--features needs 2 names, one per feature, but has 1"),
        (["--features", "x1,x1"], "--features has the name 'x1' twice"),
        (["--features", "x1,"], "a feature's name should have 1 to 200 characters"),
        (
            ["--name", "../iris"],
            "--name should be 1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or a digit",
        ),
        (
            ["--name", ""],
            "--name should be 1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or a digit",
        ),
    ],
)
def test_names_that_do_not_fit_are_refused(
    options: list[str], message: str, file: Path, models: Path, capsys: Capture
) -> None:
    line = refusal(capsys, str(file), "--name", "iris", "--models-dir", str(models), *options)

    assert line.startswith(f"{file}: {message}")
    assert list(file.parent.iterdir()) == [file]


def test_the_models_own_labels_in_another_order_are_refused(file: Path, models: Path, capsys: Capture) -> None:
    names = numpy_helper.from_array(np.array(["a", "b", "c"], dtype=object), "names")
    nodes = [
        node("MatMul", "x w", "scores"),
        node("ArgMax", "scores", "best", axis=1, keepdims=0),
        node("ArrayFeatureExtractor", "names best", "label", domain="ai.onnx.ml"),
    ]
    graph = model(nodes, outputs=[*SCORES, tensor("label", [1, "n"], TensorProto.STRING)])
    graph.graph.initializer.append(names)
    onnx.save(graph, file)

    line = refusal(capsys, str(file), "--name", "iris", "--models-dir", str(models), "--labels", "c,b,a")

    assert line == f"{file}: --labels has the model's own labels in another order: they are a, b, c"


def test_names_may_have_blanks_around_their_commas(file: Path, models: Path) -> None:
    names = ["--labels", "a, b ,c d", "--features", "x1, x2"]

    assert main(["models", "add", str(file), "--name", "iris", "--models-dir", str(models), *names]) == 0

    manifest = Manifest.model_validate_json((models / "iris" / "1" / MANIFEST_FILE).read_bytes())
    assert manifest.labels == ("a", "b", "c d")
    assert [feature.name for feature in manifest.features] == ["x1", "x2"]


def test_names_may_stand_in_files_and_features_may_be_counted(file: Path, models: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("tench, Tinca tinca\ngoldfish\nshark\n")
    onnx.save(model([node("MatMul", "x w", "scores")], inputs=[tensor("x", ["n", "m"])], outputs=SCORES), file)
    names = ["--labels", f"@{tmp_path / 'labels.txt'}", "--features", "2"]

    assert main(["models", "add", str(file), "--name", "iris", "--models-dir", str(models), *names]) == 0

    manifest = Manifest.model_validate_json((models / "iris" / "1" / MANIFEST_FILE).read_bytes())
    assert manifest.labels == ("tench, Tinca tinca", "goldfish", "shark")
    assert [feature.name for feature in manifest.features] == ["x0", "x1"]


def test_a_file_that_is_too_large_is_not_even_read(file: Path, models: Path, capsys: Capture) -> None:
    with file.open("r+b") as content:
        content.truncate(MAX_MODEL_BYTES + 1)

    line = refusal(capsys, str(file), "--name", "iris", "--models-dir", str(models))

    assert line == "classifier.onnx has 536870913 bytes, more than the 536870912 that a model may have"


def test_weights_beside_the_file_are_packed_into_one_file(file: Path, models: Path, capsys: Capture) -> None:
    onnx.save(logits_only(), file, save_as_external_data=True, location="weights.data", size_threshold=0)

    assert main(["models", "add", str(file), "--name", "iris", "--models-dir", str(models), "--pack"]) == 0

    assert capsys.readouterr().out.endswith(f"published {models / 'iris' / '1'}\n")
    assert main(["models", "check", "--models-dir", str(models)]) == 0
    assert (models / "iris" / "1" / MODEL_FILE).stat().st_size > WEIGHTS.nbytes


def test_a_missing_file_of_weights_is_named(file: Path, models: Path, capsys: Capture) -> None:
    file.write_bytes(with_external_data().SerializeToString())

    line = refusal(capsys, str(file), "--name", "iris", "--models-dir", str(models), "--pack")

    assert line == f"No such file or directory: {file.parent / 'weights.bin'}"


def test_a_missing_file_is_named(models: Path, capsys: Capture) -> None:
    line = refusal(capsys, "/nowhere/iris.onnx", "--name", "iris", "--models-dir", str(models))

    assert line == "No such file or directory: /nowhere/iris.onnx"


def test_a_folder_of_models_that_cannot_be_written_is_named(file: Path, models: Path, capsys: Capture) -> None:
    models.write_text("a file")

    line = refusal(capsys, str(file), "--name", "iris", "--models-dir", str(models))

    assert line == f"Not a directory: {models / 'iris'}"


def test_a_name_is_needed(file: Path, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["models", "add", str(file)])

    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith("error: the following arguments are required: --name\n")


@pytest.mark.parametrize(
    ("arguments", "missing"), [([], "command"), (["models"], "action"), (["models", "add"], "FILE, --name")]
)
def test_missing_arguments_are_named(arguments: list[str], missing: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)

    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith(f"error: the following arguments are required: {missing}\n")


def python(code: str) -> tuple[int, str]:
    """Run code in a process of its own and return its exit code and standard error."""
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return result.returncode, result.stderr


def test_without_onnx_it_says_how_to_install_it(file: Path, models: Path) -> None:
    arguments = ["models", "add", str(file), "--name", "iris", "--models-dir", str(models)]
    install = pip_install("'softmaxd[add]'")
    without = "import sys; sys.modules['onnx'] = None; from softmaxd.cli.main import main"

    assert python(f"{without}; sys.exit(main({arguments}))") == (
        1,
        f"softmaxd: softmaxd models add needs packages that serving does not: {install}, or make add in a checkout\n",
    )


def test_serving_does_not_load_onnx() -> None:
    imports = "import sys, softmaxd.cli.main, softmaxd.server; from softmaxd.app import create_app"

    code, error = python(f"{imports}; sys.exit('onnx' in sys.modules)")

    assert (code, error) == (0, "")


def add(file: Path, models: Path) -> None:
    assert main(["models", "add", str(file), "--name", "iris", "--models-dir", str(models)]) == 0


def test_a_version_that_loads_but_does_not_run_is_broken(file: Path, models: Path, capsys: Capture) -> None:
    add(file, models)
    folder = models / "iris" / "1"
    nodes = [
        node("ReduceMax", "features", "most", axes=[1], keepdims=0),
        node("Cast", "most", "whole", to=TensorProto.INT64),
        node("Add", "whole seven", "place"),
        node("Gather", "table place", "logits"),  # there is one row in the table
        node("Softmax", "logits", "probabilities"),
    ]
    graph = model(
        nodes,
        inputs=[tensor("features", ["n", 2])],
        outputs=[tensor("logits", ["n", 3]), tensor("probabilities", ["n", 3])],
        constants={"seven": np.array([7]), "table": np.zeros((1, 3), np.float32)},
    )
    onnx.save(graph, folder / MODEL_FILE)
    manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
    changed = manifest.model_copy(update={"sha256": sha256(folder / MODEL_FILE)})
    (folder / MANIFEST_FILE).write_text(changed.model_dump_json())
    capsys.readouterr()

    code = main(["models", "check", "--models-dir", str(models)])

    assert code == 1
    assert "rejected: ONNX Runtime cannot run 1 rows: " in capsys.readouterr().out


def test_a_model_without_a_finite_answer_for_zeros_is_served(
    file: Path, models: Path, start_server: StartServer
) -> None:
    onnx.save(model([node("Log", "x", "l"), node("MatMul", "l w", "scores")], outputs=SCORES), file)
    add(file, models)

    server = start_server(models_dir=str(models))

    answers = [httpx.post(f"{server.url}/predict", json={"instances": [row]}) for row in ([0, 0], [1, 1])]
    assert [answer.status_code for answer in answers] == [422, 200]
    assert answers[0].json()["detail"][0]["msg"] == "Input should be numbers for which the model's output is finite"
    (served,) = httpx.get(f"{server.url}/models").json()["models"]
    assert served["notes"][0].startswith(f"made from {file.name}, by ")


def test_check_tells_which_version_is_broken_and_why(file: Path, models: Path, capsys: Capture) -> None:
    for _ in range(2):
        add(file, models)
    with (models / "iris" / "2" / MODEL_FILE).open("ab") as model_file:
        model_file.write(b"\0")
    capsys.readouterr()

    code = main(["models", "check", "--models-dir", str(models)])

    header, first, second = capsys.readouterr().out.splitlines()
    assert code == 1
    assert header.split() == ["model", "version", "state"]
    assert first.split() == ["iris", "1", "ready"]
    assert second.startswith("iris   2        rejected: model.onnx does not match its manifest: SHA-256 ")


def test_list_tells_why_a_version_has_no_description(file: Path, models: Path, capsys: Capture) -> None:
    add(file, models)
    (models / "iris" / "1" / "manifest.json").write_text("[")
    capsys.readouterr()

    code = main(["models", "list", "--models-dir", str(models)])

    _, row = capsys.readouterr().out.splitlines()
    assert code == 0
    assert row.split()[:6] == ["iris", "1", "–", "–", "–", "rejected:"]
    assert "manifest.json: the file: Invalid JSON" in row


@pytest.mark.parametrize(
    ("action", "columns"),
    [
        ("list", ["model", "version", "features", "labels", "accuracy", "bytes"]),
        ("check", ["model", "version", "state"]),
    ],
)
def test_an_empty_folder_has_no_models(action: str, columns: list[str], tmp_path: Path, capsys: Capture) -> None:
    code = main(["models", action, "--models-dir", str(tmp_path)])

    assert code == 0
    assert capsys.readouterr().out.split() == columns


@pytest.mark.parametrize("action", ["list", "check"])
def test_a_folder_that_does_not_exist_is_named(action: str, models: Path, capsys: Capture) -> None:
    code = main(["models", action, "--models-dir", str(models)])

    assert code == 1
    assert (
        capsys.readouterr().err == f"softmaxd: {models} is not a folder; set the folder of models with --models-dir\n"
    )
