"""Versions on their way: to replicas without a shared disk, through servers that fail, and out of an S3."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from softmaxd.models.loading import read_manifest
from tests.support.command import softmaxd
from tests.support.onnx_models import linear, publish
from tests.support.paths import REPOSITORY
from tests.support.processes import forget, start
from tests.support.server import StartServer
from tests.support.waiting import until
from tests.support.web_store import WebStore, cut, serving, silent

ROW = {"instances": [[0.5, 0.25]]}


def publish_version(models: Path, version: int) -> None:
    """Publish a version of `linear` that prefers another label than the versions before."""
    bias = [0.0, 0.0, 0.0]
    bias[version % 3] = 20
    publish(models, version, linear(bias).SerializeToString())


def push(store: str, models: Path) -> str:
    """Push the newest version of `linear`, and return its SHA-256."""
    code, output, error = softmaxd("models", "push", store, "linear", "--models-dir", str(models))
    assert code == 0, error
    return output.split()[-1]


def pull(store: str, models: Path, *options: str) -> tuple[int, str, str]:
    return softmaxd("models", "pull", store, "linear", *options, "--models-dir", str(models))


def answer(url: str) -> tuple[object, object]:
    """Return the version that answers, and the most probable label."""
    answered = httpx.post(f"{url}/models/linear/predict", json={**ROW, "top_k": 1}).raise_for_status().json()
    return answered["version"], answered["top"][0][0]["label"]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebStore]:
    (tmp_path / "store").mkdir()
    with serving(tmp_path / "store") as server:
        yield server


def test_two_replicas_pull_a_version_and_serve_it(tmp_path: Path, web: WebStore, start_server: StartServer) -> None:
    source, replicas = tmp_path / "source", [tmp_path / "a", tmp_path / "b"]
    publish_version(source, 1)
    first = push(str(web.folder), source)
    for models in replicas:
        assert pull(web.url, models)[:2] == (0, f"published {models}/linear/1\n")
    servers = [start_server(models_dir=str(models), reload_interval="0.1") for models in replicas]
    before = [answer(server.url) for server in servers]

    publish_version(source, 2)
    second = push(str(web.folder), source)
    web.faults = [cut(1000)]
    pulled = [pull(web.url, models) for models in replicas]
    until(lambda: all(answer(server.url)[0] == "2" for server in servers))

    assert before == [("1", "b")] * 2
    assert [code for code, _, _ in pulled] == [0, 0]
    assert "resuming after 1,000 bytes" in pulled[0][2]
    assert [answer(server.url) for server in servers] == [("2", "c")] * 2
    assert [read_manifest(models / "linear" / "2").sha256 for models in replicas] == [
        read_manifest(source / "linear" / "2").sha256
    ] * 2
    assert first != second


def test_a_pull_that_is_ended_leaves_no_version_and_the_next_one_goes_on(tmp_path: Path, web: WebStore) -> None:
    publish_version(tmp_path / "source", 1)
    digest = push(str(web.folder), tmp_path / "source")
    web.faults = [silent]
    command = [
        sys.executable,
        "-m",
        "softmaxd",
        "models",
        "pull",
        web.url,
        "linear",
        "--models-dir",
        str(tmp_path / "a"),
    ]
    killed = start(command, cwd=REPOSITORY)
    part = tmp_path / "a" / "linear" / f".pulled-{digest}"
    until(lambda: web.ranges("linear-1.tar"))
    os.killpg(killed.pid, signal.SIGTERM)
    killed.communicate()
    forget(killed)
    left = [path.name for path in (tmp_path / "a" / "linear").iterdir()]

    code, output, _ = pull(web.url, tmp_path / "a")

    assert killed.returncode == 128 + signal.SIGTERM
    assert left == [part.name]
    assert (code, output) == (0, f"published {tmp_path}/a/linear/1\n")
    assert [path.name for path in (tmp_path / "a" / "linear").iterdir()] == ["1"]


def test_a_replica_follows_a_store(tmp_path: Path, web: WebStore, start_server: StartServer) -> None:
    source, models = tmp_path / "source", tmp_path / "a"
    models.mkdir()
    command = [sys.executable, "-m", "softmaxd", "models", "pull", web.url, "linear", "--watch", "1", "--models-dir"]
    follower = start([*command, models], cwd=REPOSITORY)
    server = start_server(models_dir=str(models), reload_interval="0.1")
    for version in (1, 2):
        publish_version(source, version)
        push(str(web.folder), source)
        url = f"{server.url}/models/linear/versions/{version}"
        until(lambda: httpx.get(url).status_code == 200)  # noqa: B023 - it is called at once

    os.killpg(follower.pid, signal.SIGTERM)
    error = follower.communicate()[1]
    forget(follower)

    assert answer(server.url) == ("2", "c")
    assert follower.returncode == 128 + signal.SIGTERM
    lines = error.splitlines()
    assert lines[0] == f"softmaxd: {web.url}/linear.versions: the server answers 404 Not Found"
    assert lines.count(lines[0]) == 1


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket of an S3 on this machine."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "id")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "key")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("s3")
        client.create_bucket(Bucket="models")
        client.close()
        yield "models"
    server.stop()


def test_a_version_goes_through_s3(tmp_path: Path, bucket: str) -> None:
    store, place = f"s3://{bucket}/production", f"s3://{bucket}/production/linear-1.tar"
    publish_version(tmp_path / "source", 1)
    digest = push(store, tmp_path / "source")
    again = softmaxd("models", "push", store, "linear", "--models-dir", str(tmp_path / "source"))
    content = boto3_object(bucket, "production/linear-1.tar")
    part = tmp_path / "a" / "linear" / f".pulled-{digest}"
    part.parent.mkdir(parents=True)
    part.write_bytes(content[:1000])

    code, output, error = pull(store, tmp_path / "a")

    size = f"{len(content):,}"
    assert again == (0, f"there already: {place}\nSHA-256 {digest}\n", "")
    assert (code, output) == (0, f"published {tmp_path}/a/linear/1\n")
    assert error.splitlines() == [
        f"softmaxd: {place}: resuming after 1,000 bytes",
        f"softmaxd: {place}: {size} of {size} bytes",
    ]
    assert read_manifest(tmp_path / "a" / "linear" / "1").name == "linear"


def boto3_object(bucket: str, name: str) -> bytes:
    client = boto3.client("s3")
    content: bytes = client.get_object(Bucket=bucket, Key=name)["Body"].read()
    client.close()
    return content


def test_a_version_in_s3_never_changes(tmp_path: Path, bucket: str) -> None:
    store = f"s3://{bucket}/other"
    for folder, bias in (("first", 1.0), ("second", 2.0)):
        publish(tmp_path / folder, 1, linear((bias, 0, 0)).SerializeToString())
    digest = push(store, tmp_path / "first")

    code, _, error = softmaxd("models", "push", store, "linear", "--models-dir", str(tmp_path / "second"))

    assert code == 1
    assert f"{store}/linear-1.tar has another content (SHA-256 {digest}, not " in error


def test_s3_tells_about_objects_and_buckets_that_are_not_there(tmp_path: Path, bucket: str) -> None:
    publish_version(tmp_path / "source", 1)

    missing = pull(f"s3://{bucket}/nothing", tmp_path / "a")
    nowhere = softmaxd("models", "push", "s3://none/x", "linear", "--models-dir", str(tmp_path / "source"))

    assert missing == (1, "", f"softmaxd: there is no s3://{bucket}/nothing/linear.versions\n")
    reason = "s3://none/x/linear-1.tar cannot be written: there is no such bucket or folder"
    assert nowhere == (1, "", f"softmaxd: {reason}\n")


def test_a_push_into_an_s3_that_says_nothing_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_version(tmp_path / "source", 1)
    with socket.create_server(("127.0.0.1", 0)) as listening:  # connections are made, and nobody reads
        for name, value in {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "key", "DEFAULT_REGION": "us-east-1"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listening.getsockname()[1]}")
        ended = softmaxd(
            "models", "push", "s3://models", "linear", "--timeout", "10", "--models-dir", str(tmp_path / "source")
        )

    assert ended == (1, "", "softmaxd: s3://models/linear-1.tar is not complete after 10 s (--timeout)\n")
