"""A parted network: in which part each LAG that has ports in several is to be, so that hosts still meet. Pure.

Each part in turn takes all LAGs that it can, the best part first: the one with most connected switches; of these the
one with most hosts, of which LAGs that have a part already count there only; then the one with the lowest switch. So
it depends on the present links alone, and two hosts with links into one best part meet there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

#: The switches of a part.
Part = frozenset[int]


class Parting:
    """The parts, and the LAGs that have ports in them."""

    def __init__(self, single: Mapping[Part, int], connected: Collection[int]) -> None:
        """``single``: how many hosts each part has by ports that are in no LAG."""
        self._hosts = Counter(single)
        self._connected = frozenset(connected)
        self._choices: dict[str, frozenset[Part]] = {}

    def add(self, lag: str, ports: Mapping[Part, int], min_links: int, bound_to: Collection[Part]) -> None:
        """A LAG with so many ports in each part; it is in the parts ``bound_to`` in any case.

        A part where it has fewer than ``min_links`` counts only if it has no other.
        """
        choice = frozenset(part for part, count in ports.items() if count >= min_links) or frozenset(ports)
        for part in frozenset(bound_to) - choice:
            self._hosts[part] += 1
        if choice:
            self._choices[lag] = choice

    def chosen(self) -> dict[str, Part]:
        """The part of each LAG that was added with ports."""
        found: dict[str, Part] = {}
        open_ = dict(self._choices)
        while open_:
            best = max(frozenset[Part]().union(*open_.values()), key=lambda part: self._merit(part, open_))
            taken = [lag for lag, choice in open_.items() if best in choice]
            found |= dict.fromkeys(taken, best)
            open_ = {lag: choice for lag, choice in open_.items() if lag not in found}
        return found

    def _merit(self, part: Part, open_: Mapping[str, frozenset[Part]]) -> tuple[int, int, int]:
        hosts = self._hosts[part] + sum(part in choice for choice in open_.values())
        return len(part & self._connected), hosts, -min(part)
