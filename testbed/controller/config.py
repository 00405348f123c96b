"""What the controller is told: switches, LACP systems and LAGs, in a small YAML file that is checked when read.

    systems:
      core: {system: "02:00:00:00:ff:01", priority: 32768}
    switches:
      s1: {dpid: 1}
    lags:
      lag-h1: {ports: [s1:1, s1:2], lacp: active, rate: fast, key: 1, min_links: 1, system: core}

A port is a switch and an OpenFlow port number. ``lacp: off`` makes a static LAG.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from testbed.errors import SpecError, unknown
from testbed.spec import LacpSystem, Lag, Switch, Topology

#: A switch port: datapath id and OpenFlow port number.
PortId = tuple[int, int]


@dataclass(frozen=True)
class Configuration:
    """A checked configuration. ``ports`` gives the ports of each LAG in order."""

    switches: tuple[Switch, ...]
    systems: tuple[LacpSystem, ...]
    lags: tuple[Lag, ...]
    ports: Mapping[str, tuple[PortId, ...]]

    def lags_of(self, dpid: int) -> list[Lag]:
        """The LAGs that have a port on this switch."""
        return [lag for lag in self.lags if any(owner == dpid for owner, _ in self.ports[lag.name])]

    def port_numbers(self, lag: str, dpid: int) -> tuple[int, ...]:
        """The OpenFlow ports of a LAG on this switch."""
        return tuple(number for owner, number in self.ports[lag] if owner == dpid)


def to_yaml(topology: Topology) -> str:
    """The configuration that a topology needs."""
    names = {
        interface: f"{topology.owner(interface)}:{topology.port_no(interface)}"
        for lag in topology.lags
        for interface in lag.ports
    }
    value = {
        "systems": {s.name: {"system": s.system, "priority": s.priority} for s in topology.systems},
        "switches": {s.name: {"dpid": s.dpid} for s in topology.switches},
        "lags": {
            lag.name: {
                "ports": [names[interface] for interface in lag.ports],
                "lacp": lag.lacp,
                "rate": lag.rate,
                "key": lag.key,
                "min_links": lag.min_links,
                "system": lag.system,
                "early_collecting": lag.early_collecting,
            }
            for lag in topology.lags
        },
    }
    return str(yaml.safe_dump(value, sort_keys=False))


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
    _only(top, ("systems", "switches", "lags"), where)
    switches = tuple(
        Switch(name, _number(item, "dpid", f"{where}: switches.{name}"))
        for name, item in _entries(top, "switches", ("dpid",), where)
    )
    systems = tuple(LacpSystem(name, **item) for name, item in _entries(top, "systems", _names(LacpSystem), where))
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
            lag = Lag(name, **{**item, "ports": tuple(listed)})
        except TypeError as error:
            raise SpecError(f"{place}: {error}") from error
        if lag.lacp != "off" and lag.system not in {system.name for system in systems}:
            raise unknown(f"LACP system in {place}:", lag.system, [system.name for system in systems])
        lags.append(lag)
        ports[name] = tuple(_port(text, by_name, place) for text in listed)
    _unique((port for each in ports.values() for port in each), where)
    return Configuration(switches, systems, tuple(lags), ports)


def _port(text: str, by_name: Mapping[str, int], place: str) -> PortId:
    switch, _, number = text.rpartition(":")
    if switch not in by_name:
        raise unknown(f"switch of port {text!r} in {place}:", switch, by_name)
    if not number.isdigit() or not 1 <= int(number) <= 0xFF00:
        raise SpecError(f"{place}: port {text!r} has no port number; wanted SWITCH:NUMBER with a number from 1")
    return by_name[switch], int(number)


def _unique(ports: Iterable[PortId], where: str) -> None:
    seen: set[PortId] = set()
    for port in ports:
        if port in seen:
            raise SpecError(f"{where}: port {port[1]} of switch {port[0]:#x} is in two LAGs, or twice in one")
        seen.add(port)


def _names(kind: type) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind) if item.name != "name")


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
