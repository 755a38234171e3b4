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


@pytest.mark.parametrize("text", ["file:///srv/store", "FILE:///srv/store", "local:///srv/store"])
def test_a_folder_is_given_as_its_path(text: str) -> None:
    with pytest.raises(Refused, match=r"^a folder of this machine is given as its path, such as /srv/store$"):
        open_store(text)


@pytest.mark.parametrize("text", ["/srv/store/blobs-1.tar", "s3://bucket/blobs-1.tar"])
def test_one_archive_comes_only_from_a_web_server(text: str) -> None:
    with pytest.raises(Refused, match=r"^one archive comes only from a web server: give the folder or the bucket that"):
        open_store(text)


def test_object_storage_needs_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(StartupError, match=r"^object storage needs packages that serving does not: .* 'softmaxd\[stor"):
        open_store("s3://bucket")
