"""When BGP speakers leave a line that loses a part of its packets, or delays them; by BFD (RFC 5880). Pure.

lossy   | o o x o x x x      three packets lost in a row, and 3 I have passed since the last one: the session is left.
             <--- 3 I --->   The wait for such a row is geometric; each end waits for its own, the first one counts.
slow    | o o . . o o o      the next packet comes the delay later: later than 3 I after the last one, or not.

Without BFD the hold time does not say: KEEPALIVE messages go by TCP, which sends again what was lost (RFC 6298).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from testbed.design.factor import Level
from testbed.faults.catalogue import valued
from testbed.spec import Bgp
from testbed.theory.bgp import watching
from testbed.theory.laws import First, Law
from testbed.theory.outage_bound import OutageBound, slowed

#: The faults with which a line works in part.
FAULTS = ("lossy", "slow")
#: How long such a fault lasts unless the experiment is told otherwise, in seconds.
LASTS_S = 10.0
#: So many packets are looked at; a row of lost ones that is rarer has no law here.
_MOST_PACKETS = 200_000
_REST = 1e-9


@dataclass(frozen=True)
class Run:
    """How long it takes until ``total_s`` have passed since the last packet of which one came, each lost with the same
    ``loss``, where that means ``row`` lost ones one after the other.

    Packets are taken to be ``apart_s`` from each other, and the fault to begin at no matter which phase: the time since
    the last one is spread evenly over their distance. The number of packets until the first row of lost ones:
    W. Feller, An Introduction to Probability Theory and Its Applications, volume 1, XIII.7.
    """

    total_s: float
    apart_s: float
    loss: float
    row: int

    @property
    def low_s(self) -> float:
        return self.total_s - self.apart_s

    @property
    def high_s(self) -> float:
        return float(self._table[0][-1])

    def cdf(self, time_s: float) -> float:
        return float(np.interp(time_s, *self._table))

    def breaks_s(self) -> list[float]:
        return [float(each) for each in self._table[0]]

    @functools.cached_property
    def _table(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The ends of the packets' distances, each ``total_s`` later, and the share of times up to each."""
        lost = self.loss**self.row
        # shares[j]: packet j is the last one that comes, 0: the one before the fault. none[m]: no row in m packets.
        shares, none = [lost], [1.0] * self.row
        while none[-1] > _REST and len(shares) < _MOST_PACKETS:
            none.append(none[-1] - shares[-1])
            shares.append((1 - self.loss) * lost * none[len(shares) - 1])
        ends_s = self.total_s + self.apart_s * np.arange(-1.0, len(shares))
        found = np.append(0.0, np.cumsum(shares))
        return ends_s, np.asarray(found / found[-1], dtype=np.float64)


@dataclass(frozen=True)
class Leaving:
    """When the first speaker leaves the line: by the ``law``; ``never``; or neither, and ``why`` that is not known.

    ``low_s`` is the earliest time, with the longest distance of two packets; the law has the mean one.
    """

    law: Law | None = None
    never: bool = False
    why: str = ""
    low_s: float = 0.0


def leaving(group: Bgp, fault: str, given: Mapping[str, Level]) -> Leaving:
    """When the first of the two speakers of a session leaves it because its line works in part only."""
    parameters = valued(fault, given)
    if not group.bfd_ms:
        return Leaving(why="without BFD: what TCP loses it sends again, until the hold time is over")
    interval_s = group.bfd_ms / 1e3
    rest = watching(group)
    total_s, least_s, most_s = rest.total_s, rest.least_s, rest.most_s
    if fault == "lossy":
        loss = float(parameters["loss_percent"]) / 100
        if not loss:
            return Leaving(never=True)
        row = group.bfd_mult
        if (row + 1) * least_s < total_s - 1e-9 or row * most_s > total_s + 1e-9:
            return Leaving(
                why=f"BFD's packets are {least_s / interval_s:g} to {most_s / interval_s:g} I apart, so that"
                f" it is a matter of chance how many in a row are {group.bfd_mult} I"
            )
        if loss == 1.0 or loss**row * (1 - loss) < 20 / _MOST_PACKETS:
            return Leaving(why="a row of lost packets is so rare" if loss < 1.0 else "no packet comes: silent_loss")
        run = Run(total_s, (least_s + most_s) / 2, loss, row)
        return Leaving(First((run, run)), low_s=total_s - most_s)
    if parameters["rate_mbps"]:
        return Leaving(why="BFD's packets wait in the queue of the lower rate for as long as that is")
    delay_s = float(parameters["delay_ms"]) / 1e3
    if delay_s + most_s < total_s:
        return Leaving(never=True)
    if delay_s + least_s > total_s:
        return Leaving(First((rest, rest)), low_s=rest.low_s)
    return Leaving(why="BFD's packets are apart by chance, and whether the next one is in time is, too")


def outage(fault: str, given: Mapping[str, Level]) -> OutageBound | str:
    """The outage of traffic; text: there is no bound, and why."""
    if fault == "lossy":
        return "packets still pass, and which are lost is chance"
    return slowed(given)
