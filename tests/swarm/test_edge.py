"""The edge of the stack: a certificate that is replaced, and one that HAProxy cannot use."""

import ssl
from pathlib import Path

from tests.support.edge import make_certificate
from tests.support.swarm import EDGE, PORT, Stack

LOOKS = 20  # two a second


def served(stack: Stack) -> str:
    """Return the certificate that the edge shows, or nothing while it is away."""
    try:
        return ssl.get_server_certificate((stack.manager.address, PORT), timeout=2).strip()
    except OSError:
        return ""


def wait_until_settled(stack: Stack) -> None:
    """Wait until the edge is the same one for 10 s: after a rollback, swarm replaces it once more."""
    seen = []

    def is_settled() -> bool:
        seen.append(stack.edge_container(stack.manager))
        return len(seen) >= LOOKS and len({*seen[-LOOKS:]}) == 1 and bool(seen[-1])

    stack.wait(is_settled)


def test_a_new_certificate_is_served_after_a_deployment(
    stack: Stack, images: dict[str, str], certificate: Path, tmp_path: Path
) -> None:
    new, key = make_certificate(tmp_path)
    (tmp_path / "edge.pem").write_text(new.read_text() + key.read_text())
    assert served(stack) == certificate.read_text().strip()

    stack.deploy(images["1"], replicas=2, EDGE_CERTIFICATES=str(tmp_path))
    stack.wait(lambda: served(stack) == new.read_text().strip())
    stack.deploy(images["1"], replicas=2)
    stack.wait(lambda: served(stack) == certificate.read_text().strip())
    stack.wait(lambda: stack.update_state(EDGE) == "completed")

    assert stack.update_state() == "none"  # no replica was replaced


def test_a_certificate_that_haproxy_cannot_use_is_taken_back(
    stack: Stack, images: dict[str, str], certificate: Path, tmp_path: Path
) -> None:
    (tmp_path / "edge.pem").write_text("no certificate")

    stack.deploy(images["1"], replicas=2, EDGE_CERTIFICATES=str(tmp_path))
    stack.wait(lambda: stack.update_state(EDGE).startswith("rollback_"))
    wait_until_settled(stack)

    assert served(stack) == certificate.read_text().strip()
    stack.ask("service", "update", "--force", "--detach", EDGE)  # the rollback itself may never be completed
    stack.wait(lambda: stack.update_state(EDGE) == "completed")
    wait_until_settled(stack)
    assert served(stack) == certificate.read_text().strip()
