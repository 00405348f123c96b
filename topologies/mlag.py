"""Two hosts, each with one LAG to two switches that act as one LACP system; a third host hangs on the first switch.

                    h1-eth0      s1-eth1   +--------+   s1-eth2      h2-eth0
           +===============================|        |===============================+
           |              ...              |   s1   |              ...              |
           |                               |        |-----------+ s1-eth4           |
      +--------+                           +--------+           |              +--------+
      |   h1   |                       s1-eth3 ||           +--------+         |   h2   |
      | bond0  |                  peer link(s) ||           |   h3   |         | bond0  |
      +--------+                       s2-eth3 ||           +--------+         +--------+
       10.0.0.1                            +--------+        10.0.0.3           10.0.0.2
           |                               |        |                               |
           |              ...              |   s2   |              ...              |
           +===============================|        |===============================+
                    h1-eth1      s2-eth1   +--------+   s2-eth2      h2-eth1

Survives the loss of any link but h3's, and of s2; with s1 only h3 is lost. Each host sees one partner, and all members
carry traffic. The peer link carries what one switch cannot hand over itself: frames to and from h3, and to a host whose
members on that switch have failed. Without it s2 leaves the LAGs, so that all hosts meet on s1.
"""

from __future__ import annotations

from testbed.spec import STATIC_LAG_MODES, BondOptions, Cable, Host, LacpSystem, LagOptions, Switch, Topology

_SWITCHES = ("s1", "s2")


def mlag(
    *,
    members: int = 1,
    peer_members: int = 1,
    isolate: bool = True,
    cable: Cable = Cable(),
    rx_coalesce_us: int = 100,
    bonding: BondOptions = BondOptions(),
    lag: LagOptions = LagOptions(),
) -> Topology:
    """Two hosts with ``members`` links to each of two switches, which are joined by ``peer_members`` links."""
    mode = bonding.mode
    hosts, links, lags = [], [], []
    for index, host in enumerate(("h1", "h2")):
        own = tuple(f"{host}-eth{i}" for i in range(len(_SWITCHES) * members))
        ports = tuple(f"{switch}-eth{index * members + i + 1}" for i in range(members) for switch in _SWITCHES)
        bond = bonding.over(own)
        hosts.append(Host(host, f"10.0.0.{index + 1}/24", bond, rx_coalesce_us))
        for mine, port in zip(own, ports, strict=True):
            links.append(cable.between(host, mine, port.partition("-")[0], port))
        if mode == "802.3ad":
            lags.append(lag.over(f"lag-{host}", ports, rate=bonding.lacp_rate, key=index + 1))
        elif mode in STATIC_LAG_MODES:
            lags.append(lag.over(f"lag-{host}", ports, lacp="off", key=index + 1))
    peers = [[f"{switch}-eth{2 * members + i + 1}" for i in range(peer_members)] for switch in _SWITCHES]
    links += [cable.between("s1", near, "s2", far) for near, far in zip(*peers, strict=True)]
    systems = [LacpSystem("core")]
    if peer_members > 1:
        for index, (switch, ends) in enumerate(zip(_SWITCHES, peers, strict=True)):
            systems.append(LacpSystem(switch, f"02:00:00:00:fe:0{index + 1}"))
            lags.append(lag.over(f"peer-{switch}", tuple(ends), system=switch))
    hosts.append(Host("h3", "10.0.0.3/24", None, rx_coalesce_us))
    links.append(cable.between("h3", "h3-eth0", "s1", f"s1-eth{2 * members + peer_members + 1}"))
    switches = tuple(Switch(name, index + 1, isolate) for index, name in enumerate(_SWITCHES))
    return Topology("mlag", tuple(hosts), switches, tuple(links), tuple(lags), tuple(systems))
