"""What an experiment varies: factors, and their levels as ``--set`` gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from testbed.errors import SpecError, unknown
from testbed.spec import parse_mode

Level = str | int | float | bool


@dataclass(frozen=True)
class Factor:
    """One thing that an experiment varies, with its default levels and what it means.

    ``quick`` are the levels of ``--quick``; ``known`` is the closed set of possible levels if there is one;
    ``least`` is the smallest possible number, ``most`` the largest with the reason, empty where it is plain. Errors:
    SpecError for a factor without levels.
    """

    name: str
    levels: tuple[Level, ...]
    meaning: str
    quick: tuple[Level, ...] | None = None
    known: tuple[Level, ...] | None = None
    least: float | None = None
    #: How a level is read from text, where it is not a plain number or name.
    read: Callable[[str], Level] | None = None
    #: Whether it is an argument of the topology; the options that topologies share always are (docs/experiments.md).
    network: bool = False
    most: tuple[float, str] | None = None
    #: A level that stands for levels of other factors, by their names: each has some here.
    sets: Mapping[Level, Mapping[str, Level]] | None = None

    def __post_init__(self) -> None:
        if not self.levels:
            raise SpecError(f"factor {self.name!r} has no levels; wanted one or more", "For example: levels=(1, 2)")

    def parse(self, text: str) -> Level:
        """One level from the command line, of the same type as the default levels. Errors: SpecError."""
        if self.read is not None:
            try:
                return self.read(text)
            except ValueError as error:
                raise SpecError(
                    f"level {text!r} of factor {self.name!r} cannot be read: {error}",
                    f"For example: --set {self.name}={self.levels[0]}",
                ) from error
        level = parse_level(self.name, text, self.levels[0], self.known, self.least)
        if self.most is not None and not isinstance(level, str) and level > self.most[0]:
            most, why = self.most
            wanted = f"{most:g} at most: {why}" if why else f"{self.least or 0:g} to {most:g}"
            raise SpecError(f"level {text} of factor {self.name!r} is too large; wanted {wanted}")
        return level


def parse_level(
    name: str, text: str, example: Level, known: tuple[Level, ...] | None = None, least: float | None = None
) -> Level:
    """A level from text: of ``example``'s type, one of ``known``, and ``least`` or more. Errors: SpecError."""
    level: Level
    if not isinstance(example, str | int | float):
        raise SpecError(
            f"--set {name}={text}: {name} has no default that is a number, a word, true or false,"
            " so the type of its level is unknown",
            f"Give it such a default in the file, for example {name}=2",
        )
    if name == "mode":
        level = parse_mode(text)
    elif isinstance(example, bool):
        if text not in ("true", "false"):
            raise SpecError(f"level {text!r} of factor {name!r} is not a truth value; wanted true or false")
        level = text == "true"
    elif isinstance(example, int | float):
        wanted = int if isinstance(example, int) else float
        try:
            level = wanted(text)
        except ValueError:
            kind = "a whole number" if wanted is int else "a number"
            raise SpecError(
                f"level {text!r} of factor {name!r} is not {kind}", f"For example: --set {name}={example}"
            ) from None
        if not float("-inf") < level < float("inf"):
            raise SpecError(f"level {text!r} of factor {name!r} is not a finite number")
        if least is not None and level < least:
            raise SpecError(f"level {text} of factor {name!r} is too small; wanted {least:g} or more")
    else:
        level = text
    if known is not None and level not in known:
        raise unknown(f"level of factor {name!r}:", str(level), [str(k) for k in known])
    return level
