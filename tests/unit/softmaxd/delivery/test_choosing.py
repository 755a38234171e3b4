"""A store is chosen by its form."""

import importlib.util

import pytest

from softmaxd.delivery.choosing import open_shelf, open_store
from softmaxd.delivery.folder import Folder
from softmaxd.delivery.objects import Objects
from softmaxd.delivery.web import Web
from softmaxd.errors import Refused, StartupError


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("https://host/folder", Web),
        ("HTTP://localhost/folder", Web),
        ("memory://folder", Objects),
        ("folder", Folder),
        ("/srv/store", Folder),
        ("C:\\store", Folder),
    ],
)
def test_the_form_decides(text: str, kind: type[object]) -> None:
    assert type(open_store(text)) is kind


def test_a_web_server_takes_no_files() -> None:
    with pytest.raises(Refused, match=r"^a web server takes no files: push to the folder that it serves, or to object"):
        open_shelf("https://host/folder")


def test_object_storage_needs_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(StartupError, match=r"^object storage needs packages that serving does not: .* 'softmaxd\[stor"):
        open_store("s3://bucket")
