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

from testbed.spec import STATIC_LAG_MODES, Bond, Host, LacpSystem, Lag, Link, Switch, Topology, parse_mode


def single_switch(
    *,
    members: int = 2,
    mode: str = "802.3ad",
    rate_mbps: float = 1000.0,
    delay_ms: float = 0.0,
    queue_packets: int = 1000,
    rx_coalesce_us: int = 100,
    miimon_ms: int = 100,
    updelay_ms: int = 0,
    downdelay_ms: int = 0,
    lacp_rate: str = "fast",
    xmit_hash_policy: str = "layer3+4",
    primary_reselect: str = "always",
) -> Topology:
    """Two hosts whose ``members`` links to one switch are bonded; the switch's LAGs are what the mode needs."""
    mode = parse_mode(mode)
    hosts, links, lags = [], [], []
    for index, host in enumerate(("h1", "h2")):
        own = tuple(f"{host}-eth{i}" for i in range(members))
        ports = tuple(f"s1-eth{index * members + i + 1}" for i in range(members))
        bond = Bond(
            own,
            mode,
            miimon_ms=miimon_ms,
            updelay_ms=updelay_ms,
            downdelay_ms=downdelay_ms,
            lacp_rate=lacp_rate,
            xmit_hash_policy=xmit_hash_policy,
            primary=own[0] if own and mode == "active-backup" else None,
            primary_reselect=primary_reselect,
        )
        hosts.append(Host(host, f"10.0.0.{index + 1}/24", bond, rx_coalesce_us))
        links += [
            Link(host, mine, "s1", port, rate_mbps, delay_ms, queue_packets)
            for mine, port in zip(own, ports, strict=True)
        ]
        if mode == "802.3ad":
            lags.append(Lag(f"lag-{host}", ports, rate=lacp_rate, key=index + 1))
        elif mode in STATIC_LAG_MODES:
            lags.append(Lag(f"lag-{host}", ports, lacp="off", key=index + 1))
    return Topology("single_switch", tuple(hosts), (Switch("s1", 1),), tuple(links), tuple(lags), (LacpSystem("core"),))
