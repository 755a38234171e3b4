import pytest

from softmaxd_training import demonstrations
from tests.support.paths import MODELS


@pytest.mark.parametrize(("name", "text"), [("blobs/2", demonstrations.BLOBS), ("digits/1", demonstrations.DIGITS)])
def test_the_committed_card_has_every_plain_line_of_the_text(name: str, text: str) -> None:
    lines = (MODELS / name / "card.md").read_text(encoding="utf-8").splitlines()

    plain = [line for line in text.splitlines() if "{" not in line]
    assert [line for line in plain if line not in lines] == []
    assert len(plain) > 30
