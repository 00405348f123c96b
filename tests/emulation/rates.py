"""Pairs of hosts, each pair with a rate and a delay of its own, on one switch.

near0 ---- 1 Mbit/s, 200 ms ---- s1 ---- 1 Mbit/s, 200 ms ---- far0
near1 ---- 100 Mbit/s, 5 ms ---- s1 ---- ...
"""

from __future__ import annotations

from testbed.spec import Host, Link, Switch, Topology

#: Rate in Mbit/s and delay of one link in milliseconds; a path is two links long.
LINES = ((1.0, 200.0), (100.0, 5.0), (10_000.0, 0.5), (100_000.0, 0.2))


def rates() -> Topology:
    """A user's own topology, whose hosts receive every frame by itself, so that arrival times are exact."""
    hosts, links = [], []
    for number, (rate_mbps, delay_ms) in enumerate(LINES):
        for side, (name, octet) in enumerate((("near", 1), ("far", 2))):
            host = f"{name}{number}"
            hosts.append(Host(host, f"10.0.{octet}.{number + 1}/16", rx_coalesce_us=0))
            port = f"s1-eth{2 * number + side + 1}"
            links.append(Link(host, f"{host}-eth0", "s1", port, rate_mbps, delay_ms))
    return Topology("rates", tuple(hosts), (Switch("s1", 1),), tuple(links))
