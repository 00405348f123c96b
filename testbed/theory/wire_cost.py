"""What a packet costs on the wire: octets that the links carry for each that one copy on a shortest way needs. Pure."""

from __future__ import annotations

from collections import deque

from testbed.spec import Topology
from testbed.theory.goodput import ETHERNET_HEADER_BYTES, IP_HEADER_BYTES, UDP_HEADER_BYTES, VLAN_TAG_BYTES


def shortest_way(topology: Topology) -> int:
    """The number of links from the measured client to the server on a shortest way; 0 if there is none."""
    beside: dict[str, set[str]] = {}
    for link in topology.links:
        beside.setdefault(link.a, set()).add(link.b)
        beside.setdefault(link.b, set()).add(link.a)
    client, server = topology.pair
    distance, waiting = {client: 0}, deque([client])
    while waiting:
        here = waiting.popleft()
        for other in beside.get(here, ()):
            if other not in distance:
                distance[other] = distance[here] + 1
                waiting.append(other)
    return distance.get(server, 0)


def frame_octets(topology: Topology, payload_bytes: int) -> int:
    """The octets, without FCS, of the frame of a UDP packet with this payload from the measured client."""
    host = topology.host(topology.client)
    headers = ETHERNET_HEADER_BYTES + IP_HEADER_BYTES[host.ip_version] + UDP_HEADER_BYTES
    return payload_bytes + headers + VLAN_TAG_BYTES * bool(host.vlan)
