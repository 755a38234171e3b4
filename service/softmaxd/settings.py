"""The settings, read once at the start: environment variables `SOFTMAXD_<NAME>`, then command-line options."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from softmaxd.errors import StartupError

ENV_PREFIX = "SOFTMAXD_"

# The variables that Kubernetes sets in every container for a Service called `softmaxd` or `softmaxd-…`: name, value.
SERVICE_LINK = re.compile(
    r"""SOFTMAXD_ ([A-Z0-9_]+_)? (
        SERVICE_HOST = [0-9a-f.:]+
      | SERVICE_PORT (_[A-Z0-9_]+)? = [0-9]+
      | PORT (_[0-9]+_(TCP|UDP|SCTP))? = (tcp|udp|sctp)://[][0-9a-f.:]+
      | PORT_[0-9]+_(TCP|UDP|SCTP)_PROTO = (tcp|udp|sctp)
      | PORT_[0-9]+_(TCP|UDP|SCTP)_PORT = [0-9]+
      | PORT_[0-9]+_(TCP|UDP|SCTP)_ADDR = [0-9a-f.:]+
    )""",
    re.VERBOSE,
)


class SettingsError(StartupError):
    """A setting that does not exist, or has an invalid value."""


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _not_empty(value: object) -> object:
    if value == "":  # which `Path` takes for the working directory
        raise ValueError("Input should not be empty")
    return value


def _has_key(keys: tuple[str, ...]) -> tuple[str, ...]:
    if not keys:  # a variable that was to have keys must not open the service
        raise ValueError("Input should have a key; unset it to answer anybody")
    return keys


def _known_share(value: object) -> object:
    try:
        is_share = 0 <= access_share(str(value)) <= 1
    except ValueError:
        is_share = False
    if not is_share:
        raise ValueError("Input should be all, errors, or a share between 0 and 1, like 0.01")
    return value


HostName = Annotated[str, Field(pattern=r"^([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$")]
Origin = Annotated[str, Field(pattern=r"^(\*|[a-z][a-z0-9+.-]*://[^/\sA-Z]+)$")]  # as browsers write it
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", min_length=1, description="The address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8000, description="The port; 0 picks a free one.")
    workers: PositiveInt = Field(1, le=256, description="Processes that serve on the same port.")
    tls_cert: Annotated[Path | None, BeforeValidator(_not_empty)] = Field(
        None,
        description="A PEM file with the chain of certificates: the service then speaks TLS only. Unset: no TLS.",
    )
    tls_key: Annotated[Path | None, BeforeValidator(_not_empty)] = Field(
        None, description="A PEM file with the private key, without a password. Unset: it is in `tls_cert`, too."
    )
    root_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9_.~-]+)*$",
        description="The prefix of the paths behind a proxy, like `/ml`. The proxy may strip it or not. Unset: none.",
    )
    allowed_hosts: Annotated[tuple[HostName, ...], BeforeValidator(_split)] = Field(
        (),
        description="Hosts, separated by commas, that the service answers for, each on any port unless it has one; "
        "requests with another `Host` get 421. Unset: any host.",
    )
    cors_origins: Annotated[tuple[Origin, ...], BeforeValidator(_split)] = Field(
        (),
        description="Origins, separated by commas, like `https://example.com`, whose pages may use the service from a "
        "browser; `*`: any. Unset: none.",
    )
    models_dir: Annotated[Path, BeforeValidator(_not_empty)] = Field(
        Path("models"),
        description="The folder of `<name>/<version>/` model folders; or the folder of one model or of one version, as "
        "KServe mounts it.",
    )
    default_model: str | None = Field(
        None,
        pattern=r"^[^/]*(/[1-9][0-9]{0,17})?$",
        description="The model of `POST /predict`, like `blobs`, or one version of it, like `blobs/1`. Unset: the only "
        "model, or `blobs` if there are several.",
    )
    required_models: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        (),
        description="Models, separated by commas, that must be served for the service to start and to be ready. "
        "Unset: none.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="`auto`: CUDA if it works, else the CPU. `cuda`: CUDA; the start fails without it. `cpu`: the CPU. "
        "[gpu.md](gpu.md) has the rest.",
    )
    threads: PositiveInt = Field(1, le=256, description="Threads of ONNX Runtime within one operator.")
    max_body_bytes: PositiveInt = Field(8 * 2**20, description="The most bytes in a body; more get 413.")
    max_inflight_bytes: PositiveInt = Field(
        64 * 2**20,
        description="The most bytes of bodies, features and answers that a process holds at once; more get 429. "
        "A request alone always fits.",
    )
    max_rows: PositiveInt = Field(100_000, description="The most rows in one request; more get 413.")
    max_answer_numbers: PositiveInt = Field(
        2_000_000,
        description="The most numbers in the JSON of one answer: rows × classes × fields. More get 413 before the "
        "model runs.",
    )
    max_answer_bytes: PositiveInt = Field(
        32 * 2**20,
        description="The most bytes of labels and of binary outputs in one answer. More get 413 before the model runs.",
    )
    max_queued_rows: PositiveInt = Field(200_000, description="The most rows that wait for one model; more get 429.")
    max_queued_seconds: PositiveFloat = Field(
        0.1,
        allow_inf_nan=False,
        description="Seconds of work that may wait for a slow model; more get 429. 12 requests may wait in any case.",
    )
    queue_timeout: PositiveFloat = Field(
        5.0, allow_inf_nan=False, description="Seconds that rows may wait for the engine; then they get 504."
    )
    run_timeout: PositiveFloat = Field(
        10.0, allow_inf_nan=False, description="Seconds that a model may take for a request; then it gets 504."
    )
    header_timeout: PositiveFloat = Field(
        10.0, allow_inf_nan=False, description="Seconds for the request line and headers to arrive; then 408."
    )
    request_timeout: PositiveFloat = Field(
        30.0,
        allow_inf_nan=False,
        description="Seconds for the whole request to arrive (then 408), and for a client that reads nothing.",
    )
    keep_alive_timeout: PositiveFloat = Field(
        75.0, allow_inf_nan=False, description="Seconds until an idle connection is closed."
    )
    drain_delay: NonNegativeFloat = Field(
        0.0,
        allow_inf_nan=False,
        description="Seconds after SIGTERM in which the service is not ready but still accepts connections: "
        "time for a proxy to notice.",
    )
    drain_timeout: PositiveFloat = Field(
        20.0, allow_inf_nan=False, description="Seconds after `drain_delay` for requests in flight to finish."
    )
    reload_interval: NonNegativeFloat = Field(
        1.0, allow_inf_nan=False, description="Seconds between checks for new model versions; 0 turns them off."
    )
    scan_timeout: PositiveFloat = Field(
        10.0,
        allow_inf_nan=False,
        description="Seconds for one look at the models folder; after that it counts as unreadable for now.",
    )
    trial_cpu_seconds: PositiveFloat = Field(
        15.0, le=3600, description="Seconds of CPU time for loading and running a new version on trial."
    )
    trial_timeout: PositiveFloat = Field(
        120.0,
        allow_inf_nan=False,
        description="Seconds for the same, waiting included, as on a busy machine; then it is tried again later.",
    )
    express: Literal["on", "off"] = Field(
        "on", description="`off`: every request takes the ASGI lane, which is slower; the responses are the same."
    )
    api_keys: Annotated[tuple[Sha256, ...], BeforeValidator(_split), AfterValidator(_has_key)] = Field(
        (),
        description="SHA-256 hashes, separated by commas, of the keys that clients need to predict and to read. "
        "Unset, and without `api_keys_file`: anybody may.",
    )
    api_keys_file: Annotated[Path | None, BeforeValidator(_not_empty)] = Field(
        None,
        description="A file with a key on each line, `<sha256> [scope,…] [model,…]`; it is read again when it changes. "
        "Unset: none.",
    )
    admin_keys: Annotated[tuple[Sha256, ...], BeforeValidator(_split)] = Field(
        (),
        description="SHA-256 hashes, separated by commas, of the keys that may do everything, also load and unload "
        "models over HTTP. Unset: only keys of `api_keys_file` with the scope `admin` may.",
    )
    metrics_access: Literal["key", "open"] = Field(
        "key",
        description="`key`: `/metrics` needs a key with the scope `read`, if clients need keys. `open`: anybody may "
        "read it.",
    )
    access_log: Annotated[str, AfterValidator(_known_share)] = Field(
        "errors",
        description="The requests that get a log line. `errors`: those with a 5xx and slow ones. `all`: every one. "
        "A share between 0 and 1, like `0.01`: so many of all, besides errors and slow ones.",
    )
    slow_request_seconds: PositiveFloat = Field(
        1.0,
        description="Seconds from the end of the head to the response, above which a request is slow; `inf`: none is.",
    )
    drift_dir: Annotated[Path | None, BeforeValidator(_not_empty)] = Field(
        None,
        description="A folder that keeps the evidence of drift over restarts. Unset: each start of the service begins "
        "anew.",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="`console`: text. `json`: one object per line. `auto`: text on a terminal, else `json`."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The lowest level of log lines to write."
    )

    @property
    def needs_keys(self) -> bool:
        """True if clients need a key to predict and to read."""
        return bool(self.api_keys) or self.api_keys_file is not None

    @property
    def scheme(self) -> str:
        """The scheme of the service's URLs."""
        return "http" if self.tls_cert is None else "https"


