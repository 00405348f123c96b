"""When the independent clocks of a trial start: at instants that are drawn from its seed, and recorded.

Virtual time repeats everything to the microsecond. Clocks that are independent in reality (each host's bond, each end's
LACP, the controller, the probe) would stand in one alignment in all trials. So each one is started by us, at an instant
drawn uniformly over its own period:

    trial's clock  0 ----|----|----|----|----|---->     a grid of tenths of a second
                              ^ahead  |
                               <-----> drawn over the clock's period
                                      ^start

The instant is absolute: the process that acts is loaded and waits for it, so that what was done before it does not
shift it. The draw depends on the seed and on the clock's name, on nothing else.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter
from pathlib import Path

from testbed.backends.instant import wait_until_ns

_GRID_S = 0.1
#: The trial's clock begins with a whole second of the machine's clock, at least so far ahead.
_MARGIN_S = 0.05


def drawn_s(seed: int, name: str, period_s: float) -> float:
    """The start of the clock ``name`` within its period, uniform over [0, ``period_s``)."""
    return random.Random(f"clock {seed} {name}").random() * period_s


class Clocks:
    """The trial's own clock, and the starts of all others. Times are seconds since ``origin_s``."""

    def __init__(self, seed: int, origin_s: float) -> None:
        self.seed = seed
        self.origin_s = origin_s
        self._origin_ns = round(origin_s * 1e9)
        self._starts: list[dict[str, str | float]] = []
        self._count: Counter[str] = Counter()

    @classmethod
    def begun(cls, seed: int) -> Clocks:
        """The clocks of a trial whose own clock begins now: with the machine's next whole second."""
        origin_s = math.ceil(time.time() + _MARGIN_S)
        wait_until_ns(origin_s * 10**9)
        return cls(seed, float(origin_s))

    def now(self) -> float:
        """Seconds since the trial began."""
        return time.time() - self.origin_s

    def ahead(self, margin_s: float = 0.0) -> float:
        """The next instant of the grid that is more than ``margin_s``, and one step of the grid, away."""
        return (math.floor((self.now() + margin_s) / _GRID_S) + 2) * _GRID_S

    def start(self, name: str, period_s: float, base_s: float | None = None) -> float:
        """Draw when a clock starts: ``base_s``, or the instant `ahead`, and a part of its period; it is recorded.

        A name that occurs again is numbered.
        """
        self._count[name] += 1
        name = name if self._count[name] == 1 else f"{name} {self._count[name]}"
        at_s = (self.ahead() if base_s is None else base_s) + drawn_s(self.seed, name, period_s)
        self.record(name, period_s, at_s)
        return at_s

    def record(self, name: str, period_s: float, start_s: float) -> None:
        """Note when a clock starts, for the raw file clocks.json."""
        self._starts.append({"name": name, "period_s": round(period_s, 9), "start_s": round(start_s, 9)})

    def wait_until(self, at_s: float) -> None:
        """Wait until ``at_s`` of the trial's clock."""
        wait_until_ns(self._origin_ns + round(at_s * 1e9))

    def wait(self, name: str, period_s: float, base_s: float | None = None) -> float:
        """Draw when a clock starts (`start`), and wait until then; returns the instant."""
        at_s = self.start(name, period_s, base_s)
        self.wait_until(at_s)
        return at_s

    def write(self, raw: Path) -> None:
        """Write the raw file clocks.json: each clock's name, the period that its start was drawn over, its start."""
        (raw / "clocks.json").write_text(json.dumps(self._starts, indent=1) + "\n")
