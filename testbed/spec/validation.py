"""What the values of a specification have in common: how they are checked, and what is said of a wrong one."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable

from testbed.errors import SpecError, unknown

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")


def name(kind: str, text: str) -> None:
    """Errors: SpecError unless the kernel would take ``text`` for an interface, and we for anything else."""
    if not _NAME.fullmatch(text):
        raise SpecError(
            f"{kind} name {text!r} is not usable; wanted a letter, then at most 14 letters, digits, '_', '.' or '-'"
        )


def prefixed(address: str, owner: str) -> None:
    """Errors: SpecError unless ``address`` is one with its prefix length."""
    try:
        ipaddress.ip_interface(address)
    except ValueError:
        raise SpecError(
            f"address {address!r} of {owner} is not an address with a prefix, such as 10.0.0.1/24"
        ) from None
    if "/" not in address:
        raise SpecError(f"address {address!r} of {owner} lacks its prefix length, such as /24")


def choice(what: str, found: str, known: tuple[str, ...]) -> None:
    """Errors: SpecError unless ``found`` is one of ``known``."""
    if found not in known:
        raise unknown(what, found, known)


def at_least(what: str, found: float, least: float) -> None:
    """Errors: SpecError if ``found`` is below ``least``, or not a number."""
    if not found >= least:
        raise SpecError(f"{what} is {found:g}; wanted {least:g} or more")


def at_most(what: str, found: float, most: float, why: str = "") -> None:
    """Errors: SpecError if ``found`` is above ``most``, with the reason for the limit if it needs one."""
    if found > most:
        raise SpecError(f"{what} is {found:.12g}; wanted {most:.12g} or less" + (f": {why}" if why else ""))


def unique(what: str, names: Iterable[str]) -> None:
    """Errors: SpecError naming what occurs twice."""
    twice = sorted(each for each, count in Counter(names).items() if count > 1)
    if twice:
        raise SpecError(f"{what} must be different from each other; found twice: {', '.join(twice)}")