def read_settings(environment: Mapping[str, str], options: Mapping[str, str]) -> Settings:
    """Return the settings of the environment, overridden by the command-line options, which are keyed by setting.

    Raises `SettingsError` for an unknown or invalid one, with one line that names the variable or option.
    """
    ignored = service_links(environment)
    variables = [key for key in environment if key.startswith(ENV_PREFIX) and key not in ignored]
    values = {key.removeprefix(ENV_PREFIX).lower(): environment[key] for key in variables}
    try:
        return Settings.model_validate({**values, **options})
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][0])
        source = option_name(name) if name in options else ENV_PREFIX + name.upper()
        known = name in Settings.model_fields
        message = problem["msg"].removeprefix("Value error, ")  # of a check of ours
        raise SettingsError(f"{source}: {message if known else 'there is no such setting'}") from error


def access_share(access_log: str) -> float:
    """Return the share of requests that get a log line, besides those with errors and slow ones.

    Raises `ValueError` if the setting is no number.
    """
    return float({"all": 1, "errors": 0}.get(access_log, access_log))


def service_links(environment: Mapping[str, str]) -> list[str]:
    """Return the variables that Kubernetes sets for a Service of our name, sorted; they are no settings."""
    return sorted(key for key, value in environment.items() if SERVICE_LINK.fullmatch(f"{key}={value}"))


def option_name(setting: str) -> str:
    """Return the command-line option of a setting: `--models-dir` for `models_dir`."""
    return "--" + setting.replace("_", "-")


def settings_table() -> str:
    """Return the settings as rows of a Markdown table."""
    return "\n".join(
        f"| `{ENV_PREFIX}{name.upper()}` | `{option_name(name)}` | "
        f"{'–' if field.default in (None, (), '') else f'`{field.default}`'} | {field.description} |"
        for name, field in Settings.model_fields.items()
    )
