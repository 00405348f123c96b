"""A file for Mininet's ``--custom`` as a topology: a host with several links gets a bond over them.

    topos = {"mine": MyTopo}      # what Mininet's documents ask of such a file

Addresses, MAC addresses, datapath ids and port numbers are those that Mininet gives; testbed.experiment.mininet_options
tells of the other options. Values that the file does not give are the topology's own (``--set rate_mbps=...``).
Parallel links between two switches are one LAG. Mininet is not needed here: the file imports it.
"""

from __future__ import annotations

import dataclasses
import inspect
import ipaddress
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

from testbed.errors import SpecError, unknown
from testbed.experiment import mininet_lines
from testbed.experiment import mininet_options as options_of
from testbed.experiment.plan import TopologyFunction
from testbed.spec import Addressing, BondOptions, Cable, Host, LagOptions, Link, Switch, Topology
from testbed.spec.wiring import Wiring

#: The keys of a link's ends; Mininet numbers ports by itself, and so do we.
_ENDS = ("node1", "node2", "port1", "port2")
_SHARED = {
    "cable": Cable(),
    "rx_coalesce_us": 100,
    "addressing": Addressing(),
    "bonding": BondOptions(),
    "lag": LagOptions(),
}


def has(module: ModuleType, name: str) -> bool:
    """Whether a file has a network for Mininet that ``name`` may mean: ``topos``, or a Topo class of that name."""
    function = getattr(module, name, None)
    if inspect.isclass(function) and name in classes(module):
        return True
    return hasattr(module, "topos") and (function is None or inspect.isclass(function))


def topology(module: ModuleType, path: str, wanted: str, *, chosen: bool) -> TopologyFunction:
    """The topology function of a file with ``topos``, or with a Topo class: ``wanted`` is the name that is meant.

    With ``chosen`` the user named it; else it is the file's own name, and the only one of ``topos`` will do as well.
    Errors: SpecError if it is not clear which of them is meant.
    """
    topos: Mapping[str, Any] = getattr(module, "topos", {})
    if not isinstance(topos, Mapping):
        raise SpecError(
            f"topos of {path} is {type(topos).__name__}; wanted a dictionary of names and classes",
            f"For example: topos = {{{wanted!r}: MyTopo}}",
        )
    if wanted in topos:
        name, topo = wanted, topos[wanted]
    elif wanted in classes(module):
        name, topo = wanted, getattr(module, wanted)
    elif chosen:
        raise unknown(f"topo of {path}", wanted, [*topos, *classes(module)])
    elif len(topos) == 1:
        ((name, topo),) = topos.items()
    else:
        raise SpecError(
            f"{path} has {len(topos)} topos, and none is named {wanted!r}; found: {', '.join(topos) or 'none'}",
            f"Name the one that is meant: {path}:{next(iter(topos), 'NAME')}",
        )
    if not callable(topo):
        raise SpecError(f"{path}: topos[{name!r}] is {type(topo).__name__}; wanted a class or function")
    own = _own_arguments(topo)
    needed = _needed_arguments(topo)

    def network(**given: Any) -> Topology:
        shared = {key: given.get(key, value) for key, value in _SHARED.items()}
        if missing := [key for key in needed if given.get(key, "") == ""]:
            raise SpecError(f"topo {name!r} needs the argument {missing[0]}", f"For example: --set {missing[0]}=2")
        wanted = {key: given[key] if key in own else _numeric(given[key]) for key in (*own, *needed) if key in given}
        with mininet_lines.noted(Path(str(module.__file__))) as lines:
            made = topo(**wanted)
        if not all(hasattr(made, each) for each in ("hosts", "switches", "iterLinks", "nodeInfo")):
            raise SpecError(f"{path}: topo {name!r} is {type(made).__name__}; wanted a mininet.topo.Topo")
        return _converted(made, name, lambda *keys: mininet_lines.placed(path, lines, *keys), **shared)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(key, keyword, default=value) for key, value in (needed | own | _SHARED).items()]
    network.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    network.__module__, network.__name__ = module.__name__, name
    return network


def classes(module: ModuleType) -> list[str]:
    """The names of a file's own subclasses of mininet.topo.Topo, in the order of the file."""
    base = getattr(sys.modules.get("mininet.topo"), "Topo", None)
    if base is None:
        return []
    found = [each for each in vars(module).values() if inspect.isclass(each) and issubclass(each, base)]
    return [each.__name__ for each in found if each.__module__ == module.__name__]


def starts_mininet(module: ModuleType) -> bool:
    """Whether a file has Mininet's own class, by which a script builds and starts a network."""
    mininet = getattr(sys.modules.get("mininet.net"), "Mininet", None)
    return mininet is not None and any(each is mininet for each in vars(module).values())


