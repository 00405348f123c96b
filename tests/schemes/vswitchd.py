"""What ovs-vswitchd answers after ovs-vsctl's commands: the part of lib/lacp.c and ofproto/bond.c that prints.

The columns are those of ovs-vswitchd.conf.db(5); the texts those of lacp_print_details() and bond_print_details(),
Open vSwitch 3.1, shortened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Columns = dict[str, str]
#: The partner of a port: its system, its key.
Partner = tuple[str, int]


def commands(words: Sequence[str]) -> list[list[str]]:
    """ovs-vsctl's commands, which -- divides."""
    found: list[list[str]] = [[]]
    for word in words:
        if word == "--":
            found.append([])
        else:
            found[-1].append(word)
    return found


class Vswitchd:
    """The ports and bonds that the words of `Scheme.join` make."""

    def __init__(self, words: Sequence[str], partners: Mapping[str, Partner] = {}) -> None:
        self.bonds: dict[str, tuple[list[str], Columns]] = {}
        self.interfaces: dict[str, Columns] = {}
        self.partners = partners
        for command in commands(words):
            if command[0] == "add-bond":
                names = [word for word in command[3:] if "=" not in word]
                self.bonds[command[2]] = names, _columns(command)
            elif command[:2] == ["set", "Port"]:
                self.bonds[command[2]] = [command[2]], _columns(command)
            elif command[:2] == ["set", "Interface"]:
                self.interfaces[command[2]] = _columns(command)

    def show(self, command: str) -> str:
        """The answer to one of the two commands."""
        show = {"bond/show": self._bond, "lacp/show": self._lacp}[command]
        return "".join(f"---- {name} ----\n{show(*bond)}" for name, bond in self.bonds.items() if show(*bond))

    def _bond(self, names: list[str], columns: Columns) -> str:
        if len(names) < 2:
            return ""
        fallback = columns.get("other_config:lacp-fallback-ab", "false")
        members = "".join(f"\nmember {name}: enabled\n  may_enable: true\n" for name in names)
        return f"bond_mode: {columns['bond_mode']}\nbond-hash-basis: 0\nlacp_fallback_ab: {fallback}\n{members}"

    def _lacp(self, names: list[str], columns: Columns) -> str:
        if columns["lacp"] == "off":
            return ""
        text = f"  status: {columns['lacp']} negotiated\n"
        text += f"  sys_id: {columns['other_config:lacp-system-id']}\n"
        text += f"  lacp_time: {columns['other_config:lacp-time']}\n"
        for name in names:
            own = self.interfaces[name]
            text += f"\nmember: {name}: {'current' if name in self.partners else 'defaulted'} attached\n"
            text += f"  port_priority: {own.get('other_config:lacp-port-priority', '65535')}\n\n"
            text += f"  actor key: {own['other_config:lacp-aggregation-key']}\n"
            if name in self.partners:
                system, key = self.partners[name]
                text += f"\n  partner sys_id: {system}\n  partner key: {key}\n"
        return text


def _columns(words: Sequence[str]) -> Columns:
    pairs = (word.split("=", 1) for word in words if "=" in word)
    return {name: value.strip('"') for name, value in pairs}
