"""Debian's HAProxy with deploy/haproxy/haproxy.cfg, in front of replicas that have addresses of loopback."""

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.support.names import Names
from tests.support.paths import REPOSITORY
from tests.support.processes import forget, start
from tests.support.skipping import skip_outside_ci
from tests.support.waiting import until

CONFIGURATION = REPOSITORY / "deploy" / "haproxy" / "haproxy.cfg"
UP = re.compile(r'^haproxy_server_status\{proxy="replicas",server="[^"]+",state="UP"\} 1$', re.MULTILINE)
HOSTS = [f"127.0.0.{number}" for number in range(2, 5)]  # addresses for replicas


def need(program: str, package: str) -> None:
    """Skip the test where a program is missing; fail it in CI."""
    if shutil.which(program) is None:
        skip_outside_ci(f"{program} is not installed; Debian has it in the package {package}")


def openssl(*arguments: str | Path) -> None:
    """Run a command of OpenSSL, which must succeed."""
    need("openssl", "openssl")
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def make_expired(folder: Path, certificate: Path, key: Path) -> Path:
    """Write a certificate like this one, of the same key, that was valid until yesterday."""
    expired = folder / "expired.pem"
    openssl("x509", "-in", certificate, "-signkey", key, "-days", "-1", "-out", expired)
    return expired


def make_certificate(folder: Path, *options: str) -> tuple[Path, Path]:
    """Write a certificate for localhost that signs itself, with these options of openssl, and its private key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    openssl("req", "-x509", *kind, *names, *options, "-keyout", key, "-out", certificate)
    return certificate, key


def free_port(*hosts: str) -> int:
    """Return a port that is free on all of these addresses."""
    while True:
        with socket.create_server((hosts[0], 0)) as first:
            port: int = first.getsockname()[1]
        try:
            for host in hosts:
                socket.create_server((host, port)).close()
        except OSError:
            continue
        return port


def own_metrics(url: str) -> str:
    """Return the metrics of a HAProxy itself, or nothing before it has started."""
    try:
        return httpx.get(url).text
    except httpx.TransportError:
        return ""


def replicas_up(url: str) -> int:
    """Return the number of replicas that get requests, by the metrics of a HAProxy."""
    return len(UP.findall(own_metrics(url)))


def make_image(tag: str) -> None:
    """Make an image of this machine's HAProxy in place of the published one, which no test downloads."""
    need("haproxy", "haproxy")
    program = shutil.which("haproxy") or ""
    libraries = re.findall(r"/\S+(?= \(0x)", subprocess.check_output(["ldd", program], text=True))
    options = ["-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
    changes = [f"CMD {json.dumps([program, *options])}", "USER 99:99"]  # as the published one
    files = subprocess.check_output(["tar", "--create", "--dereference", "--absolute-names", program, *libraries])
    command = ["docker", "import", *(f"--change={change}" for change in changes), "-", tag]
    subprocess.run(command, input=files, check=True, capture_output=True)


class Edge:
    """A running HAProxy. `names` has the addresses of the replicas; all of them have the same port."""

    def __init__(
        self,
        folder: Path,
        names: Names,
        port: int,
        settings: Mapping[str, str] | None = None,
        *,
        configuration: Path = CONFIGURATION,
    ) -> None:
        need("haproxy", "haproxy")
        self.names = names
        self.certificate = self._certify(folder)
        self.lines: list[str] = []
        self._folder = folder
        self.port, own = free_port("127.0.0.1"), free_port("127.0.0.1")
        self.own_url = f"http://127.0.0.1:{own}/metrics"
        self.environment = {
            "EDGE_BIND": f"127.0.0.1:{self.port}",
            "EDGE_OWN_BIND": f"127.0.0.1:{own}",
            "EDGE_CERTIFICATE": str(folder / "edge.pem"),
            "EDGE_DNS": f"127.0.0.1:{names.port}",
            "EDGE_REPLICAS": f"softmaxd:{port}",
            "EDGE_REQUESTS_IN_10_S": "10000000",
            **(settings or {}),
        }
        environment = {**os.environ, **self.environment}
        self.process = start(["haproxy", "-W", "-db", "-f", configuration], cwd=REPOSITORY, env=environment)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @staticmethod
    def _certify(folder: Path) -> Path:
        certificate, key = make_certificate(folder)
        (folder / "edge.pem").write_text(certificate.read_text() + key.read_text())
        return certificate

    def renew(self) -> None:
        """Replace the certificate."""
        self._certify(self._folder)
        self.process.send_signal(signal.SIGUSR2)

    def __enter__(self) -> "Edge":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        forget(self.process)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(self.process.stderr)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def context(self) -> ssl.SSLContext:
        """What a client needs that trusts the certificate."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def own_metrics(self) -> str:
        """Return the metrics of HAProxy itself, or nothing before it has started."""
        return own_metrics(self.own_url)

    def replicas_up(self) -> int:
        """Return the number of replicas that get requests."""
        return replicas_up(self.own_url)

    def wait_for(self, replicas: int) -> None:
        """Wait until so many replicas get requests."""
        until(lambda: self.replicas_up() == replicas)
