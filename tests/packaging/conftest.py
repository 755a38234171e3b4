from pathlib import Path

import pytest

from tests.support.release import Release, build


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The sdist and the wheel of the sources as they are."""
    folder: Path = tmp_path_factory.mktemp("release")
    return build(folder)
