"""An experiment as a value: a question, what is varied, what is done inside, what is read from the raw files.

An experiment file returns one frozen :class:`Experiment`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.spec import Topology

if TYPE_CHECKING:
    from testbed.lab.lab import Lab


@dataclass(frozen=True)
class Experiment:
    """A question, what is varied, what is done inside the network, and what is read from the raw files.

    ``procedure`` runs inside, on the live network; ``measure`` runs outside, on the raw files alone, and returns
    the metrics (names in results/README.md) and warnings. ``figures`` names functions of ``testbed.figures``.
    """

    name: str
    title: str
    question: str
    topology: str
    factors: tuple[Factor, ...]
    procedure: Callable[[Lab], None]
    measure: Callable[[Path, Trial], Measured]
    figures: tuple[str, ...]
    repetitions: int = 1
    quick_repetitions: int = 1
    #: The metric that the question is about: ``--until-ci`` goes by the interval of its median.
    primary: str = "outage_s"
    #: Why a case makes no sense in its network, such as a fault of a controller that is not there; None if it does.
    #: Such a case is left out of the plan, and the run says so.
    senseless: Callable[[Mapping[str, Level], Topology], str | None] | None = None
    #: Factors that are part of a case only when they are asked for; their first level is what holds otherwise.
    options: tuple[Factor, ...] = ()
    #: The hosts whose bonds it is about: a network in which one of them has no bond is refused.
    bonded: tuple[str, ...] = ()
    #: A trial's longest possible duration on its own clock, in seconds: past it the guest has gone astray.
    limit_s: float = 600.0

    def factor(self, name: str) -> Factor | None:
        """The factor of that name, if the experiment has it."""
        return next((factor for factor in (*self.factors, *self.options) if factor.name == name), None)
