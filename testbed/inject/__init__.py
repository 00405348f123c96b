"""A fault done, and undone exactly.

Each fault is a context manager that hits one element while its block runs. testbed.faults.catalogue has their names and
parameters; links, nodes and controllers have their drawings. When a block is left, also by an exception, everything is
as the fault found it; where several overlap, as the first one found it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from testbed.faults.catalogue import CheckedFault
from testbed.inject import controllers, links, nodes, routers
from testbed.inject.context import InjectionContext

__all__ = ["ACTIONS", "Action", "InjectionContext", "injected"]

Action = Callable[..., AbstractContextManager[None]]

#: By its name in testbed.faults.catalogue: how each fault is done.
ACTIONS: dict[str, Action] = {
    action.__name__: action
    for action in (
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
        routers.router_crash,
        routers.router_hang,
        routers.site_loss,
        routers.split_brain,
        routers.announcement_loss,
        routers.service_stop,
        routers.service_crash,
        routers.service_pause,
        routers.route_withdrawal,
        nodes.none,
    )
}


def injected(context: InjectionContext, checked: CheckedFault) -> AbstractContextManager[None]:
    """The context manager of a fault that has been checked against this network."""
    return ACTIONS[checked.fault.name](context, checked.element, **checked.parameters)
