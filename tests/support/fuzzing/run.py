"""Runs one target in atheris: `python -m tests.support.fuzzing.run TARGET [options of libFuzzer] FOLDER…`."""

import random
import sys
from collections.abc import Callable

import atheris

with atheris.instrument_imports(include=["softmaxd", "tests.support.fuzzing.targets"]):
    from tests.support.fuzzing.bodies import mutate
    from tests.support.fuzzing.targets import target


Mutator = Callable[[bytes, int, int], bytes]


def main(name: str, options: list[str]) -> None:
    """Run until libFuzzer ends, by a limit of its options or at the first error."""
    chosen = target(name)
    program = f"{sys.executable} -m tests.support.fuzzing.run {name}"  # with -merge=1 libFuzzer starts it again
    arguments = [program, f"-max_len={chosen.max_bytes}", *options]
    with chosen.open() as run:
        if chosen.head is None:
            atheris.Setup(arguments, run)
        else:
            atheris.Setup(arguments, run, custom_mutator=_mutator(chosen.head))
        atheris.Fuzz()


def _mutator(head: int) -> Mutator:
    """Return a mutator for inputs with JSON after the head."""

    def change(content: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)  # noqa: S311 - libFuzzer's chance, so that a run can be repeated
        return mutate(content, head, chance, lambda old: atheris.Mutate(old, most))[:most]

    return change


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
