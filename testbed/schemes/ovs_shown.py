"""What ovs-vswitchd shows of its bonds and their LACP, of BFD's sessions, of groups and flows, as values. Pure.

Commands: bond/show, lacp/show, bfd/show and bridge/dump-flows of ovs-appctl(8), and dump-groups of ovs-ofctl(8).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Fields = dict[str, str]
#: A partner: its system and its key, by which Open vSwitch itself tells partners apart (lib/lacp.c).
Partner = tuple[str, "int | None"]


@dataclass
class Section:
    """One bond: its own fields, and those of each member; a member's ``status`` is what stands behind its name.

    Of BFD it is one session, which has no members.
    """

    fields: Fields = field(default_factory=dict)
    members: dict[str, Fields] = field(default_factory=dict)


def sections(text: str) -> dict[str, Section]:
    """The bonds, or the ports with a session, in the answer to one of the first three commands, by name."""
    found: dict[str, Section] = {}
    at: Fields = {}
    for line in text.splitlines():
        if begin := re.fullmatch(r"---- (\S+) ----", line):
            section = found[begin[1]] = Section()
            at = section.fields
        elif member := re.fullmatch(r"member:? (\S+): (.*)", line):
            at = section.members[member[1]] = {"status": member[2]}
        elif ": " in line and found:
            name, _, value = line.strip().partition(": ")
            at[name] = value
    return found


def lag(bond: Section | None, lacp: Section | None) -> dict[str, Any]:
    """The options of a LAG as the switch has them, by the names of `testbed.spec.Lag`; what it does not show is left
    out. ``bond`` is None for a LAG of one port, which is no bond; ``lacp`` for one that speaks no LACP."""
    found: dict[str, Any] = {"lacp": "off"}
    if bond is not None:
        found["ports"] = sorted(bond.members)
        found["ovs_bond_mode"] = bond.fields.get("bond_mode")
        found["fallback"] = "individual" if bond.fields.get("lacp_fallback_ab") == "true" else "none"
    if lacp is not None:
        members = lacp.members
        found["ports"] = sorted(members)
        found["lacp"] = lacp.fields.get("status", "").partition(" ")[0]
        found["rate"] = lacp.fields.get("lacp_time")
        found["system"] = lacp.fields.get("sys_id")
        found["key"] = sorted({_number(each, "actor key") for each in members.values()})
        found["port_priorities"] = {name: _number(each, "port_priority") for name, each in members.items()}
    return found


def select_groups(text: str) -> dict[int, list[int]]:
    """The ports that each group of type select sends to, by the group's number (ovs-ofctl(8), dump-groups)."""
    lines = re.findall(r"group_id=(\d+),type=select(.*)", text)
    return {int(number): [int(port) for port in re.findall(r"output:(\d+)", rest)] for number, rest in lines}


def lacp_ports(text: str) -> list[int]:
    """The ports whose LACPDUs a flow of its own takes to the controller (ovs-appctl(8), bridge/dump-flows)."""
    flows = re.findall(r"\bin_port=(\d+)\b[^\n]*\bdl_type=0x8809\b[^\n]*actions=CONTROLLER", text)
    return sorted(map(int, flows))


def wrong_cables(lacp: Section) -> dict[str, Partner]:
    """The ports that hear another partner than most of the LAG's ports, each with that partner.

    Where two partners are heard on as many ports, the LAG's is the one that Open vSwitch has attached ports to.
    """
    heard = {
        name: (each["partner sys_id"], _number(each, "partner key"))
        for name, each in lacp.members.items()
        if each["status"].startswith("current") and "partner sys_id" in each
    }
    if not heard:
        return {}
    votes = Counter(heard.values())
    attached = {partner for name, partner in heard.items() if lacp.members[name]["status"] == "current attached"}
    own = max(votes, key=lambda partner: (votes[partner], partner in attached))
    return {name: partner for name, partner in heard.items() if partner != own}


def _number(fields: Fields, name: str) -> int | None:
    text = fields.get(name, "")
    return int(text) if text.isdecimal() else None
