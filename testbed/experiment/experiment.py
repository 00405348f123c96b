"""An experiment as a value: a question, factors, a procedure on the live network, and metrics from the raw files.

An experiment file returns one frozen :class:`Experiment`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.design.factor import Factor, Level
from testbed.design.trial import Measured, Trial
from testbed.spec import Topology

if TYPE_CHECKING:
    from testbed.lab.lab import Lab


@dataclass(frozen=True)
class Experiment:
    """A question, what is varied, what is done inside the network, and what is read from the raw files.

    ``procedure`` runs inside, on the live network. ``measure`` runs outside, on the raw files alone; it returns the
    metrics (names in results/README.md) and warnings. ``figures`` are names of ``testbed.figures.FIGURES``, or
    functions of the experiment's file: each gets the run (testbed.results.result.Run) and returns a Matplotlib figure.
    """

    name: str
    title: str
    question: str
    topology: str
    factors: tuple[Factor, ...]
    procedure: Callable[[Lab], None]
    measure: Callable[[Path, Trial], Measured]
    figures: tuple[str | Callable[[Any], Any], ...]
    repetitions: int = 1
    quick_repetitions: int = 1
    #: The metric that the question is about: ``--until-ci`` uses the interval of its median.
    primary: str = "outage_s"
    #: Why a case does not apply to its network, such as a controller's fault without a controller; None if it applies.
    #: Such a case is left out of the plan, and the run says so.
    not_applicable: Callable[[Mapping[str, Level], Topology], str | None] | None = None
    #: Factors that are part of a case only if --set names them; otherwise their first level holds.
    options: tuple[Factor, ...] = ()
    #: Whether the experiment is about the bond of the measured client: a network in which it has none is refused.
    bonded: bool = False
    #: Whether both measured hosts begin something with the other: cases with firewalls between them that let one begin
    #: nothing do not apply.
    both_ways: bool = False
    #: Python distributions and programs that the procedure needs besides the testbed's own: a trial in virtual time
    #: sees no others.
    packages: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    #: Whether all of its traffic is of the host's own TCP sockets, so that Multipath TCP can carry it.
    messages: bool = False
    #: About how long a trial of a case lasts on its own clock, in seconds; None: not said.
    lasts_s: Callable[[Mapping[str, Level], Topology], float] | None = None
    #: The longest possible duration of a trial on its own clock, in seconds: a guest that takes longer is stuck.
    limit_s: float = 600.0

    def factor(self, name: str) -> Factor | None:
        """The factor of that name, if the experiment has it."""
        return next((factor for factor in (*self.factors, *self.options) if factor.name == name), None)
