"""Two bonded hosts, each on a switch of its own; the switches are joined by a LAG.

      +--------+  h1-eth0   s1-eth1  +------+  s1-eth3     s2-eth3  +------+  s2-eth1   h2-eth0  +--------+
      |        |=====================|      |=======================|      |=====================|        |
      |   h1   |         ...         |  s1  |          ...          |  s2  |         ...         |   h2   |
      | bond0  |=====================|      |=======================|      |=====================| bond0  |
      +--------+  h1-eth1   s1-eth2  +------+  s1-eth4     s2-eth4  +------+  s2-eth2   h2-eth1  +--------+
       10.0.0.1    `members` links               `trunk_members` links        `members` links     10.0.0.2

Survives the loss of any link while another of the same LAG is left; each switch is a single point of failure. The LAG
in the middle has LACP spoken at both ends, for s1 and for s2 as two systems.
"""

from __future__ import annotations

from testbed.spec import STATIC_LAG_MODES, BondOptions, Cable, Host, LacpSystem, LagOptions, Switch, Topology


def trunk(
    *,
    members: int = 2,
    trunk_members: int = 2,
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    bonding: BondOptions = BondOptions(),
    lag: LagOptions = LagOptions(),
) -> Topology:
    """Two hosts with ``members`` links each to their switches, which are joined by a LAG of ``trunk_members``."""
    mode = bonding.mode
    hosts, links, lags, middle = [], [], [], []
    for index, (host, switch) in enumerate((("h1", "s1"), ("h2", "s2"))):
        own = tuple(f"{host}-eth{i}" for i in range(members))
        ports = tuple(f"{switch}-eth{i + 1}" for i in range(members))
        bond = bonding.over(own)
        hosts.append(Host(host, f"10.0.0.{index + 1}/24", bond, rx_coalesce_us))
        links += [cable.between(host, mine, switch, port) for mine, port in zip(own, ports, strict=True)]
        if mode == "802.3ad":
            lags.append(lag.over(f"lag-{host}", ports, rate=bonding.lacp_rate, key=1, system=switch))
        elif mode in STATIC_LAG_MODES:
            lags.append(lag.over(f"lag-{host}", ports, lacp="off", key=1))
        middle.append(tuple(f"{switch}-eth{members + i + 1}" for i in range(trunk_members)))
        lags.append(lag.over(f"trunk-{switch}", middle[-1], rate=bonding.lacp_rate, key=2, system=switch))
    links += [cable.between("s1", near, "s2", far) for near, far in zip(*middle, strict=True)]
    switches = (Switch("s1", 1), Switch("s2", 2))
    systems = (LacpSystem("s1", "02:00:00:00:fe:01"), LacpSystem("s2", "02:00:00:00:fe:02"))
    return Topology("trunk", tuple(hosts), switches, tuple(links), tuple(lags), systems)
