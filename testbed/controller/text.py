"""The controller's state (`state.core_state`, as JSON values) as tables for people. Pure.

A port's state octet is shown in hexadecimal digits and in letters, most significant bit first, as Wireshark does:
Expired, deFaulted, Distributing, Collecting, Synchronization, aGgregation, Short timeout, Activity; * for a clear bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from testbed.controller.config import port_name

_LETTERS = "EFDCSGSA"
_TIMERS = {
    "current_while_timer": "current_while",
    "periodic_timer": "periodic",
    "wait_while_timer": "wait_while",
    "wait_to_restore_timer": "wait_to_restore",
    "answer_timer": "answer",
    "doubt_timer": "doubt",
}

State = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A title, column names, and rows of as many texts as there are columns."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def octet(state: int) -> str:
    """A port's state octet (IEEE 802.1AX-2014, 6.4.2.3 m), such as ``3F **DCSGSA``."""
    letters = (letter if state & 0x80 >> place else "*" for place, letter in enumerate(_LETTERS))
    return f"{state:02X} {''.join(letters)}"


def tables(state: State) -> list[Table]:
    """All tables of a state that have rows."""
    every = (_lags(state), _ports(state), _machines(state), _switches(state), _groups(state), _addresses(state))
    return [table for table in every if table.rows]


def plain(shown: Iterable[Table]) -> str:
    """Tables as text in aligned columns."""
    parts = []
    for table in shown:
        lines = [table.header, *table.rows]
        widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
        texts = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines]
        parts.append("\n".join([table.title, *("  " + text for text in texts)]) + "\n")
    return "\n".join(parts)


def _each_lag(state: State) -> Iterable[tuple[str, str, State]]:
    for system, shown in state["systems"].items():
        for name, lag in shown["lags"].items():
            yield system, name, lag


def _lags(state: State) -> Table:
    rows = []
    for system, name, lag in _each_lag(state):
        rows.append(
            (
                name,
                system,
                str(lag["key"]),
                f"{lag['mode']} {lag['rate']}",
                lag["mux"],
                "up" if lag["up"] else "down",
                *(_named(lag[what]) for what in ("selected", "standby", "unselected", "collecting", "distributing")),
                _named_texts(state["lags"][name]["forwarders"]),
            )
        )
    spoken = {name for _, name, _ in _each_lag(state)}
    for name, shown in state["lags"].items():
        if name not in spoken:
            ports = (_named_texts(shown[what]) for what in ("collecting", "distributing", "forwarders"))
            rows.append((name, "-", "-", "off", "-", "up" if shown["distributing"] else "down", "-", "-", "-", *ports))
    header = ("LAG", "system", "key", "LACP", "mux", "is", "selected", "standby", "unselected")
    return Table("LAGs", (*header, "collecting", "distributing", "forwarder"), tuple(rows))


def _ports(state: State) -> Table:
    rows = []
    for _, name, lag in _each_lag(state):
        for port in lag["ports"]:
            partner = port["partner"]
            rows.append(
                (
                    _name(port["port"]),
                    name,
                    "yes" if port["carrier"] else "no",
                    octet(port["actor"]["state"]),
                    octet(partner["state"]),
                    f"{partner['system_priority']:04X} {partner['system']}",
                    f"{partner['key']:04X} {partner['port_priority']:04X} {partner['port']:04X}",
                    _timers(port["timers"], state["now"]),
                    *(str(port["counters"][f"lacpdus_{what}"]) for what in ("sent", "received")),
                    str(port["counters"]["bad_pdus_received"]),
                )
            )
    header = ("port", "LAG", "carrier", "actor", "partner", "partner's system", "key, port")
    return Table("Ports", (*header, "timers", "sent", "received", "bad"), tuple(rows))


def _machines(state: State) -> Table:
    rows = []
    for _, _name_of_lag, lag in _each_lag(state):
        for port in lag["ports"]:
            machines = port["machines"]
            row = (_name(port["port"]), *(machines[name] for name in ("receive", "periodic", "mux")), port["selected"])
            others = (machines[name] for name in ("actor_churn", "partner_churn", "restore", "answer", "cabling"))
            rows.append((*row, *others, port["reason"]))
    header = ("port", "receive", "periodic", "mux", "Selected", "actor churn", "partner churn", "restore")
    return Table("Machines", (*header, "answer", "cabling", "reason"), tuple(rows))


def _switches(state: State) -> Table:
    rows = []
    for dpid, switch in state["switches"].items():
        sent = switch.get("messages_sent", {})
        rows.append(
            (
                dpid,
                "yes" if switch["connected"] else "no",
                ", ".join(number for number, carrier in switch["ports"].items() if carrier),
                ", ".join(number for number, carrier in switch["ports"].items() if not carrier) or "-",
                str(switch.get("flows_programmed", 0)),
                str(switch.get("groups_programmed", 0)),
                ", ".join(f"{count} {kind}" for kind, count in sent.items()),
            )
        )
    header = ("switch", "connected", "with carrier", "without", "flows", "groups", "messages sent")
    return Table("Switches", header, tuple(rows))


def _groups(state: State) -> Table:
    rows = []
    for dpid, switch in state["switches"].items():
        for number, group in switch.get("groups", {}).items():
            rows.append((dpid, f"{int(number):#x}", group["kind"], ", ".join(map(_bucket, group["buckets"]))))
    return Table("Groups", ("switch", "group", "kind", "buckets"), tuple(rows))


def _bucket(bucket: Mapping[str, int]) -> str:
    return f"port {bucket['port']}" if "port" in bucket else f"group {bucket['group']:#x}"


def _addresses(state: State) -> Table:
    return Table("Addresses", ("address", "at"), tuple(state["addresses"].items()))


def _timers(timers: Mapping[str, float | str], now: float) -> str:
    shown = []
    for timer, name in _TIMERS.items():
        deadline = timers.get(timer)
        if isinstance(deadline, float):
            shown.append(f"{name} {max(0.0, deadline - now):.1f} s")
    return ", ".join(shown) or "-"


def _named(ports: Sequence[Sequence[int]]) -> str:
    return _named_texts([_name(port) for port in ports])


def _named_texts(texts: Sequence[str]) -> str:
    return ", ".join(texts) or "-"


def _name(port: Sequence[int]) -> str:
    return port_name((port[0], port[1]))
