"""The calls in the documents work when pasted, and answer as printed under them."""

import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.documents import EXAMPLE, NUMBER, PRINTED_HOST, PRINTED_URL, words
from tests.support.paths import REPOSITORY
from tests.support.skipping import skip_outside_ci

PRINTED_VERSION = "2"  # of the blobs classifier, whose answers are printed
RUN = {
    "sh": ["sh", "-c"],
    "python": [sys.executable, "-c"],
    "js": ["node", "--input-type=module", "--eval"],
}
NEEDS = {"sh": "curl", "python": sys.executable, "js": "node"}
FLOAT32_DIGITS = 9
FLOAT32 = 1e-5  # the order in which a processor adds moves the printed probabilities by up to 7e-6
FLOAT64 = 1e-15  # NumPy's exponential has other last digits on other processors


@dataclass(frozen=True, slots=True)
class Call:
    """A fenced example, and the answer printed under it."""

    place: str
    language: str
    code: str
    answer: str


def calls(document: str) -> Iterator[Call]:
    """Give the examples of a document that ask the service."""
    text = (REPOSITORY / document).read_text()
    for example in EXAMPLE.finditer(text):
        language, code, answer = example.groups(default="")
        if language != "sh" or "curl" in code:
            line = 1 + text.count("\n", 0, example.start())
            yield Call(f"{document}:{line}", language, code, answer)


README = list(calls("README.md"))
CALLS = [*README, *calls("docs/api.md"), *calls("docs/client.md"), *calls("docs/protocols.md")]


@pytest.fixture(autouse=True)
def _the_printed_version_answers(client: httpx.Client) -> None:
    version = client.get("/models/blobs").json()["version"]
    if version != PRINTED_VERSION:
        skip_outside_ci(
            f"the documents print the answers of version {PRINTED_VERSION} of blobs; version {version} is served"
        )


def is_near(found: str, printed: str) -> bool:
    """Whether two numbers are the same, but for the last digits of those that have a fraction."""
    mantissa = re.split("[eE]", printed)[0]
    if "." not in mantissa:
        return found == printed
    digits = len(mantissa.replace(".", "").lstrip("-0"))
    return math.isclose(float(found), float(printed), rel_tol=FLOAT32 if digits <= FLOAT32_DIGITS else FLOAT64)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.place)
def test_a_call_answers_as_printed(call: Call, base_url: str) -> None:
    assert call.answer, "no answer is printed right under it"
    if shutil.which(NEEDS[call.language]) is None:
        skip_outside_ci(f"{NEEDS[call.language]} is not installed")

    code = call.code.replace(PRINTED_URL, base_url.rstrip("/"))
    code = code.replace(PRINTED_HOST, urlsplit(base_url).netloc)  # of a client that wants no scheme

    result = subprocess.run(
        [*RUN[call.language], code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert words(result.stdout) == words(call.answer), result.stdout
    for found, printed in zip(NUMBER.findall(result.stdout), NUMBER.findall(call.answer), strict=True):
        assert is_near(found, printed), result.stdout


def test_the_readme_calls_in_each_language_by_its_printed_url() -> None:
    assert {call.language for call in README} == set(RUN)
    assert all(PRINTED_HOST in call.code for call in CALLS)


def test_the_picture_shows_an_answer_of_the_service(client: httpx.Client) -> None:
    shown = re.findall(r"<text[^>]*>([−\d.]+%?)</text>", (REPOSITORY / "docs" / "softmaxd.svg").read_text())
    features, logits, percentages = shown[:2], shown[2:6], shown[6:]

    answer = client.post("/predict", json={"instances": [[float(x) for x in features]], "include": ["logits"]}).json()

    assert logits == [f"{logit:.2f}".replace("-", "−") for logit in answer["logits"][0]]
    for text, probability in zip(percentages, answer["probabilities"][0], strict=True):
        assert float(text.rstrip("%")) == pytest.approx(100 * probability, rel=0.02)
