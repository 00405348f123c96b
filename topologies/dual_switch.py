"""Two hosts, each bonded to two independent switches: active-backup needs nothing from the switches.

                          +--------+
           h1-eth0--s1-eth1|   s1   |s1-eth2--h2-eth0
          +---------------+|        |+---------------+
          |                +--------+                |
      +--------+               | s1-eth3         +--------+
      |   h1   |               |                 |   h2   |
      | bond0  |               | s2-eth3         | bond0  |
      +--------+           +--------+            +--------+
          |               +|   s2   |+               |
          +---------------+|        |+---------------+
           h1-eth1--s2-eth1+--------+s2-eth2--h2-eth1

Survives the loss of any link and of either switch. The switches do not know of the bonds.
"""

from __future__ import annotations

from testbed.errors import SpecError
from testbed.spec import BondOptions, Cable, Host, Switch, Topology


def dual_switch(
    *,
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    bonding: BondOptions = BondOptions(mode="active-backup"),
) -> Topology:
    """Two hosts with one member on each of two switches, which are joined by one link."""
    mode = bonding.mode
    if mode != "active-backup":
        raise SpecError(
            f"dual_switch takes mode active-backup, not {mode}: its switches are no single LAG",
            "Use --topology single_switch for the other modes.",
        )
    hosts, links = [], []
    for index, host in enumerate(("h1", "h2")):
        own = (f"{host}-eth0", f"{host}-eth1")
        bond = bonding.over(own)
        hosts.append(Host(host, f"10.0.0.{index + 1}/24", bond, rx_coalesce_us))
        links += [
            cable.between(host, mine, switch, f"{switch}-eth{index + 1}")
            for mine, switch in zip(own, ("s1", "s2"), strict=True)
        ]
    links.append(cable.between("s1", "s1-eth3", "s2", "s2-eth3"))
    return Topology("dual_switch", tuple(hosts), (Switch("s1", 1), Switch("s2", 2)), tuple(links))
