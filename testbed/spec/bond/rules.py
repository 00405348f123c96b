"""Which options of a bond do not go together: what the kernel forbids, with the reason.

Sources: networking/bonding.rst; bond_options.c (the modes that an option is not for, the delays that need miimon);
bond_netlink.c (one monitor at a time).
"""

from __future__ import annotations

from testbed.errors import SpecError
from testbed.spec.bond import teams
from testbed.spec.bond.option import ARP_MODES, options, words
from testbed.spec.bond.options import OptionValues


def check(bond: OptionValues) -> None:
    """Errors: SpecError naming the first option, or combination of options, that the kernel would not take."""
    for name, each, value, _ in options(bond):
        each.check(name, value)
    _check_monitor(bond)
    for name, each, value, asked in options(bond):
        if not asked:
            continue
        if each.refused and bond.mode not in each.modes:
            raise SpecError(
                f"{name}={_shown(value)} cannot be had in mode {bond.mode}, only in {', '.join(each.modes)}:"
                f" {each.why}",
                f"Leave {name} out, or choose such a mode.",
            )
        if each.needs and not getattr(bond, each.needs):
            raise SpecError(f"{name}={_shown(value)} needs {each.needs}, which is 0: {each.why}")


def _check_monitor(bond: OptionValues) -> None:
    if bond.miimon_ms and bond.arp_interval_ms:
        raise SpecError(
            f"miimon_ms={bond.miimon_ms} and arp_interval_ms={bond.arp_interval_ms}:"
            " a bond has one monitor, MII's or ARP's",
            "For the ARP monitor: --set miimon_ms=0",
        )
    if bond.arp_interval_ms and bond.mode not in ARP_MODES:
        raise SpecError(
            f"arp_interval_ms={bond.arp_interval_ms} cannot be had in mode {bond.mode}, which needs MII monitoring to"
            f" know the speed of its members; the ARP monitor serves {', '.join(ARP_MODES)}"
        )
    if bond.arp_interval_ms and not bond.arp_ip_target and not bond.ns_ip6_target:
        raise SpecError(
            f"arp_interval_ms={bond.arp_interval_ms} has no target: arp_ip_target and ns_ip6_target are empty",
            "For example: --set arp_ip_target=peers",
        )


def check_members(bond: OptionValues, bond_name: str, members: tuple[str, ...]) -> None:
    """Errors: SpecError if an option of the bond of that name does not fit its members."""
    many = len(members)
    for name in ("primary_member", "active_member"):
        if (place := getattr(bond, name)) >= many:
            raise SpecError(
                f"{name} of bond {bond_name!r} is {place};"
                f" wanted a place among its {many} members, from 0, or -1 for none"
            )
    for name, each, value, _ in options(bond):
        if each.each and value and len(words(value)) != many:
            raise SpecError(
                f"{name} of bond {bond_name!r} is {value!r}, {len(words(value))} numbers;"
                f" wanted {many}, one for each member",
                f"For example: {name}={'+'.join(['1'] * many)}",
            )
    queues = [word for word in words(bond.queue_id) if word != "0"]
    if len(set(queues)) < len(queues):
        raise SpecError(f"queue_id of bond {bond_name!r} is {bond.queue_id!r}: two members cannot share a queue but 0")
    if bond.mode == "802.3ad" and bond.min_links > many:
        raise SpecError(
            f"min_links of bond {bond_name!r} is {bond.min_links}, but it has {many} members:"
            " it would never have carrier"
        )


def idle(bond: OptionValues, name: str) -> str:
    """Why an option has no effect in such a bond, whatever its value; empty if it has one."""
    found = next((each for own, each, _, _ in options(bond) if own == name), None)
    if found is None:  # the driver itself
        return ""
    no_mii = name == "miimon_ms" and bond.arp_interval_ms  # miimon_ms=0 asks for the ARP monitor of a team as well
    if bond.driver == "team" and not teams.takes(name) and not no_mii:
        return f"bond=team has no {name}"
    if bond.mode not in found.modes:
        return f"mode {bond.mode} does not use it"
    lacking = [other for other in (found.needs, found.idle_without) if other and not getattr(bond, other)]
    return f"it has no effect without {lacking[0]}, which is 0" if lacking else ""


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
