"""The colours of the classes: people who are colour-blind can tell them apart, and from the paper."""

import re
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.paths import REPOSITORY

Colour = npt.NDArray[np.float64]  # linear RGB [3], or CIE L*a*b* [3]

STYLE = (REPOSITORY / "service/softmaxd/playground/style.css").read_text()
LEAST_DISTANCE = 10  # of L*a*b*; 2 can just be seen side by side
LEAST_CONTRAST = 3  # WCAG 2.2, 1.4.11
# Machado, Oliveira and Fernandes, 2009, for linear RGB and a full deficiency.
VISIONS = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.180437], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)
WHITE = TO_XYZ.sum(axis=1)


def colours(name: str, theme: str) -> list[Colour]:
    """Return the colours whose names match, in linear RGB."""
    pairs = re.findall(rf"--{name}: light-dark\((#\w{{3,6}}), (#\w{{3,6}})\)", STYLE)
    return [linear(pair[theme == "dark"]) for pair in pairs]


def linear(text: str) -> Colour:
    digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
    shares = np.array([int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)])
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def perceived(colour: Colour, vision: str) -> Colour:
    """Return L*a*b* of a colour as somebody sees it."""
    x, y, z = TO_XYZ @ np.clip(np.array(VISIONS[vision]) @ colour, 0, 1) / WHITE
    x, y, z = (np.cbrt(each) if each > 0.008856 else 7.787 * each + 16 / 116 for each in (x, y, z))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: Colour, other: Colour) -> float:
    low, high = sorted(float(TO_XYZ[1] @ colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_colours_of_classes_differ(theme: str, vision: str) -> None:
    seen = [perceived(colour, vision) for colour in colours(r"class-\d", theme)]

    assert len(seen) == 8
    distances = {
        (one, other): float(np.linalg.norm(seen[one] - seen[other])) for one, other in combinations(range(8), 2)
    }
    assert {pair: distance for pair, distance in distances.items() if distance < LEAST_DISTANCE} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_colours_of_classes_stand_out_from_the_panels(theme: str) -> None:
    (panel,) = colours("panel", theme)

    assert min(contrast(colour, panel) for colour in colours(r"class-\d", theme)) >= LEAST_CONTRAST
