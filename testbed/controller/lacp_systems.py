"""The LACP systems of a configuration."""

from __future__ import annotations

from typing import cast

from testbed.controller.config import Configuration, PortId
from testbed.lacp import LagConfig, PortConfig, System
from testbed.lacp.config import Fallback, Mode, MuxControl, Rate


def systems(configuration: Configuration, now: float) -> dict[str, System]:
    """The systems by name, with their LAGs and ports. Ports are numbered in the order of the configuration."""
    found = {item.name: System(item.system, item.priority) for item in configuration.systems}
    numbers = dict.fromkeys(found, 0)
    for lag in configuration.lags:
        if lag.lacp == "off":
            continue
        found[lag.system].add_lag(
            LagConfig(
                lag.name,
                key=lag.key,
                mode=cast("Mode", lag.lacp),  # the specification has checked these values
                rate=cast("Rate", lag.rate),
                min_links=lag.min_links,
                max_active=lag.max_active or None,
                fallback=cast("Fallback", lag.fallback),
                wait_to_restore_s=lag.wait_to_restore_s,
                mux=cast("MuxControl", lag.mux),
                early_collecting=lag.early_collecting,
            )
        )
        for name, port in zip(lag.ports, configuration.ports[lag.name], strict=True):
            numbers[lag.system] += 1
            number, priority = numbers[lag.system], lag.priority(name)
            found[lag.system].add_port(PortConfig(port, lag.name, number, priority), now)
    return found


def system_of(configuration: Configuration, found: dict[str, System]) -> dict[PortId, System]:
    """The system that each LACP port belongs to."""
    return {
        port: found[lag.system]
        for lag in configuration.lags
        if lag.lacp != "off"
        for port in configuration.ports[lag.name]
    }
