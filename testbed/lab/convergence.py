"""When a network is ready for an experiment: its members carry traffic, and its hosts reach each other."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from testbed.emulation.hsrlink import HsrPorts
from testbed.emulation.network import Network
from testbed.emulation.waiting import wait_for
from testbed.errors import TrialError
from testbed.services.running import Running
from testbed.theory import separate

#: How long everything may take to be ready, in seconds.
DEADLINE_S = 60.0
#: How long to wait for hosts that by theory may not reach each other: until our controller has made a bond time out a
#: wrong port, 5 + 10 + 3 s, and that has aggregated the right ones, 2 s (docs/lacp.md), and more.
_PERHAPS_S = 25.0
#: Of up to this many hosts every two have to reach each other; of more, each the 1st, 2nd, 4th, 8th ... after it.
MESH_HOSTS = 16
_PORT = 4000


def settled_by_s(services: Sequence[Running]) -> float:
    """How long all services may take until their start is over, by their configurations, in seconds."""
    return DEADLINE_S + max((each.service.slow_s for each in services), default=0.0)


def answered(network: Network, host: str) -> bool:
    """Whether the host's bond can do what its mode asks for: without a LACP partner, 802.3ad cannot."""
    bond = network.topology.host(host).bond
    return bond is None or bond.mode != "802.3ad" or network.scheme.answers(network.topology, bond)


def not_carrying(network: Network, host: str, *, fully: bool = True) -> list[str]:
    """The members of a host's bond that do not carry traffic now, each with the reason.

    Unless ``fully``, a member with link by MII will do where no partner responds to its LACP. Members beyond
    ``max_active`` of the LAG at the far ends stand by, which is as it should be. So does a backup that an ARP monitor
    watches where each member leads to a network of its own: it is up by what others ask there, and nobody does
    (bonding.rst, arp_validate).
    """
    bond = network.topology.host(host).bond
    if bond is None:
        return []
    mode = bond.mode if fully or answered(network, host) else ""  # no mode: by MII alone
    shown = network.bond(host).shown()
    found = shown.not_carrying(mode)
    if separate.searches(network.topology, bond):
        return [] if any(member.mii_up for member in shown.members) else found
    lag = network.topology.ports[network.topology.far(bond.members[0]).interface].lag
    enough = lag.max_active if lag and "max_active" in network.scheme.lag_options else 0
    if enough and not shown.not_carrying("") and len(bond.members) - len(found) >= min(enough, len(bond.members)):
        return []
    return found


def wait(
    network: Network,
    missing: Callable[[], str],
    settle: Callable[[], None],
    note: Callable[..., object],
    expected: Mapping[tuple[str, str], bool | None] = {},
    apart: Collection[tuple[str, str]] = (),
) -> None:
    """Wait until every member carries traffic, as far as the switches let it, and all hosts reach each other.

    ``missing`` says what of the switch side is not up yet, ``settle`` does what is left once nothing is missing,
    ``note`` writes into the timeline. ``expected`` says of pairs of hosts whether they reach each other by theory: True
    unless it is given. Those ``apart`` are kept apart on purpose, by a firewall or for want of a route: they are not
    asked. Errors: TrialError past the deadline, naming what is missing. What the switches do not let aggregate, and
    hosts that by theory need not reach each other and do not, are noted, not an error: that is a result.
    """
    hosts = [host.name for host in network.topology.hosts]
    wait_for(
        "the bonds come up",
        lambda: "; ".join(lack for host in hosts for lack in not_carrying(network, host, fully=False)),
        deadline_s=DEADLINE_S,
        step_s=0.01 if len(hosts) <= MESH_HOSTS else 0.1,
    )
    wait_for("the LAGs between switches come up", missing, deadline_s=DEADLINE_S, step_s=0.1)
    settle()
    pairs = [pair for pair in meeting(hosts) if pair not in apart]
    must = [pair for pair in pairs if expected.get(pair, True)]
    wait_for("the nodes of HSR know each other", lambda: _unknown(network, must), deadline_s=DEADLINE_S, step_s=0.1)
    network.set_wanted_active()
    note("network", "bonds_up")
    alone = [host for host in hosts if not answered(network, host)]
    with contextlib.ExitStack() as stack:
        sockets = {host: stack.enter_context(network.socket(host)) for host in hosts}
        for sock in sockets.values():
            sock.bind(("", _PORT))
            sock.setblocking(False)
        wait_for(
            lambda: "the hosts reached each other" + _partnerless(network, alone),
            lambda: _named(_unreached(network, sockets, must)),
            deadline_s=DEADLINE_S,
            step_s=0.1,
        )
        others = [pair for pair in pairs if pair not in must]

        def lacking() -> str:
            others[:] = _unreached(network, sockets, others)
            return _named(others)

        try:
            wait_for("the other hosts reached each other", lacking, deadline_s=_PERHAPS_S, step_s=0.1)
        except TrialError as error:
            note("network", "not_reached", reason=error.message, pairs=[list(pair) for pair in others])
    _note_apart(network, alone, note)
    if network.controller is not None:
        network.ovs.configure_again()
    note("network", "converged")


