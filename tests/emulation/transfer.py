"""A transfer over one connection, and how long it takes, before and while one way of the client has no carrier.

h1 ======== s1 ======== h2      both ways, then one
   ======== s2 ========
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.experiment.experiment import Experiment
from testbed.measure.raw import read_json
from testbed.observe.messages import connections
from testbed.observe.offered_load import stream

if TYPE_CHECKING:
    from testbed.lab.lab import Lab

#: More than TCP's start takes; and for how long to send at the most.
OCTETS, _LONGEST_S = 20_000_000, 5.0


def procedure(lab: Lab) -> None:
    """Send the same by both ways and by one."""
    found = {}
    with connections(lab.network, [lab.pair]) as (opened,):
        found["both"] = stream(opened.sender, opened.receiver, seconds=_LONGEST_S, octets=OCTETS)
        with lab.fault("carrier_loss", lab.topology.link_of(lab.members(lab.client)[1]).b_interface):
            found["one"] = stream(opened.sender, opened.receiver, seconds=_LONGEST_S, octets=OCTETS)
    lab.write("transfer.json", found)


def read(raw: Path, trial: Trial) -> Measured:
    """How long both took, and whether all came."""
    del trial
    found = read_json(raw / "transfer.json")
    whole = {name: each["delivered"] == each["sent"] for name, each in found.items()}
    return Measured({name: each["took_s"] if whole[name] else None for name, each in found.items()})


def transfer() -> Experiment:
    """The experiment."""
    return Experiment(
        name="transfer",
        title="One transfer by both ways, and by one",
        question="How long does it take?",
        topology="two_ways",
        factors=(Factor("mode", ("mptcp",), "mode of both hosts"),),
        procedure=procedure,
        measure=read,
        figures=(),
        repetitions=1,
        messages=True,
    )
