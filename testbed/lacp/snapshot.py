"""A system as JSON values: strings, numbers, booleans, None, lists and dicts with string keys."""

from collections.abc import Iterable

from testbed.lacp.config import PortId, SystemId
from testbed.lacp.pdu import Lacpdu, PortInfo
from testbed.lacp.port import Lag, Port
from testbed.lacp.states import Selected

_COUNTERS = (
    "lacpdus_sent",
    "lacpdus_received",
    "bad_pdus_received",
    "pdus_ignored",
    "markers_received",
    "marker_responses_sent",
    "actor_churns",
    "partner_churns",
)


def snapshot(system: SystemId, lags: Iterable[Lag]) -> dict[str, object]:
    """The system and its LAGs; times are seconds on the caller's clock."""
    return {
        "system": system.system,
        "system_priority": system.priority,
        "lags": {lag.config.name: _lag(lag) for lag in lags},
    }


def _lag(lag: Lag) -> dict[str, object]:
    config = lag.config
    return {
        "key": config.key,
        "mode": config.mode,
        "rate": config.rate,
        "min_links": config.min_links,
        "max_active": config.max_active,
        "fallback": config.fallback,
        "mux": config.mux,
        "early_collecting": config.early_collecting,
        "wait_to_restore_s": config.wait_to_restore_s,
        "lag_id": str(lag.lag_id) if lag.lag_id else None,
        "up": lag.up,
        "links_in_sync": lag.links_in_sync,
        "members": [_plain(port.config.port) for port in lag.ports],
        **{str(choice).lower(): _named(lag, choice) for choice in Selected},
        "collecting": [_plain(port) for port in lag.collecting],
        "distributing": [_plain(port) for port in lag.distributing],
        "ports": [_port(port) for port in lag.ports],
    }


def _named(lag: Lag, choice: Selected) -> list[object]:
    return [_plain(port.config.port) for port in lag.ports if port.selected is choice]


def _port(port: Port) -> dict[str, object]:
    return {
        "port": _plain(port.config.port),
        "number": port.config.number,
        "priority": port.config.priority,
        "carrier": port.enabled,
        "held": port.held,
        "selected": str(port.selected),
        "reason": port.reason,
        "machines": {name: str(state) for name, state in port.state.items()},
        "actor": _info(port.actor),
        "partner": _info(port.partner),
        "sent": _pdu(port.last_sent),
        "received": _pdu(port.last_received),
        "timers": port.timers.snapshot(),
        "counters": {name: port.counters[name] for name in _COUNTERS},
    }


def _pdu(pdu: Lacpdu | None) -> dict[str, object] | None:
    return None if pdu is None else {"actor": _info(pdu.actor), "partner": _info(pdu.partner)}


def _info(info: PortInfo) -> dict[str, object]:
    return {
        "system_priority": info.system_priority,
        "system": info.system,
        "key": info.key,
        "port_priority": info.port_priority,
        "port": info.port,
        "state": int(info.state),
        "state_names": info.state.names(),
    }


def _plain(port: PortId) -> object:
    if isinstance(port, tuple):
        return [_plain(part) for part in port]
    return port if isinstance(port, str | int | float | None) else str(port)
