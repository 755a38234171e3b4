"""The manifests in each form in which they are meant to be used."""

from collections.abc import Callable

import pytest

from tests.support.kubernetes.manifests import COMPONENTS, FOLDER, render, render_components
from tests.support.kubernetes.schemas import Object

TOGETHER = [name for name in COMPONENTS if name != "models-pull"]  # models come in one way
FORMS = ["base", *COMPONENTS, "together", "production", "kserve"]


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Object]]:
    """Return the objects of a form, which is rendered once."""
    known: dict[str, list[Object]] = {}

    def find(form: str) -> list[Object]:
        if form not in known:
            names = TOGETHER if form == "together" else [form]
            is_component = set(names) <= set(COMPONENTS)
            folder = tmp_path_factory.mktemp("form")
            known[form] = render_components(names, folder) if is_component else render(FOLDER / form)
        return known[form]

    return find


@pytest.fixture(params=FORMS)
def objects(request: pytest.FixtureRequest, rendered: Callable[[str], list[Object]]) -> list[Object]:
    """The objects of one form after the other."""
    return rendered(request.param)
