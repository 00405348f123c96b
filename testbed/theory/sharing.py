"""What greedy flows get of links that hashes place them on. Pure; amounts are in links: 1 is what one link carries.

    h1's bond hashes            the switch hashes
    flow --- member i of k ---- switch --- member j of k --- h2        a flow crosses one link of each of two stages

A link that one stage has filled leaves others of the other stage idle: so the flows get less than the number of links
that they use, k (1 - (1 - 1/k)^n) of which `expected_links_used` by n flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.errors import SpecError
from testbed.theory.capacity import max_flow
from testbed.theory.goodput import expected_links_used

#: So many placements are drawn for an expectation, always the same ones.
PLACEMENTS = 20_000
_SEED = 802_1
#: The part of all placements below and above the band.
_TAIL = 0.05
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Band:
    """The mean of what flows get by all placements, ``error`` its standard error, and the band of 90 % of them."""

    mean: float
    low: float
    high: float
    error: float = 0.0

    def times(self, amount: float) -> Band:
        """In another unit: ``amount`` is what one link carries."""
        return Band(self.mean * amount, self.low * amount, self.high * amount, self.error * amount)


def max_min_links(places: Sequence[tuple[int, int]], links: int) -> float:
    """What flows get together that share fairly, each between a link of the first stage and one of the second.

    Max-min fairness by progressive filling (D. Bertsekas, R. Gallager, Data Networks, 6.5.2). TCP comes near to it;
    flows with one full link on their way tend to get more than those with two, so it may be some percent more in all.
    """
    return max_min_mbps(places, [1.0] * links, [1.0] * links)


def max_min_mbps(places: Sequence[tuple[int, int]], entries: Sequence[float], exits: Sequence[float]) -> float:
    """The same where each link of either stage has a rate of its own."""
    if not places:
        return 0.0
    first, second = np.array([places], dtype=np.intp).transpose(2, 0, 1)
    return float(_filled(first, second, entries, exits)[0])


def most_mbps(places: Sequence[tuple[int, int]], entries: Sequence[float], exits: Sequence[float]) -> float:
    """The most that the flows could get together, fairly or not, where each link has a rate of its own."""
    source, sink = ("source", 0), ("sink", 0)
    edges: dict[tuple[str, int], dict[tuple[str, int], float]] = {source: {}, sink: {}}
    for entry, leave in places:
        a, b = ("entry", entry), ("exit", leave)
        for end, other, mbps in ((source, a, entries[entry]), (a, b, min(entries[entry], exits[leave]))):
            edges.setdefault(end, {})[other] = mbps
            edges.setdefault(other, {}).setdefault(end, 0.0)
        edges.setdefault(b, {})[sink] = exits[leave]
        edges[sink][b] = 0.0
    return max_flow(edges, source, sink)


def most_links(places: Sequence[tuple[int, int]]) -> int:
    """The most that the flows could get together, fairly or not: a maximum matching of the links that they join.

    By the theorems of L. Ford and D. Fulkerson, and of D. Koenig, no flow of more fits through two stages of links.
    """
    joined: dict[int, set[int]] = {}
    for entry, leave in places:
        joined.setdefault(entry, set()).add(leave)
    taken: dict[int, int] = {}

    def placed(entry: int, tried: set[int]) -> bool:
        for leave in joined[entry] - tried:
            tried.add(leave)
            if leave not in taken or placed(taken[leave], tried):
                taken[leave] = entry
                return True
        return False

    return sum(placed(entry, set()) for entry in joined)


@lru_cache(maxsize=64)
def random_links(flows: int, links: int, stages: int = 2) -> Band:
    """What greedy flows get by random hashes, over all placements.

    ``stages`` 1: one hash places them, as between two hosts without a switch: each link that is used is full, and the
    distribution is exact. 2: a second, independent hash does it again; drawn by ``PLACEMENTS`` placements.
    """
    if flows < 1 or links < 1 or stages not in (1, 2):
        raise SpecError(f"{flows} flows on {links} links by {stages} hashes; wanted 1 or more, 1 or more, 1 or 2")
    if stages == 1:
        return _occupied(flows, links)
    chance = np.random.default_rng(_SEED)
    entries, exits = (chance.integers(0, links, (PLACEMENTS, flows)) for _ in range(2))
    found = _filled(entries, exits, [1.0] * links, [1.0] * links)
    low, high = np.quantile(found, (_TAIL, 1 - _TAIL))
    return Band(float(found.mean()), float(low), float(high), float(found.std(ddof=1) / np.sqrt(PLACEMENTS)))


def _occupied(flows: int, links: int) -> Band:
    """The number of links with a flow: each flow meets a free one with the chance of those left."""
    chances = np.zeros(links + 1)
    chances[0] = 1.0
    used = np.arange(links + 1) / links
    for _ in range(flows):
        chances = chances * used + np.concatenate(([0.0], (chances * (1 - used))[:-1]))
    below = np.cumsum(chances)
    low, high = (float(np.argmax(below >= tail - _ROUNDING)) for tail in (_TAIL, 1 - _TAIL))
    return Band(expected_links_used(flows, links), low, high)


def _filled(
    entries: NDArray[Any], exits: NDArray[Any], entry_rates: Sequence[float], exit_rates: Sequence[float]
) -> NDArray[Any]:
    """Max-min sums of many placements at once: each row of ``entries`` and ``exits`` is one."""
    rates = entry_rates, exit_rates
    # placement, flow, link
    stages = [np.eye(len(own))[places] for places, own in zip((entries, exits), rates, strict=True)]
    left = [np.tile(np.asarray(own, dtype=float), (len(entries), 1)) for own in rates]
    active = np.ones(entries.shape, dtype=bool)
    total = np.zeros(len(entries))
    while active.any():
        limits = np.full(entries.shape, np.inf)
        for stage, free in zip(stages, left, strict=True):
            sharing = np.einsum("pfl,pf->pl", stage, active)
            fair = np.divide(free, sharing, out=np.full(free.shape, np.inf), where=sharing > 0)
            limits = np.minimum(limits, np.einsum("pfl,pl->pf", stage, np.where(np.isinf(fair), 0.0, fair)))
        limits[~active] = np.inf
        least = limits.min(axis=1)
        frozen = active & (limits <= least[:, None] * (1 + _ROUNDING))
        least[np.isinf(least)] = 0.0
        total += frozen.sum(axis=1) * least
        for stage, free in zip(stages, left, strict=True):
            free -= np.einsum("pfl,pf->pl", stage, frozen) * least[:, None]
        active &= ~frozen
    return total
