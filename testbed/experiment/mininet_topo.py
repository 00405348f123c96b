"""A file for Mininet's ``--custom`` as a topology: a host with several links to switches gets a bond over them.

    topos = {"mine": MyTopo}      # what Mininet's documents ask of such a file

The options of Mininet's links (``bw`` in Mbit/s, ``delay``, ``max_queue_size``) are used; for a link without them,
the topology's own values (``--set rate_mbps=...``). Parallel links between two switches are one LAG. Mininet is not
needed here: the file imports it.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from testbed.errors import SpecError, unknown
from testbed.experiment.plan import TopologyFunction
from testbed.spec import Addressing, BondOptions, Cable, LagOptions, Topology
from testbed.spec.wiring import Wiring

#: The options of mininet.link.TCIntf that a link may have.
_LINK_OPTIONS = {"bw", "delay", "max_queue_size"}
#: The keys of a link's ends; Mininet numbers ports by itself, and so do we.
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
    if not isinstance(topos, Mapping):
        raise SpecError(
            f"topos of {path} is {type(topos).__name__}; wanted a dictionary of names and classes",
            f"For example: topos = {{{stem!r}: MyTopo}}",
        )
    if len(topos) != 1 and stem not in topos:
        found = ", ".join(sorted(topos)) or "none"
        raise SpecError(
            f"{path} has several topos, or none, and none is named {stem!r}; found: {found}",
            f"Keep one of them in the file, or name the file after the one that is meant: {next(iter(topos), stem)}.py",
        )
    name = stem if stem in topos else next(iter(topos))
    own = _own_arguments(topos[name])

    def network(**given: Any) -> Topology:
        shared = {key: given.get(key, value) for key, value in _SHARED.items()}
        topo = topos[name](**{key: value for key, value in given.items() if key in own})
        return _converted(topo, name, **shared)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(key, keyword, default=value) for key, value in (own | _SHARED).items()]
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


def _own_arguments(topo: Any) -> dict[str, Any]:
    """The keyword arguments of a Topo with a plain default: those of its constructor or its build, or of a function."""
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
    """The network of a mininet.topo.Topo. Errors: SpecError for what has no equivalent here."""
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
        link = net.link(a, b, _cable(cable, options, f"{a} to {b} of topo {name!r}"))
        if a in ends:
            ends[a].append(link)
        elif (b, a) in between:
            between[b, a].append((link[1], link[0]))
        else:
            between.setdefault((a, b), []).append(link)
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

    So ports have the numbers that Mininet gives them. Where the file itself chose ports there may be no such order;
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
    """The name of the LACP system of these switches; hosts on the same switches share it."""
    return "-".join(switches)


def _cable(cable: Cable, options: Mapping[str, Any], which: str) -> Cable:
    """The cable with the link's own options. Errors: SpecError naming an option that has no equivalent here."""
    given = {key: value for key, value in options.items() if key not in _ENDS and value is not None}
    for key in given:
        if key not in _LINK_OPTIONS:
            raise unknown(f"option of link {which}:", key, _LINK_OPTIONS)
    changes: dict[str, Any] = {}
    if "bw" in given:
        changes["rate_mbps"] = _number(float, "bw", given["bw"], which, "Mbit/s, such as 10")
    if "delay" in given:
        changes["delay_ms"] = _delay_ms(given["delay"], which)
    if "max_queue_size" in given:
        changes["queue_packets"] = _number(
            int, "max_queue_size", given["max_queue_size"], which, "packets, such as 100"
        )
    return dataclasses.replace(cable, **changes)


def _number(kind: type[int] | type[float], name: str, value: Any, which: str, wanted: str) -> float:
    try:
        return kind(value)
    except (TypeError, ValueError):
        raise SpecError(f"{name} {value!r} of link {which} is no number; wanted {wanted}") from None


def _delay_ms(text: Any, which: str) -> float:
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)(us|ms|s)", str(text))
    if not found:
        raise SpecError(f"delay {text!r} of link {which} is no time; wanted a number with us, ms or s, such as '5ms'")
    return float(found[1]) * _UNITS_MS[found[2]]
