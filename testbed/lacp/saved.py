"""A system's state as JSON values, for another process to resume from. `snapshot` is the form for people.

Times are seconds on the caller's clock, so both processes must use the same clock. Ports are identified by their
numbers in the system, LAGs by their names. The configuration is not saved, and must be the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from testbed.lacp import machines
from testbed.lacp.config import SystemId
from testbed.lacp.pdu import Lacpdu, PortInfo, State, decode
from testbed.lacp.port import Lag, LagId, Port
from testbed.lacp.states import Selected, Timer


def saved(lags: Iterable[Lag]) -> dict[str, Any]:
    """The state of LAGs that have settled, with their ports."""
    return {lag.config.name: _lag(lag) for lag in lags}


def restore(lags: Iterable[Lag], value: Mapping[str, Any]) -> None:
    """Put LAGs with the same configuration into a saved state.

    Errors: AttributeError, LookupError, TypeError or ValueError if `saved` did not make the value from such LAGs. The
    LAGs are then half restored and must not be used.
    """
    lags = list(lags)
    if {lag.config.name for lag in lags} != value.keys():
        raise ValueError(f"the saved LAGs are {', '.join(value)}")
    for lag in lags:
        _restore_lag(lag, value[lag.config.name])


def _lag(lag: Lag) -> dict[str, Any]:
    numbers = {port.config.port: port.config.number for port in lag.ports}
    return {
        "lag_id": _lag_id(lag.lag_id),
        "seen": list(lag.seen),
        "collecting": [numbers[port] for port in lag.collecting],
        "distributing": [numbers[port] for port in lag.distributing],
        "ports": {str(port.config.number): _port(port) for port in lag.ports},
    }


def _restore_lag(lag: Lag, value: Mapping[str, Any]) -> None:
    names = {port.config.number: port.config.port for port in lag.ports}
    if {str(number) for number in names} != value["ports"].keys():
        raise ValueError(f"the saved ports of LAG {lag.config.name!r} are {', '.join(value['ports'])}")
    lag.lag_id = _made_lag_id(value["lag_id"])
    ready, up = value["seen"]
    lag.seen = (bool(ready), bool(up))
    lag.collecting = tuple(names[number] for number in value["collecting"])
    lag.distributing = tuple(names[number] for number in value["distributing"])
    for port in lag.ports:
        _restore_port(port, value["ports"][str(port.config.number)])


def _port(port: Port) -> dict[str, Any]:
    return {
        "enabled": port.enabled,
        "held": port.held,
        "moved": port.moved,
        "misplaced": port.misplaced,
        "partner": [*port.partner.identity[:5], int(port.partner.state)],
        "defaulted": port.defaulted,
        "selected": str(port.selected),
        "lag_id": _lag_id(port.lag_id),
        "reason": port.reason,
        "ntt": port.ntt,
        "state": {name: str(state) for name, state in port.state.items()},
        "timers": port.timers.snapshot(),
        "sent_at": list(port.sent_at),
        "answered_at": list(port.answered_at),
        "last_sent": _octets(port.last_sent),
        "last_received": _octets(port.last_received),
        "counters": dict(port.counters),
    }


def _restore_port(port: Port, value: Mapping[str, Any]) -> None:
    for name in ("enabled", "held", "moved", "misplaced", "defaulted", "ntt"):
        setattr(port, name, bool(value[name]))
    system_priority, system, key, port_priority, number, state = value["partner"]
    port.partner = PortInfo(system_priority, system, key, port_priority, number, State(state))
    port.selected = Selected(value["selected"])
    port.lag_id = _made_lag_id(value["lag_id"])
    port.reason = str(value["reason"])
    for machine in (*machines.machines_of(port), machines.TRANSMIT):
        port.state[machine.name] = machine.states(value["state"][machine.name])
    port.timers.restore({Timer(name): deadline for name, deadline in value["timers"].items()})
    port.sent_at.extend(float(at) for at in value["sent_at"])
    port.answered_at.extend(float(at) for at in value["answered_at"])
    port.last_sent, port.last_received = _pdu(value["last_sent"]), _pdu(value["last_received"])
    port.counters.clear()
    port.counters.update({str(name): int(number) for name, number in value["counters"].items()})


def _octets(pdu: Lacpdu | None) -> str | None:
    return None if pdu is None else pdu.encode().hex()


def _pdu(octets: str | None) -> Lacpdu | None:
    pdu = None if octets is None else decode(bytes.fromhex(octets))
    if pdu is not None and not isinstance(pdu, Lacpdu):
        raise ValueError("a Marker PDU is saved where a LACPDU belongs")
    return pdu


def _lag_id(lag_id: LagId | None) -> list[Any] | None:
    if lag_id is None:
        return None
    link = None if lag_id.link is None else list(lag_id.link)
    return [[*lag_id.actor], lag_id.actor_key, [*lag_id.partner], lag_id.partner_key, link, lag_id.fallback]


def _made_lag_id(value: list[Any] | None) -> LagId | None:
    if value is None:
        return None
    actor, actor_key, partner, partner_key, link, fallback = value
    ends = None if link is None else (int(link[0]), int(link[1]), int(link[2]), int(link[3]))
    return LagId(SystemId(*actor), actor_key, SystemId(*partner), partner_key, ends, fallback)
