import pytest

from softmaxd.http.hosts import Hosts, is_address, is_loopback


def allows(allowed: list[str], *hosts: str, any_address: bool = False) -> bool:
    headers = [(b"accept", b"*/*"), *((b"host", host.encode("latin-1")) for host in hosts)]
    return Hosts(allowed).allow(headers, any_address=any_address)


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("example.com", "example.com"),
        ("example.com", "example.com:8000"),
        ("example.com", "EXAMPLE.com."),
        ("example.com", "example.com:"),
        ("Example.com", "example.com"),
        ("example.com:8000", "example.com:8000"),
        ("127.0.0.1", "127.0.0.1:8000"),
        ("[::1]", "[::1]"),
        ("[::1]", "[::1]:8000"),
        ("[::1]", "[0:0:0:0:0:0:0:1]:8000"),
        ("[0::1]:8000", "[::1]:8000"),
    ],
)
def test_a_host_of_the_setting_is_allowed_in_any_spelling(allowed: str, host: str) -> None:
    assert allows(["other.example", allowed], host)


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("example.com", "example.org"),
        ("example.com", "www.example.com"),
        ("example.com", "example.com.evil.test"),
        ("example.com", "example.com@evil.test"),
        ("example.com", "example.com/"),
        ("example.com", "example.com:80:80"),
        ("example.com", "example.com:x"),
        ("example.com", ""),
        ("example.com", "\xff"),
        ("example.com:8000", "example.com"),
        ("example.com:8000", "example.com:80"),
        ("[::1]", "[::2]"),
        ("[::1]", "::1"),
        ("[::1]:1", "[::1]:2"),
        ("127.0.0.1", "localhost"),
    ],
)
def test_another_host_is_not_allowed(allowed: str, host: str) -> None:
    assert not allows(["other.example", allowed], host)


def test_without_a_setting_any_host_is_allowed() -> None:
    assert allows([], "evil.test")
    assert allows([])


def test_no_host_and_two_hosts_are_not_allowed() -> None:
    assert not allows(["example.com"])
    assert not allows(["example.com"], "example.com", "example.com")


def test_a_supervisor_may_ask_by_address() -> None:
    assert allows(["example.com"], "10.0.3.7:8000", any_address=True)
    assert allows(["example.com"], "localhost:8000", any_address=True)
    assert allows(["example.com"], "example.com", any_address=True)
    assert not allows(["example.com"], "evil.test", any_address=True)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("box", False)],  # noqa: S104
)
def test_a_loopback_is_this_machine_only(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("10.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1.test", False), ("", False)],
)
def test_an_address_is_no_name(name: str, expected: bool) -> None:
    assert is_address(name) == expected
