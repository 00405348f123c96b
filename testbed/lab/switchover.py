"""An operator who switches a service over to its second site, and back, where that is done by hand.

fault        + switchover_s                          repair      all routes are there
  |---------------|----- the second site serves ---------|-------------|---- the first one alone
                  announce there, withdraw here                        announce here, withdraw there
                  (by DNS: another answer)

The operator reaches every machine that works, by a way of his own. One that is dead or hangs he cannot have withdraw
anything: when it returns, both sites serve until he switches back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.lab import routes
from testbed.services import bird, gdnsd
from testbed.theory import sites

if TYPE_CHECKING:
    from testbed.lab.lab import Lab


def over(lab: Lab, begun_s: float) -> None:
    """The operator's time after ``begun_s``, when the fault began, the second site serves. Nothing where sites stand in
    for one another by themselves."""
    group = lab.topology.sites[0]
    if not group.by_hand:
        return
    lab.sleep_until(begun_s + group.switchover_s)
    first, second = group.servers
    if group.name_servers:
        _lead(lab, 1)
    else:
        bird.announced(lab.network.directories[f"{second}:bird"], bird.BY_HAND)
        if lab.network.daemons[f"{first}:bird"].runs:
            bird.withdrawn(lab.network.directories[f"{first}:bird"], bird.BY_HAND)
    lab.note("operator", "switched_over", to=second)


def back(lab: Lab) -> None:
    """Once the first site is there again it serves, and then it alone. Nothing where no operator has switched over."""
    group = lab.topology.sites[0]
    if not group.by_hand:
        return
    first, second = group.servers
    if not group.name_servers:
        bird.announced(lab.network.directories[f"{first}:bird"], bird.BY_HAND)
    routes.wait_settled(lab, "both sites serve", sites.both_serve(lab.topology))
    if group.name_servers:
        _lead(lab, 0)
    else:
        bird.withdrawn(lab.network.directories[f"{second}:bird"], bird.BY_HAND)
    lab.note("operator", "switched_back", to=first)


def _lead(lab: Lab, place: int) -> None:
    """All name servers answer with the site of that place."""
    for each in lab.services:
        if isinstance(each.service, gdnsd.Gdnsd):
            gdnsd.lead(each.service, each.directory, place)