def _unknown(network: Network, pairs: Sequence[tuple[str, str]]) -> str:
    """What nodes of HSR do not know yet of each other (`HsrPorts.unknown`); nothing of other hosts."""
    found = []
    for name, node in network.bonds.items():
        if isinstance(node, HsrPorts):
            peers = [b for a, b in pairs if a == name and isinstance(network.bonds.get(b), HsrPorts)]
            if lacking := node.unknown({peer: network.topology.host_mac(peer) for peer in peers}):
                found.append(f"{', '.join(lacking)} to {name}")
    return "; ".join(found)


def _partnerless(network: Network, alone: Sequence[str]) -> str:
    """What the members of these hosts' bonds lack now, for an error."""
    lacking = [each for host in alone for each in not_carrying(network, host)]
    return f" (without LACP partner: {'; '.join(lacking)})" if lacking else ""


def _note_apart(network: Network, alone: Sequence[str], note: Callable[..., object]) -> None:
    """Note for each of these hosts which members of its bond do not carry, once LACP has decided on all of them.

    Where some port may answer its LACP, hosts may reach each other before LACP has decided on every member.
    """
    with contextlib.suppress(TrialError):
        wait_for(
            "LACP has decided",
            lambda: "; ".join(
                each for host in alone if _partly_answered(network, host) for each in not_carrying(network, host)
            ),
            deadline_s=_PERHAPS_S,
            step_s=0.1,
        )
    for host in alone:
        if lacking := not_carrying(network, host):
            apart = {reason.split()[0] for reason in lacking}
            carrying = [member for member in network.topology.members(host) if member not in apart]
            note("network", "not_aggregated", host=host, reason="; ".join(lacking), carrying=carrying)


def _partly_answered(network: Network, host: str) -> bool:
    """Whether something at the far end of one of the host's links may speak LACP."""
    side, topology = network.scheme.side, network.topology
    lags = [topology.ports[topology.far(member).interface].lag for member in topology.members(host)]
    return not side.known or (side.negotiates and any(lag is not None and lag.lacp != "off" for lag in lags))


def _named(pairs: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{a} to {b}" for a, b in pairs)


def _unreached(
    network: Network, sockets: Mapping[str, socket.socket], pairs: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Send a datagram from the first host of each pair to the second; the pairs of which none has come 50 ms later."""
    if not pairs:
        return []
    for a, b in pairs:
        with contextlib.suppress(OSError):
            sockets[a].sendto(a.encode(), (network.topology.host(b).ip, _PORT))
    time.sleep(0.05)
    arrived = set()
    for host, sock in sockets.items():
        with contextlib.suppress(BlockingIOError):
            while True:
                arrived.add((sock.recv(64).decode(), host))
    return [pair for pair in pairs if pair not in arrived]


def meeting(hosts: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of hosts, in order of sending, that have to reach each other before an experiment begins."""
    count = len(hosts)
    if count <= MESH_HOSTS:
        return [(a, b) for a in hosts for b in hosts if a != b]
    steps = [1 << power for power in range(count.bit_length()) if 1 << power < count]
    return [(hosts[place], hosts[(place + step) % count]) for step in steps for place in range(count)]
