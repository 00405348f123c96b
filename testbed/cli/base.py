"""What the commands share: where they print, and how --set is read."""

from __future__ import annotations

import sys

from rich.console import Console

from testbed.errors import SpecError

# A file has no width: tables that go to one are as wide as they need.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
err = Console(stderr=True, highlight=False)


def settings_of(words: tuple[str, ...]) -> dict[str, str]:
    """The settings ``--set NAME=LEVEL,...`` as a mapping from name to levels. Errors: SpecError."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, levels = word.partition("=")
        if not equals or not name or not levels:
            raise SpecError(f"--set {word} is not FACTOR=LEVEL", "For example: --set mode=802.3ad --set members=1,2,4")
        if name in found:
            raise SpecError(f"--set {name} is given twice", f"Give all its levels at once: --set {name}=A,B")
        found[name] = levels
    return found
