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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from testbed.controller import values
from testbed.errors import SpecError, unknown
from testbed.spec import LacpSystem, Lag, Switch, Topology

_T = TypeVar("_T")

#: A switch port: datapath id and OpenFlow port number.
PortId = tuple[int, int]
#: The highest OpenFlow port number of a port (OpenFlow 1.5.1, 7.2.1: OFPP_MAX).
_MOST_PORTS = 0xFF00
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

    @cached_property
    def networks(self) -> dict[int, frozenset[int]]:
        """For each switch those of its network, which links and LAGs join. An address has a place in each network."""
        found = {switch.dpid: frozenset({switch.dpid}) for switch in self.switches}
        joined = [{a[0], b[0]} for a, b in self.links] + [{dpid for dpid, _ in ports} for ports in self.ports.values()]
        for dpids in joined:
            whole = frozenset().union(*(found[dpid] for dpid in dpids))
            found |= dict.fromkeys(whole, whole)
        return found


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
    return values.written(value)


@functools.lru_cache(maxsize=64)
def check(topology: Topology) -> None:
    """Errors: SpecError for a topology that the controller cannot control, with the reason."""
    where = f"topology {topology.name!r}"
    parse(values.read(to_yaml(topology), where), where)


def load(path: Path) -> Configuration:
    """Read and check a configuration file. Errors: SpecError saying where and what was wanted."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SpecError(f"{path} is not text in UTF-8: {error}") from error
    return parse(values.read(text, str(path)), str(path))


def parse(value: Any, where: str) -> Configuration:
    """A configuration from the parsed file; ``where`` names it in errors. Errors: SpecError."""
    top = values.mapping(value, where)
    values.only(top, ("systems", "switches", "lags", "links"), where)
    switches = tuple(_switch(*found) for found in _entries(top, "switches", ("dpid", "isolate"), where))
    _unique((switch.dpid for switch in switches), lambda dpid: f"{where}: datapath id {dpid} is that of two switches")
    systems = tuple(_system(*found) for found in _entries(top, "systems", _names(LacpSystem), where))
    _unique((item.system for item in systems), lambda system: f"{where}: system id {system} is that of two systems")
    by_name = {switch.name: switch.dpid for switch in switches}
    lags, ports = [], {}
    for name, item, place in _entries(top, "lags", _names(Lag), where):
        lag = _lag(name, item, place)
        if lag.lacp != "off" and lag.system not in {system.name for system in systems}:
            raise unknown(f"LACP system in {place}:", lag.system, [system.name for system in systems])
        lags.append(lag)
        ports[name] = tuple(_port(text, by_name, place) for text in lag.ports)
    shown = {switch.dpid: switch.name for switch in switches}
    _unique(
        (port for each in ports.values() for port in each),
        lambda port: f"{where}: port {shown[port[0]]}:{port[1]} is in two LAGs, or twice in one",
    )
    _unique(
        ((lag.system, lag.key) for lag in lags if lag.lacp != "off"),
        lambda taken: f"{where}: key {taken[1]} is that of two LAGs of LACP system {taken[0]!r}",
    )
    for system, count in Counter(lag.system for lag in lags for _ in lag.ports if lag.lacp != "off").items():
        if count > _TWO_OCTETS:  # IEEE 802.1AX-2014, 6.3.4: a port's number has two octets
            raise SpecError(f"{where}: LACP system {system!r} has {count} ports; wanted {_TWO_OCTETS} or fewer")
    configuration = Configuration(switches, systems, tuple(lags), ports, _links(top, by_name, where))
    _check_links(configuration, where)
    return configuration


def _switch(name: str, item: Mapping[str, Any], place: str) -> Switch:
    dpid = values.whole(item.get("dpid"), f"{place}.dpid", 1, (1 << 64) - 1)
    with _in(place):
        return Switch(name, dpid, values.truth(item.get("isolate", True), f"{place}.isolate"))


def _system(name: str, item: Mapping[str, Any], place: str) -> LacpSystem:
    found = dict(item)
    if "system" in item:
        found["system"] = values.text(item["system"], f"{place}.system", _SYSTEM_ID).lower()
    if "priority" in item:
        found["priority"] = values.whole(item["priority"], f"{place}.priority", 0, _TWO_OCTETS)
    with _in(place):
        return LacpSystem(name, **found)


def _lag(name: str, item: Mapping[str, Any], place: str) -> Lag:
    found = {option: _OPTIONS[option](given, f"{place}.{option}") for option, given in item.items()}
    if "ports" not in found:
        raise values.wrong(f"{place}.ports", None, _PORTS)
    with _in(place):
        return Lag(name, **found)


def _lacp(value: Any, place: str) -> str:
    """YAML 1.1 reads a bare off as false."""
    return values.text({False: "off", True: "active"}[value] if isinstance(value, bool) else value, place)


def _ports(value: Any, place: str) -> tuple[str, ...]:
    listed = values.listed(value, place, _PORTS)
    if not all(isinstance(port, str) for port in listed):
        raise values.wrong(place, value, _PORTS)
    return tuple(listed)


def _priorities(value: Any, place: str) -> tuple[int, ...]:
    listed = values.listed(value, place, "a list of port priorities such as [100, 200]")
    return tuple(values.whole(each, f"{place}[{index}]", 0, _TWO_OCTETS) for index, each in enumerate(listed))


def _number(low: int) -> Callable[[Any, str], int]:
    return lambda value, place: values.whole(value, place, low, _TWO_OCTETS)


_TWO_OCTETS = 0xFFFF
_SYSTEM_ID = 'a MAC address such as "02:00:00:00:00:01"'
_PORTS = "a list of ports such as [s1:1, s1:2]"
#: How each option of a LAG is read.
_OPTIONS: Mapping[str, Callable[[Any, str], Any]] = {
    "ports": _ports,
    "lacp": _lacp,
    "rate": values.text,
    "mux": values.text,
    "fallback": values.text,
    "system": values.text,
    "early_collecting": values.truth,
    "wait_to_restore_s": values.seconds,
    "key": _number(1),
    "min_links": _number(1),
    "max_active": _number(0),
    "port_priorities": _priorities,
}


@contextmanager
def _in(place: str) -> Iterator[None]:
    """What the specification refuses is refused with its place in the file."""
    try:
        yield
    except SpecError as error:
        raise SpecError(f"{place}: {error.message}", error.hint) from error


def _links(top: Mapping[str, Any], by_name: Mapping[str, int], where: str) -> tuple[tuple[PortId, PortId], ...]:
    listed = top.get("links")
    if listed is not None and not isinstance(listed, list):
        raise SpecError(f"{where}: links holds {type(listed).__name__}; wanted a list such as [{{a: s1:3, b: s2:3}}]")
    found = []
    for index, item in enumerate(listed or ()):
        place = f"{where}: links[{index}]"
        values.only(values.mapping(item, place), ("a", "b"), place)
        ends = [item.get(end) for end in ("a", "b")]
        if not all(isinstance(end, str) for end in ends):
            raise SpecError(f"{place} is {values.shown(item)}; wanted two ports such as {{a: s1:3, b: s2:3}}")
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
        raise unknown(f"switch of port {values.shown(text)!r} in {place}:", values.shown(switch), by_name)
    if not (number.isascii() and number.isdecimal()) or not 1 <= int(number[-20:]) <= _MOST_PORTS:
        wanted = f"wanted SWITCH:NUMBER with a number from 1 to {_MOST_PORTS}"
        raise SpecError(f"{place}: port {values.shown(text)!r} has no port number; {wanted}")
    return by_name[switch], int(number)


def _unique(values: Iterable[_T], message: Callable[[_T], str]) -> None:
    seen: set[_T] = set()
    for value in values:
        if value in seen:
            raise SpecError(message(value))
        seen.add(value)


def _names(kind: type) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind) if item.name not in ("name", "ovs_bond_mode"))


def _entries(
    top: Mapping[str, Any], key: str, known: tuple[str, ...], where: str
) -> Iterable[tuple[str, dict[str, Any], str]]:
    """The entries of a section, each with its name and its place."""
    section = top.get(key)
    for name, item in values.mapping({} if section is None else section, f"{where}: {key}").items():
        place = f"{where}: {key}.{values.shown(name)}"
        values.only(values.mapping(item, place), known, place)
        yield name, item, place
