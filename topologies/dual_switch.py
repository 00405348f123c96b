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
from testbed.spec import Bond, Host, Link, Switch, Topology, parse_mode


def dual_switch(
    *,
    mode: str = "active-backup",
    rate_mbps: float = 1000.0,
    delay_ms: float = 0.0,
    queue_packets: int = 1000,
    rx_coalesce_us: int = 100,
    miimon_ms: int = 100,
    updelay_ms: int = 0,
    downdelay_ms: int = 0,
    primary_reselect: str = "always",
) -> Topology:
    """Two hosts with one member on each of two switches, which are joined by one link."""
    mode = parse_mode(mode)
    if mode != "active-backup":
        raise SpecError(
            f"dual_switch takes mode active-backup, not {mode}: its switches are no single LAG",
            "Use --topology single_switch for the other modes.",
        )
    hosts, links = [], []
    for index, host in enumerate(("h1", "h2")):
        own = (f"{host}-eth0", f"{host}-eth1")
        bond = Bond(
            own,
            mode,
            miimon_ms=miimon_ms,
            updelay_ms=updelay_ms,
            downdelay_ms=downdelay_ms,
            primary=own[0],
            primary_reselect=primary_reselect,
        )
        hosts.append(Host(host, f"10.0.0.{index + 1}/24", bond, rx_coalesce_us))
        links += [
            Link(host, mine, switch, f"{switch}-eth{index + 1}", rate_mbps, delay_ms, queue_packets)
            for mine, switch in zip(own, ("s1", "s2"), strict=True)
        ]
    links.append(Link("s1", "s1-eth3", "s2", "s2-eth3", rate_mbps, delay_ms, queue_packets))
    return Topology("dual_switch", tuple(hosts), (Switch("s1", 1), Switch("s2", 2)), tuple(links))
