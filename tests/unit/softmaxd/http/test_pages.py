import pytest

from softmaxd.http.pages import Assets
from tests.support.asgi import ask

ASSETS = Assets(packages=[("fastapi_swagger", "resources")])


@pytest.mark.parametrize("value", ["bytes=0-0", "bytes=x", "bytes=99999999-"])
def test_a_file_is_sent_whole_also_if_a_range_is_asked_for(value: str) -> None:
    whole = ask(ASSETS, "GET", "/swagger-ui.css")

    response = ask(ASSETS, "GET", "/swagger-ui.css", headers={"Range": value})

    assert (response.status_code, response.content) == (200, whole.content)
