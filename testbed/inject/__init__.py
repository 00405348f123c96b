"""Faults in the live network: each a context that befalls one named element while its block runs.

What there is, and what each takes, says testbed.faults.catalogue; drawings are in links, nodes and controllers. When a
block is left, also by an exception, everything is as the fault found it; where several overlap, as the first one
found it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from testbed.design.factor import Factor, Level
from testbed.faults.catalogue import FAULTS as KNOWN
from testbed.faults.catalogue import checked, named
from testbed.inject import controllers, links, nodes
from testbed.inject.context import InjectionContext

__all__ = ["FAULTS", "OPTIONS", "Fault", "InjectionContext", "befallen"]

Fault = Callable[..., AbstractContextManager[None]]

#: What testbed.faults.catalogue names, as it is done.
FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        links.carrier_loss,
        links.silent_loss,
        links.lacp_loss,
        links.lossy,
        links.slow,
        links.flapping,
        links.miscabling,
        nodes.switch_crash,
        nodes.switch_software_crash,
        nodes.switch_restart,
        nodes.peer_link_loss,
        nodes.uplink_loss,
        controllers.controller_crash,
        controllers.controller_pause,
        controllers.controller_cut,
        nodes.host_reboot,
        nodes.none,
    )
}

#: Every parameter of every fault as a factor that an experiment may offer.
OPTIONS: tuple[Factor, ...] = tuple(
    Factor(each.factor, (each.default,), f"{fault.name}: {each.meaning}", known=each.known, least=each.least)
    for fault in KNOWN.values()
    for each in fault.parameters
)


def befallen(
    context: InjectionContext, name: str, element: str, parameters: dict[str, Level]
) -> AbstractContextManager[None]:
    """The context of a fault on an element, with all its parameters.

    Errors: SpecError for an unknown fault or parameter, a value out of range, or an element that it cannot befall.
    """
    fault = named(name)
    return FAULTS[fault.name](context, element, **checked(context.network.topology, name, element, parameters))
