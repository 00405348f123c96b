"""The controller's configuration: switches, LACP systems, LAGs and the links between switches.

A small YAML file, checked when it is read:

    systems:
      core: {system: "02:01:00:00:00:01", priority: 32768}
    switches:
      s1: {dpid: 1, isolate: true}
      s2: {dpid: 2}
    lags:
      lag-h1: {ports: [s1:1, s2:1], lacp: active, rate: fast, key: 1, min_links: 1, system: core, mux: independent}
    links:
      - {a: s1:2, b: s2:2}

A port is a switch and an OpenFlow port number. :class:`testbed.spec.lag.Lag` documents the options of a LAG;
``lacp: off`` makes a static LAG. Links whose ports are in LAGs at both ends make one link of the LAGs' width.
:class:`testbed.spec.Switch` documents ``isolate``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml

from testbed.errors import SpecError, unknown
from testbed.spec import LacpSystem, Lag, Switch, Topology

_T = TypeVar("_T")

#: A switch port: datapath id and OpenFlow port number.
PortId = tuple[int, int]
#: Where a host is attached: at a single port, or at the LAG of that name.
Edge = PortId | str


def port_name(port: PortId) -> str:
    """A port as logs and listings show it: datapath id in hexadecimal digits, colon, port number."""
    return f"{port[0]:x}:{port[1]}"


@dataclass(frozen=True)
class Configuration:
    """A checked configuration. ``ports`` gives the ports of each LAG in order, ``links`` the ends of each cable."""

    switches: tuple[Switch, ...]
    systems: tuple[LacpSystem, ...]
    lags: tuple[Lag, ...]
    ports: Mapping[str, tuple[PortId, ...]]
    links: tuple[tuple[PortId, PortId], ...] = ()

    def port_numbers(self, lag: str, dpid: int) -> tuple[int, ...]:
        """The OpenFlow ports of a LAG on this switch."""
        return tuple(number for owner, number in self.ports[lag] if owner == dpid)

    @cached_property
    def edge_of(self) -> dict[PortId, Edge]:
        """The LAG of every port that is in one."""
        return {port: name for name, ports in self.ports.items() for port in ports}

    @cached_property
    def trunks(self) -> tuple[tuple[Edge, Edge], ...]:
        """The links between switches, each once, those of a LAG together."""
        return tuple({(self.edge_of.get(a, a), self.edge_of.get(b, b)): None for a, b in self.links})

    @cached_property
    def link_edges(self) -> frozenset[Edge]:
        """The ports and LAGs that lead to another switch."""
        return frozenset(end for trunk in self.trunks for end in trunk)


def to_yaml(topology: Topology) -> str:
    """The configuration for a topology, as the text of the file."""
    switches = {switch.name for switch in topology.switches}
    names = {
        interface: f"{name}:{topology.ports[interface].number}"
        for name in sorted(switches)
        for interface in topology.interfaces(name)
    }
    value = {
        "systems": {s.name: {"system": s.system, "priority": s.priority} for s in topology.systems},
        "switches": {s.name: {"dpid": s.dpid, "isolate": s.isolate} for s in topology.switches},
        "lags": {
            lag.name: {
                **{option: getattr(lag, option) for option in _names(Lag)},
                "port_priorities": list(lag.port_priorities),
                "ports": [names[interface] for interface in lag.ports],
            }
            for lag in topology.lags
        },
        "links": [
            {"a": names[link.a_interface], "b": names[link.b_interface]}
            for link in topology.links
            if {link.a, link.b} <= switches
        ],
    }
    return str(yaml.safe_dump(value, sort_keys=False))


@functools.lru_cache(maxsize=64)
def check(topology: Topology) -> None:
    """Errors: SpecError for a topology that the controller cannot control, with the reason."""
    parse(yaml.safe_load(to_yaml(topology)), f"topology {topology.name!r}")


def load(path: Path) -> Configuration:
    """Read and check a configuration file. Errors: SpecError saying where and what was wanted."""
    try:
        value = yaml.safe_load(path.read_text())
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise SpecError(f"{path} is not YAML: {error}") from error
    return parse(value, str(path))


def parse(value: Any, where: str) -> Configuration:
    """A configuration from the parsed file; ``where`` names it in errors."""
    top = _mapping(value, where)
    _only(top, ("systems", "switches", "lags", "links"), where)
    switches = tuple(
        Switch(name, _number(item, "dpid", place := f"{where}: switches.{name}"), _choice(item, "isolate", place))
        for name, item in _entries(top, "switches", ("dpid", "isolate"), where)
    )
    _unique((switch.dpid for switch in switches), lambda dpid: f"{where}: datapath id {dpid} is that of two switches")
    systems = tuple(LacpSystem(name, **item) for name, item in _entries(top, "systems", _names(LacpSystem), where))
    _unique((item.system for item in systems), lambda system: f"{where}: system id {system} is that of two systems")
    by_name = {switch.name: switch.dpid for switch in switches}
    lags, ports = [], {}
    for name, item in _entries(top, "lags", _names(Lag), where):
        place = f"{where}: lags.{name}"
        listed = item.get("ports")
        if not isinstance(listed, list) or not all(isinstance(port, str) for port in listed):
            raise SpecError(f"{place}.ports is {listed!r}; wanted a list of ports such as [s1:1, s1:2]")
        if isinstance(item.get("lacp"), bool):  # YAML 1.1 reads a bare off as false
            item = {**item, "lacp": "active" if item["lacp"] else "off"}
        try:
            priorities = tuple(item.get("port_priorities", ()))
            lag = Lag(name, **{**item, "ports": tuple(listed), "port_priorities": priorities})
        except TypeError as error:
            raise SpecError(f"{place}: {error}") from error
        if lag.lacp != "off" and lag.system not in {system.name for system in systems}:
            raise unknown(f"LACP system in {place}:", lag.system, [system.name for system in systems])
        lags.append(lag)
        ports[name] = tuple(_port(text, by_name, place) for text in listed)
    shown = {switch.dpid: switch.name for switch in switches}
    _unique(
        (port for each in ports.values() for port in each),
        lambda port: f"{where}: port {shown[port[0]]}:{port[1]} is in two LAGs, or twice in one",
    )
    _unique(
        ((lag.system, lag.key) for lag in lags if lag.lacp != "off"),
        lambda taken: f"{where}: key {taken[1]} is that of two LAGs of LACP system {taken[0]!r}",
    )
    configuration = Configuration(switches, systems, tuple(lags), ports, _links(top, by_name, where))
    _check_links(configuration, where)
    return configuration


def _links(top: Mapping[str, Any], by_name: Mapping[str, int], where: str) -> tuple[tuple[PortId, PortId], ...]:
    listed = top.get("links") or []
    if not isinstance(listed, list):
        raise SpecError(f"{where}: links holds {type(listed).__name__}; wanted a list such as [{{a: s1:3, b: s2:3}}]")
    found = []
    for index, item in enumerate(listed):
        place = f"{where}: links[{index}]"
        _only(_mapping(item, place), ("a", "b"), place)
        ends = [item.get(end) for end in ("a", "b")]
        if not all(isinstance(end, str) for end in ends):
            raise SpecError(f"{place} is {item!r}; wanted two ports such as {{a: s1:3, b: s2:3}}")
        a, b = (_port(end, by_name, place) for end in ends)
        if a[0] == b[0]:
            raise SpecError(f"{place} joins {ends[0]} and {ends[1]}; wanted ports of two switches")
        found.append((a, b))
    return tuple(found)


def _check_links(configuration: Configuration, where: str) -> None:
    """One cable per port; a LAG leads to hosts only, or to one other LAG only, over all of its ports."""
    names = {switch.dpid: switch.name for switch in configuration.switches}
    far: dict[PortId, PortId] = {}
    for ends in configuration.links:
        for port, other in (ends, ends[::-1]):
            if port in far:
                raise SpecError(f"{where}: port {names[port[0]]}:{port[1]} is an end of two links")
            far[port] = other
    for here, there in ((here, there) for trunk in configuration.trunks for here, there in (trunk, trunk[::-1])):
        if not isinstance(here, str):
            continue
        if not isinstance(there, str):
            raise SpecError(
                f"{where}: a link joins LAG {here!r} to port {names[there[0]]}:{there[1]}, which is in no LAG",
                "Put the ports at both ends into LAGs, or those of neither.",
            )
        ports = configuration.ports[here]
        leading = {configuration.edge_of.get(far[port]) if port in far else None for port in ports}
        if len(leading) > 1:
            wanted = "wanted links from all of its ports to the ports of one LAG"
            raise SpecError(f"{where}: LAG {here!r} leads to a switch and elsewhere as well; {wanted}")
        if len(owners := {dpid for dpid, _ in ports}) > 1:
            found = ", ".join(sorted(names[dpid] for dpid in owners))
            raise SpecError(
                f"{where}: LAG {here!r} leads to a switch but is on {found}; wanted it on one switch",
                "A LAG to a switch is one port of its switch here, which a multi-chassis LAG is not. Join the switches"
                " by links of their own, as topology ring does: the same failures are survived.",
            )


def _port(text: str, by_name: Mapping[str, int], place: str) -> PortId:
    switch, _, number = text.rpartition(":")
    if switch not in by_name:
        raise unknown(f"switch of port {text!r} in {place}:", switch, by_name)
    if not number.isdigit() or not 1 <= int(number) <= 0xFF00:
        raise SpecError(f"{place}: port {text!r} has no port number; wanted SWITCH:NUMBER with a number from 1")
    return by_name[switch], int(number)


def _unique(values: Iterable[_T], message: Callable[[_T], str]) -> None:
    seen: set[_T] = set()
    for value in values:
        if value in seen:
            raise SpecError(message(value))
        seen.add(value)


def _names(kind: type) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind) if item.name not in ("name", "ovs_bond_mode"))


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SpecError(f"{where} holds {type(value).__name__}; wanted names with values")
    return value


def _only(value: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    known = tuple(known)
    for key in value:
        if key not in known:
            raise unknown(f"key in {where}:", str(key), known)


def _entries(
    top: Mapping[str, Any], key: str, known: tuple[str, ...], where: str
) -> Iterable[tuple[str, dict[str, Any]]]:
    for name, item in _mapping(top.get(key) or {}, f"{where}: {key}").items():
        place = f"{where}: {key}.{name}"
        _only(_mapping(item, place), known, place)
        yield str(name), item


def _number(item: Mapping[str, Any], key: str, place: str) -> int:
    value = item.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise SpecError(f"{place}.{key} is {value!r}; wanted a whole number")
    return value


def _choice(item: Mapping[str, Any], key: str, place: str) -> bool:
    value = item.get(key, True)
    if not isinstance(value, bool):
        raise SpecError(f"{place}.{key} is {value!r}; wanted true or false")
    return value