def _own_arguments(topo: Any) -> dict[str, Any]:
    """The keyword arguments of a Topo with a plain default: those of its constructor or its build, or of a function."""
    return {each.name: each.default for each in _parameters(topo) if isinstance(each.default, str | int | float)}


def _needed_arguments(topo: Any) -> dict[str, str]:
    """The arguments without a default, which ``mn`` has after the name, ``--topo NAME,2``; here they have names."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = [each.name for each in _parameters(topo) if each.default is each.empty and each.kind in kinds]
    return dict.fromkeys(found, "")


def _parameters(topo: Any) -> list[inspect.Parameter]:
    if not inspect.isclass(topo):
        return list(inspect.signature(topo).parameters.values())
    source = getattr(topo, "__init__" if "__init__" in vars(topo) else "build", None)
    return list(inspect.signature(source).parameters.values())[1:] if source else []  # without self


def _numeric(text: Any) -> Any:
    """An argument as ``mn`` reads it from the command line: a number if it is one (mininet.util.makeNumeric)."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _converted(
    topo: Any,
    name: str,
    at: Callable[..., AbstractContextManager[None]],
    *,
    cable: Cable,
    rx_coalesce_us: int,
    addressing: Addressing,
    bonding: BondOptions,
    lag: LagOptions,
) -> Topology:
    """The network of a mininet.topo.Topo. Errors: SpecError for what has no equivalent here, at a place in the file."""
    net = Wiring(cable=cable, bonding=bonding, lag=lag, rx_coalesce_us=rx_coalesce_us, addressing=addressing)
    hosts = _options(topo, name, topo.hosts(), "host", at)
    switches = _options(topo, name, topo.switches(False), "switch", at)
    for switch in switches:
        net.switch(switch)
    # Mininet adds hosts sorted, and numbers their addresses in that order.
    ends: dict[str, list[tuple[str, str]]] = {host: [] for host in hosts}
    between: dict[tuple[str, str], list[tuple[str, str]]] = {}
    macs: dict[str, str] = {}
    ports: dict[str, int] = {}
    partner: dict[str, str] = {}  # the node of each interface
    for options in _in_order([each[-1] for each in topo.iterLinks(withInfo=True)]):
        a, b = options["node1"], options["node2"]
        which = f"link {a} to {b} of topo {name!r}"
        own = {key: value for key, value in options.items() if key not in _ENDS}
        named = [
            own.pop(f"intfName{end}", None) or f"{options[f'node{end}']}-eth{options[f'port{end}']}" for end in "12"
        ]
        taken = ("bw", "delay", "max_queue_size", "addr1", "addr2")
        with at(mininet_lines.key_of(options)):
            own = options_of.given("link", which, own, taken)
            link = net.link(a, b, options_of.cable(cable, own, which), (str(named[0]), str(named[1])))
            for interface, key in zip(link, ("addr1", "addr2"), strict=True):
                if key in own:
                    macs[interface] = options_of.mac(own[key], which)
            for interface in link:
                if interface in partner:
                    raise SpecError(f"{which} ends at {interface}, as another link does", "Delete port1 and port2.")
        ports |= dict(zip(link, (options["port1"], options["port2"]), strict=True))
        for node, near in ((a, link), (b, link[::-1])):
            partner[near[0]] = node
            if node in ends:
                ends[node].append(near)
        if a not in ends and b not in ends:
            if (b, a) in between:
                between[b, a].append((link[1], link[0]))
            else:
                between.setdefault((a, b), []).append(link)
    parallel = [(pair, links) for pair, links in between.items() if len(links) > 1]
    for number, (pair, links) in enumerate(parallel, start=1):
        net.trunk(links, pair, f"trunk{number}", bonding.lacp_rate)
    for host, links in ends.items():
        far = [partner[port] for _, port in links]
        joined = [node for node in far if node in ends]
        if joined and len(set(far)) > 1:
            with at(host):
                raise SpecError(
                    f"host {host} of topo {name!r} has links to {' and '.join(dict.fromkeys(far))};"
                    " wanted links to switches alone, or to one other host alone",
                    "A bond needs a partner; a host that forwards between two networks is none.",
                )
        if len(links) == 1:
            net.plain(host)
        else:
            net.bond(host, links, system=_system(dict.fromkeys(far)), lag=not joined)
    with at():
        found = net.topology(name)
    for interface, port in ports.items():
        if partner[interface] in switches and port != found.ports[interface].number:
            with at(partner[interface]):
                raise SpecError(
                    f"{interface} of topo {name!r} is port {port}; the ports of a switch are numbered from 1 without"
                    f" gaps here, so it would be port {found.ports[interface].number}",
                    "Delete port1 and port2, or give ports without gaps.",
                )
    with at(*hosts):
        addressed = _hosts(found, hosts, addressing, macs)
    cables = tuple(_with_macs(link, macs) for link in found.links)
    with at():
        return dataclasses.replace(found, hosts=addressed, links=cables, switches=_switches(found, switches))


