"""Rows of Open vSwitch's database, taken out and put back as they were (ovsdb-server(7), RFC 7047)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from testbed.emulation import ovs_client
from testbed.errors import TrialError

#: Which columns of which tables hold rows that exist only as long as another row refers to them (vswitch.ovsschema).
_OWNS = {
    "Bridge": {
        "ports": "Port",
        "controller": "Controller",
        "mirrors": "Mirror",
        "netflow": "NetFlow",
        "sflow": "sFlow",
        "ipfix": "IPFIX",
        "flow_tables": "Flow_Table",
        "auto_attach": "AutoAttach",
    },
    "Port": {"interfaces": "Interface"},
}
#: Columns that Open vSwitch writes itself (ovs-vswitchd.conf.db(5)): its state, not its configuration.
_STATUS = frozenset(
    {
        *("_uuid", "_version", "datapath_id", "status", "statistics", "rstp_status", "rstp_statistics"),
        *("mac_in_use", "ifindex", "bfd_status", "cfm_fault", "cfm_fault_status", "cfm_flap_count", "cfm_health"),
        *("cfm_remote_mpids", "cfm_remote_opstate", "lacp_current", "admin_state", "link_state", "link_resets"),
        *("link_speed", "duplex", "mtu", "error", "ofport", "bond_active_slave", "is_connected", "role"),
    }
)
_SETTLED_MS = 60_000

Row = dict[str, Any]


@dataclass(frozen=True)
class Bridge:
    """A bridge with all that belongs to it: rows by table and identity."""

    identity: str
    rows: tuple[tuple[str, Row], ...]


class Database:
    """The database behind a socket, such as ``unix:/run/openvswitch/db.sock``; ``alive``: whether ovs-vswitchd is."""

    def __init__(self, address: str, alive: Callable[[], bool]) -> None:
        self._address = address
        self._alive = alive

    def transact(self, *operations: Row) -> list[Any]:
        """Carry out operations as one; their results. Errors: TrialError with what the server said."""
        return ovs_client.transact(self._address, operations)

    def settle(self, *operations: Row) -> None:
        """Carry out operations, and wait until ovs-vswitchd, if it runs, has done what the database says now."""
        if not self._alive():
            self.transact(*operations)
            return
        root: Row = {"table": "Open_vSwitch", "where": []}
        results = self.transact(
            *operations,
            {"op": "mutate", **root, "mutations": [["next_cfg", "+=", 1]]},
            {"op": "select", **root, "columns": ["next_cfg"]},
        )
        wanted = results[len(operations) + 1]["rows"]
        rows = [{"cur_cfg": row["next_cfg"]} for row in wanted]
        waiting = {"op": "wait", **root, "columns": ["cur_cfg"], "until": "==", "rows": rows, "timeout": _SETTLED_MS}
        self.transact(waiting)

    def remove(self, bridge: str) -> Bridge:
        """Take a bridge out; returns what is needed to put it back."""
        (found,) = self.transact(_select("Bridge", ["name", "==", bridge]))
        (row,) = found["rows"]
        rows = [("Bridge", row), *self._owned("Bridge", row)]
        self.settle(_membership("delete", _identity(row)))
        return Bridge(_identity(row), tuple(rows))

    def insert(self, bridge: Bridge) -> None:
        """Put a bridge back with all that belonged to it, each row under its old identity."""
        inserts = [
            {
                "op": "insert",
                "table": table,
                "uuid": _identity(row),
                "row": {column: value for column, value in row.items() if column not in _STATUS},
            }
            for table, row in bridge.rows
        ]
        self.settle(*inserts, _membership("insert", bridge.identity))

    def swap(self, first: str, second: str) -> None:
        """Each interface gets the other's place: its port or bond, its OpenFlow number, its settings."""
        interfaces = [self._only("Interface", ["name", "==", name]) for name in (first, second)]
        ports = [
            self._only("Port", ["interfaces", "includes", ["uuid", _identity(interface)]]) for interface in interfaces
        ]
        changes = []
        for own, other in (interfaces, interfaces[::-1]):
            taken = {column: other[column] for column in ("ofport_request", "other_config")}
            changes.append(_update("Interface", own, taken))
        for port, own, other in zip(ports, interfaces, interfaces[::-1], strict=True):
            members = [_identity(other) if each == _identity(own) else each for each in _references(port["interfaces"])]
            changes.append(_update("Port", port, {"interfaces": ["set", [["uuid", each] for each in members]]}))
        self.settle(*changes)

    def _only(self, table: str, condition: list[Any]) -> Row:
        (found,) = self.transact(_select(table, condition))
        if len(found["rows"]) != 1:
            raise TrialError(f"Open vSwitch has {len(found['rows'])} rows of {table} where {condition}; wanted one")
        row: Row = found["rows"][0]
        return row

    def _owned(self, table: str, row: Row) -> Iterator[tuple[str, Row]]:
        for column, owned in _OWNS.get(table, {}).items():
            for identity in _references(row.get(column, [])):
                (found,) = self.transact(_select(owned, ["_uuid", "==", ["uuid", identity]]))
                for each in found["rows"]:
                    yield owned, each
                    yield from self._owned(owned, each)


def _select(table: str, condition: Sequence[Any]) -> Row:
    return {"op": "select", "table": table, "where": [condition]}


def _update(table: str, row: Row, columns: Row) -> Row:
    return {"op": "update", "table": table, "where": [["_uuid", "==", row["_uuid"]]], "row": columns}


def _membership(change: str, identity: str) -> Row:
    mutation = ["bridges", change, ["uuid", identity]]
    return {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [mutation]}


def _identity(row: Row) -> str:
    return str(row["_uuid"][1])


def _references(value: Any) -> list[str]:
    """The identities in a column: one, or a set of them (RFC 7047, 5.1)."""
    if value and value[0] == "uuid":
        return [str(value[1])]
    return [str(each[1]) for each in value[1]] if value and value[0] == "set" else []
