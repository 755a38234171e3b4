from pathlib import Path

import pytest
from pydantic import ValidationError

from softmaxd.settings import Settings, SettingsError, access_share, option_name, read_settings, service_links


def test_the_environment_is_read_by_its_prefix() -> None:
    settings = read_settings({"SOFTMAXD_PORT": "9000", "PORT": "1", "PATH": "/bin"}, {})

    assert settings == Settings(port=9000)


def test_an_option_wins_over_the_environment() -> None:
    assert read_settings({"SOFTMAXD_PORT": "9000"}, {"port": "9001"}).port == 9001


def test_a_misspelt_variable_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^SOFTMAXD_PROT: there is no such setting$"):
        read_settings({"SOFTMAXD_PROT": "9000"}, {})


SERVICE_LINKS = {  # as Kubernetes sets them for the Services softmaxd and softmaxd-canary
    "SOFTMAXD_SERVICE_HOST": "10.43.1.39",
    "SOFTMAXD_SERVICE_PORT": "8000",
    "SOFTMAXD_SERVICE_PORT_HTTP": "8000",
    "SOFTMAXD_PORT": "tcp://10.43.1.39:8000",
    "SOFTMAXD_PORT_8000_TCP": "tcp://10.43.1.39:8000",
    "SOFTMAXD_PORT_8000_TCP_PROTO": "tcp",
    "SOFTMAXD_PORT_8000_TCP_PORT": "8000",
    "SOFTMAXD_PORT_8000_TCP_ADDR": "10.43.1.39",
    "SOFTMAXD_CANARY_SERVICE_HOST": "fd00::1f",
    "SOFTMAXD_CANARY_PORT": "udp://[fd00::1f]:53",
    "SOFTMAXD_CANARY_PORT_53_UDP_PROTO": "udp",
}


def test_the_variables_that_kubernetes_sets_for_a_service_are_no_settings() -> None:
    environment = {**SERVICE_LINKS, "SOFTMAXD_MAX_ROWS": "7", "PATH": "/bin"}

    assert read_settings(environment, {}) == Settings(max_rows=7)
    assert service_links(environment) == sorted(SERVICE_LINKS)


@pytest.mark.parametrize(
    "variable",
    [
        "SOFTMAXD_PORT=tcp://",
        "SOFTMAXD_PORT=http://10.43.1.39:8000",
        "SOFTMAXD_PORT=tcp://10.43.1.39:8000/path",
        "SOFTMAXD_SERVICE_HOST=example.org",
        "SOFTMAXD_SERVICE_PORT=http",
        "SOFTMAXD_PORT_8000_TCP_PROTO=http",
        "SOFTMAXD_CANARY_PORT=8000",
        "SOFTMAXD_PORT_HTTP=8000",
    ],
)
def test_other_forms_of_them_stop_the_start(variable: str) -> None:
    name, _, value = variable.partition("=")

    with pytest.raises(SettingsError, match=f"^{name}: "):
        read_settings({name: value}, {})