def _options(
    topo: Any, name: str, nodes: Iterable[str], kind: str, at: Callable[..., AbstractContextManager[None]]
) -> dict[str, dict[str, Any]]:
    """The options of hosts or switches that are taken over, checked. Errors: SpecError for the others."""
    infos = {node: topo.nodeInfo(node) for node in nodes}
    taken = ("ip", "mac") if kind == "host" else ("dpid",)
    found = {}
    for node in sorted(infos, key=lambda node: "cls" not in infos[node]):  # a router is told of before its routes
        with at(node):
            found[node] = options_of.given(kind, f"{kind} {node} of topo {name!r}", infos[node], taken)
            options_of.check(kind, node, found[node])
    return {node: found[node] for node in infos}


def _hosts(
    found: Topology, options: Mapping[str, Mapping[str, Any]], addressing: Addressing, macs: dict[str, str]
) -> tuple[Host, ...]:
    """The hosts with their own addresses; a MAC address is that of the first interface, added to ``macs``.

    As soon as one has an address of its own, the others have Mininet's: 10.0.0.0/8, in the order of their names.
    """
    for name, own in options.items():
        if "mac" in own and (first := next(iter(found.interfaces(name)), None)):
            macs.setdefault(first, options_of.mac(own["mac"], f"host {name}"))
    if not any("ip" in own for own in options.values()):
        return found.hosts
    if addressing.ip != 4:
        raise SpecError(f"topo {found.name!r} gives its hosts IPv4 addresses, and ip={addressing.ip} is set")
    base = ipaddress.IPv4Address("10.0.0.0")
    addresses = {
        name: options_of.address(own.get("ip", f"{base + place}/8"), f"host {name}")
        for place, (name, own) in enumerate(options.items(), start=1)
    }
    for one, other in itertools.combinations(options, 2):
        subnets = [ipaddress.IPv4Interface(addresses[each]) for each in (one, other)]
        if subnets[0].ip not in subnets[1].network or subnets[1].ip not in subnets[0].network:
            raise SpecError(
                f"hosts {one} and {other} of topo {found.name!r} are in different subnets, {addresses[one]} and"
                f" {addresses[other]}; all hosts are in one subnet here, and nothing is routed",
                "Give them addresses of one subnet, with one prefix length.",
            )
    return tuple(dataclasses.replace(host, address=addresses[host.name]) for host in found.hosts)


def _with_macs(link: Link, macs: Mapping[str, str]) -> Link:
    """The link with the MAC addresses that the file gives its ends."""
    a_mac, b_mac = macs.get(link.a_interface, ""), macs.get(link.b_interface, "")
    return dataclasses.replace(link, a_mac=a_mac, b_mac=b_mac)


def _switches(found: Topology, options: Mapping[str, Mapping[str, Any]]) -> tuple[Switch, ...]:
    """The switches with the datapath ids that Mininet gives them; where two would be the same, numbered from 1."""
    ids = {name: options_of.dpid(name, own) for name, own in options.items()}
    if None in ids.values() or len(set(ids.values())) < len(ids):
        own_ids = {ids[name] for name, own in options.items() if "dpid" in own}
        free = (number for number in itertools.count(1) if number not in own_ids)
        ids = {name: ids[name] if "dpid" in own else next(free) for name, own in options.items()}
    return tuple(dataclasses.replace(switch, dpid=ids[switch.name] or 0) for switch in found.switches)


def _in_order(links: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The links in an order in which each takes the next port at both its ends, as they were added to the Topo.

    So ports have the numbers that Mininet gives them. Where the file itself chose ports there may be no such order.
    """
    left, found = list(links), []
    while left:
        first: dict[str, int] = {}
        for link in left:
            for end in (1, 2):
                node, port = link[f"node{end}"], link[f"port{end}"]
                first[node] = min(port, first.get(node, port))
        ready = [link for link in left if all(link[f"port{e}"] == first[link[f"node{e}"]] for e in (1, 2))]
        found.append((ready or left)[0])
        left.remove(found[-1])
    return found


def _system(switches: Mapping[str, None]) -> str:
    """The name of the LACP system of these switches; hosts on the same switches share it."""
    return "-".join(switches)
