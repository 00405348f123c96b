"""Services: daemons that run beside a node, in its namespaces; one file for each.

What a topology asks for is `wanted`, as values; testbed.services.running starts them in a live network.
"""

from __future__ import annotations

from testbed.services import (
    bgp,
    bird_ways,
    conntrackd,
    frr,
    gdnsd,
    haproxy,
    http_server,
    keepalived,
    nftables,
    site_check,
)
from testbed.services.service import Service
from testbed.spec import Topology


def wanted(topology: Topology) -> list[Service]:
    """Every service that the topology's hosts need."""
    routes = [*bird_ways.of(topology), *bgp.of(topology), *frr.of(topology)]
    beside = [*http_server.of(topology), *nftables.of(topology), *conntrackd.of(topology)]
    sites = [*site_check.of(topology), *gdnsd.of(topology)]
    return [*routes, *beside, *sites, *haproxy.of(topology), *keepalived.of(topology)]


__all__ = ["Service", "wanted"]
