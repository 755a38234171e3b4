"""Writes docs/settings.md from the class `Settings`: `make docs`."""

from pathlib import Path

from softmaxd.settings import settings_table

PAGE = Path(__file__).with_name("settings.md")

INTRODUCTION = """\
# Settings

Written by `make docs` from `service/softmaxd/settings.py`; change it there.

Every setting is an environment variable and an option of `softmaxd serve`; the option wins. Both are read once, at the
start. One that does not exist, or has a value that it cannot have, stops the start with exit code 2 and one line:

    $ SOFTMAXD_PORT=http softmaxd serve
    softmaxd: SOFTMAXD_PORT: Input should be a valid integer, unable to parse string as an integer

`make run` passes environment variables on: `SOFTMAXD_PORT=9000 make run`. For the container they stand under
`environment:` in `docker-compose.yml`; its image sets `SOFTMAXD_HOST` to `0.0.0.0`. `softmaxd health`, which container
health checks call, takes the host and the port in the same way.

| variable | option | default | |
| --- | --- | --- | --- |
"""


def settings_page() -> str:
    """Return the whole of docs/settings.md."""
    return f"{INTRODUCTION}{settings_table()}\n"


if __name__ == "__main__":
    PAGE.write_text(settings_page())
