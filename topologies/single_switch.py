"""Two bonded hosts on one switch.

          +--------+   h1-eth0      s1-eth1   +--------+   s1-eth3      h2-eth0   +--------+
          |        |==========================|        |==========================|        |
          |   h1   |          ...             |   s1   |          ...             |   h2   |
          | bond0  |==========================|        |==========================| bond0  |
          +--------+   h1-eth1      s1-eth2   +--------+   s1-eth4      h2-eth1   +--------+
           10.0.0.1      `members` links       LAG to h1, LAG to h2                10.0.0.2

Survives the loss of any member link; s1 is a single point of failure.
"""

from __future__ import annotations

from testbed.spec import STATIC_LAG_MODES, BondOptions, Cable, Host, LacpSystem, LagOptions, Switch, Topology


def single_switch(
    *,
    members: int = 2,
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    bonding: BondOptions = BondOptions(),
    lag: LagOptions = LagOptions(),
) -> Topology:
    """Two hosts whose ``members`` links to one switch are bonded; the switch's LAGs are what the mode needs."""
    mode = bonding.mode
    hosts, links, lags = [], [], []
    for index, host in enumerate(("h1", "h2")):
        own = tuple(f"{host}-eth{i}" for i in range(members))
        ports = tuple(f"s1-eth{index * members + i + 1}" for i in range(members))
        bond = bonding.over(own)
        hosts.append(Host(host, f"10.0.0.{index + 1}/24", bond, rx_coalesce_us))
        links += [cable.between(host, mine, "s1", port) for mine, port in zip(own, ports, strict=True)]
        if mode == "802.3ad":
            lags.append(lag.over(f"lag-{host}", ports, rate=bonding.lacp_rate, key=index + 1))
        elif mode in STATIC_LAG_MODES:
            lags.append(lag.over(f"lag-{host}", ports, lacp="off", key=index + 1))
    return Topology("single_switch", tuple(hosts), (Switch("s1", 1),), tuple(links), tuple(lags), (LacpSystem("core"),))
