"""A file as Mininet takes it by ``--custom``, as a topology: hosts with several links to switches get a bond over them.

    topos = {"mine": MyTopo}      # what Mininet's documents ask of such a file

What Mininet's links are told (``bw`` in Mbit/s, ``delay``, ``max_queue_size``) counts; where nothing is told, what
--set says of the topology's links. Parallel links between two switches are one LAG. Mininet itself is not needed here:
the file brings its own import of it.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from testbed.errors import SpecError, unknown
from testbed.experiment.plan import TopologyFunction
from testbed.spec import Addressing, BondOptions, Cable, LagOptions, Topology
from testbed.spec.wiring import Wiring

#: What a link may be told, of what mininet.link.TCIntf knows.
_LINK_OPTIONS = {"bw", "delay", "max_queue_size"}
#: What a link's ends are called by; Mininet numbers ports by itself, and so do we.
_ENDS = {"node1", "node2", "port1", "port2"}
_UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_SHARED = {
    "cable": Cable(),
    "rx_coalesce_us": 100,
    "addressing": Addressing(),
    "bonding": BondOptions(),
    "lag": LagOptions(),
}


def topology(module: ModuleType, path: str) -> TopologyFunction:
    """The topology function of a file with ``topos``. Errors: SpecError if it is not clear which of them is meant."""
    topos: Mapping[str, Any] = module.topos
    stem = Path(path).stem
    if len(topos) != 1 and stem not in topos:
        found = ", ".join(sorted(topos)) or "none"
        raise SpecError(
            f"{path} has several topos, or none, and none is named {stem!r}; found: {found}",
            f"Keep one of them in the file, or name the file after the one that is meant: {next(iter(topos), stem)}.py",
        )
    name = stem if stem in topos else next(iter(topos))
    own = _own_arguments(topos[name])

    def made(**given: Any) -> Topology:
        shared = {key: given.get(key, value) for key, value in _SHARED.items()}
        topo = topos[name](**{key: value for key, value in given.items() if key in own})
        return _converted(topo, name, **shared)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(key, keyword, default=value) for key, value in (own | _SHARED).items()]
    made.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    made.__module__, made.__name__ = module.__name__, name
    return made


def _own_arguments(topo: Any) -> dict[str, Any]:
    """The keyword arguments of a Topo with a plain default: those of its build, or of whatever makes it."""
    source = topo
    if inspect.isclass(topo):
        source = getattr(topo, "__init__" if "__init__" in vars(topo) else "build")
    parameters = inspect.signature(source).parameters.values()
    return {each.name: each.default for each in parameters if isinstance(each.default, str | int | float)}


def _converted(
    topo: Any,
    name: str,
    *,
    cable: Cable,
    rx_coalesce_us: int,
    addressing: Addressing,
    bonding: BondOptions,
    lag: LagOptions,
) -> Topology:
    """The network of a mininet.topo.Topo. Errors: SpecError for what has no equal here."""
    net = Wiring(cable=cable, bonding=bonding, lag=lag, rx_coalesce_us=rx_coalesce_us, addressing=addressing)
    switches = list(topo.switches(sort=False))
    for switch in switches:
        net.switch(switch)
    ends: dict[str, list[tuple[str, str]]] = {host: [] for host in topo.hosts(sort=False)}
    between: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for options in _in_order([each[-1] for each in topo.iterLinks(withInfo=True)]):
        a, b = options["node1"], options["node2"]
        if a in ends and b in ends:
            raise SpecError(
                f"topo {name!r} joins the hosts {a} and {b}; hosts are joined by switches here",
                "Use --topology back_to_back for two hosts without a switch.",
            )
        if b in ends:
            a, b = b, a
        made = net.link(a, b, _cable(cable, options, f"{a} to {b} of topo {name!r}"))
        if a in ends:
            ends[a].append(made)
        elif (b, a) in between:
            between[b, a].append((made[1], made[0]))
        else:
            between.setdefault((a, b), []).append(made)
    parallel = [(pair, links) for pair, links in between.items() if len(links) > 1]
    for number, (pair, links) in enumerate(parallel, start=1):
        net.trunk(links, pair, f"trunk{number}", bonding.lacp_rate)
    for host, own in ends.items():
        if len(own) == 1:
            net.plain(host)
        else:
            far = [port.partition("-eth")[0] for _, port in own]
            net.bond(host, own, system=_system(dict.fromkeys(far)))
    return net.topology(name)


def _in_order(links: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The links in an order in which each takes the next port at both its ends, as they were added to the Topo.

    So ports have the numbers that Mininet gives them. Where the file gave ports by itself there may be no such order:
    then the numbers are ours.
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
    """The name of the LACP system of these switches: hosts on the same switches share it."""
    return "-".join(switches)


def _cable(cable: Cable, options: Mapping[str, Any], which: str) -> Cable:
    """The cable with what the link is told. Errors: SpecError naming an option that has no equal here."""
    told = {key: value for key, value in options.items() if key not in _ENDS and value is not None}
    for key in told:
        if key not in _LINK_OPTIONS:
            raise unknown(f"option of link {which}:", key, _LINK_OPTIONS)
    changes: dict[str, Any] = {}
    if "bw" in told:
        changes["rate_mbps"] = float(told["bw"])
    if "delay" in told:
        changes["delay_ms"] = _delay_ms(told["delay"], which)
    if "max_queue_size" in told:
        changes["queue_packets"] = int(told["max_queue_size"])
    return dataclasses.replace(cable, **changes)


def _delay_ms(text: Any, which: str) -> float:
    found = re.fullmatch(r"([0-9.]+)(us|ms|s)", str(text))
    if not found:
        raise SpecError(f"delay {text!r} of link {which} is no time; wanted a number with us, ms or s, such as '5ms'")
    return float(found[1]) * _UNITS_MS[found[2]]
