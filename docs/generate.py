"""Writes docs/settings.md from the class `Settings`, and docs/openapi.json from the application: `make docs`."""

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

from softmaxd.app import create_app
from softmaxd.settings import Settings, settings_table

DOCS = Path(__file__).parent

INTRODUCTION = """\
# Settings

Written by `make docs` from `service/softmaxd/settings.py`; change it there.

Every setting is an environment variable and an option of `softmaxd serve`; the option wins. Both are read once, at the
start. An unknown setting or an invalid value stops the start with exit code 2 and one line:

    $ SOFTMAXD_PORT=http softmaxd serve
    softmaxd: SOFTMAXD_PORT: Input should be a valid integer, unable to parse string as an integer

`make run` passes environment variables on: `SOFTMAXD_PORT=9000 make run`. For the container, put them under
`environment:` in `docker-compose.yml`; its image sets `SOFTMAXD_HOST` to `0.0.0.0`. `softmaxd health` and
`softmaxd-healthcheck`, the health check of the image, take the same settings for host and port.

Kubernetes sets variables such as `SOFTMAXD_SERVICE_HOST` and `SOFTMAXD_PORT=tcp://10.0.0.1:8000` in each container if
there is a Service called `softmaxd`. They are no settings: the service ignores these names and forms, with one line.

| variable | option | default | |
| --- | --- | --- | --- |
"""


def settings_page() -> str:
    """Return the whole of docs/settings.md."""
    return f"{INTRODUCTION}{settings_table()}\n"


def openapi_document() -> str:
    """Return the whole of docs/openapi.json: the document of a service that has no models yet.

    It has no example of a reply either, because the last digits of a reply depend on the processor.
    """
    with TemporaryDirectory() as folder:
        document = create_app(Settings(models_dir=Path(folder))).openapi()
    for methods in document["paths"].values():
        for operation in methods.values():
            for content in operation["responses"]["200"]["content"].values():
                content.pop("examples", None)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    logging.disable()  # the empty models folder would be warned about
    (DOCS / "settings.md").write_text(settings_page())
    (DOCS / "openapi.json").write_text(openapi_document())