@pytest.mark.parametrize(
    ("environment", "options", "named"),
    [
        ({"SOFTMAXD_PORT": "x"}, {}, "SOFTMAXD_PORT: "),
        ({}, {"max_rows": "-1"}, "--max-rows: "),
        ({"SOFTMAXD_QUEUE_TIMEOUT": "inf"}, {}, "SOFTMAXD_QUEUE_TIMEOUT: "),
        ({"SOFTMAXD_HOST": ""}, {}, "SOFTMAXD_HOST: "),
    ],
)
def test_an_invalid_value_is_named_by_its_source(
    environment: dict[str, str], options: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{named}"):
        read_settings(environment, options)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described(name: str) -> None:
    assert (Settings.model_fields[name].description or "").endswith(".")
    assert option_name(name) == "--" + name.replace("_", "-")


def test_hashes_of_keys_are_separated_by_commas() -> None:
    settings = read_settings({"SOFTMAXD_ADMIN_KEYS": f"{'a' * 64}, {'0' * 64},"}, {})

    assert settings.admin_keys == ("a" * 64, "0" * 64)


def test_a_variable_for_keys_that_has_none_does_not_open_the_service() -> None:
    for value in ("", " , "):
        with pytest.raises(SettingsError, match=r"^SOFTMAXD_API_KEYS: .*Input should have a key"):
            read_settings({"SOFTMAXD_API_KEYS": value}, {})
    with pytest.raises(SettingsError, match=r"^SOFTMAXD_API_KEYS_FILE: .*not be empty"):
        read_settings({"SOFTMAXD_API_KEYS_FILE": ""}, {})


def test_clients_need_keys_once_some_are_configured() -> None:
    assert not Settings().needs_keys
    assert not Settings(admin_keys=("a" * 64,)).needs_keys
    assert Settings(api_keys=("a" * 64,)).needs_keys
    assert Settings(api_keys_file=Path("keys")).needs_keys


def test_a_key_itself_is_not_taken_for_its_hash() -> None:
    with pytest.raises(SettingsError, match=r"^SOFTMAXD_ADMIN_KEYS: "):
        read_settings({"SOFTMAXD_ADMIN_KEYS": "secret"}, {})


@pytest.mark.parametrize("root_path", ["", "/ml", "/a/b-c_d.e~1"])
def test_a_prefix_is_a_plain_path(root_path: str) -> None:
    assert Settings(root_path=root_path).root_path == root_path


@pytest.mark.parametrize("root_path", ["/", "ml", "/ml/", "//ml", "/m%6c", "/m l", "/ml\n", "/ml?"])
def test_another_prefix_is_refused(root_path: str) -> None:
    with pytest.raises(SettingsError, match=r"^SOFTMAXD_ROOT_PATH: "):
        read_settings({"SOFTMAXD_ROOT_PATH": root_path}, {})


def test_hosts_and_origins_are_separated_by_commas() -> None:
    environment = {
        "SOFTMAXD_ALLOWED_HOSTS": "example.com, 127.0.0.1:8000,[::1],softmaxd_1",
        "SOFTMAXD_CORS_ORIGINS": "https://example.com,http://[::1]:3000,chrome-extension://abc",
    }

    settings = read_settings(environment, {})

    assert settings.allowed_hosts == ("example.com", "127.0.0.1:8000", "[::1]", "softmaxd_1")
    assert settings.cors_origins == ("https://example.com", "http://[::1]:3000", "chrome-extension://abc")
    assert Settings(cors_origins=("*",)).cors_origins == ("*",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allowed_hosts", "https://example.com"),
        ("allowed_hosts", "::1"),
        ("allowed_hosts", "*.example.com"),
        ("allowed_hosts", "example.com:http"),
        ("cors_origins", "example.com"),
        ("cors_origins", "https://example.com/"),
        ("cors_origins", "https://Example.com"),
        ("cors_origins", "null"),
    ],
)
def test_a_host_or_an_origin_in_another_form_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^SOFTMAXD_{name.upper()}: "):
        read_settings({f"SOFTMAXD_{name.upper()}": value}, {})


@pytest.mark.parametrize(
    ("value", "share"), [("all", 1), ("errors", 0), ("0.01", 0.01), ("0", 0), ("1", 1), ("1e-3", 0.001)]
)
def test_the_access_log_takes_a_word_or_a_share(value: str, share: float) -> None:
    settings = read_settings({"SOFTMAXD_ACCESS_LOG": value}, {})

    assert access_share(settings.access_log) == share


@pytest.mark.parametrize("value", ["", "ALL", "off", "1.01", "-0.1", "nan", "inf", "1%"])
def test_another_access_log_is_refused_with_the_values_that_there_are(value: str) -> None:
    message = r"^SOFTMAXD_ACCESS_LOG: Input should be all, errors, or a share between 0 and 1"

    with pytest.raises(SettingsError, match=message):
        read_settings({"SOFTMAXD_ACCESS_LOG": value}, {})
