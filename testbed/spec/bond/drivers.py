"""Drivers that a mode brings with it, and what they do not have of a bond: the options of bonding, more members.

mode    driver    what makes one of several interfaces
prp     hsr       every frame goes out on both, into two networks; the receiver drops the second (IEC 62439-3, 4)
hsr     hsr       the same, both ways round a ring of such nodes, which pass frames on (IEC 62439-3, 5)
ecmp    nexthop   each interface has a subnet of its own; routes to the other hosts have a next hop by each
                  (RFC 2991, RFC 2992; Linux: networking/nexthop-group-resilient.rst)
mptcp   mptcp     each interface has a subnet of its own; a connection has a subflow by each (RFC 8684), for TCP alone
"""

from __future__ import annotations

from testbed.errors import SpecError
from testbed.spec.addressing import MOST_WAYS
from testbed.spec.bond.option import DRIVER_MODES, options
from testbed.spec.bond.options import OptionValues

#: Drivers that take exactly two interfaces (IEC 62439-3: ports A and B of a node).
_TWO_PORTS = ("hsr",)
#: The subflows that a host of every kernel can ask for (net/mptcp, MPTCP_PM_ADDR_MAX), the first one included.
MOST_SUBFLOWS = 8
#: Options of ECMP that count with one value of ecmp_detect.
_OF_DETECT = {"ecmp_bfd_ms": "bfd", "ecmp_bfd_mult": "bfd", "ecmp_hello_s": "routing", "ecmp_dead_s": "routing"}
#: Why a driver has not the options of bonds.
_WHY = {
    "hsr": "it sends every frame by both ports, so nothing is monitored, chosen or hashed (IEC 62439-3)",
    "nexthop": "its interfaces are no bond; routes choose among them, and see their carrier by themselves",
    "mptcp": "its interfaces are no bond; each connection chooses among them by what it hears of its subflows",
}


def named(bond: OptionValues) -> str:
    """The driver of a bond: the one that its mode names, or the one that was asked for."""
    return DRIVER_MODES.get(bond.mode, bond.driver) if bond.driver == "bonding" else bond.driver


def check(bond: OptionValues) -> None:
    """Errors: SpecError if mode and driver do not belong together, or for an option that the driver does not have."""
    wanted = DRIVER_MODES.get(bond.mode)
    if wanted is None:
        own = [mode for mode, driver in DRIVER_MODES.items() if driver == bond.driver]
        raise SpecError(
            f"bond={bond.driver} has no mode {bond.mode}, only {', '.join(own)}",
            "Leave bond out: it follows from the mode.",
        )
    if bond.driver != wanted:
        raise SpecError(
            f"bond={bond.driver} has no mode {bond.mode}, which is of the driver {wanted}",
            "Leave bond out: it follows from the mode.",
        )
    for name, each, value, asked in options(bond):
        if asked and bond.mode not in each.modes:
            shown = str(value).lower() if isinstance(value, bool) else value
            raise SpecError(
                f"{name}={shown} cannot be had in mode {bond.mode}: {_WHY[bond.driver]}",
                f"Leave {name} out, or choose another mode.",
            )


def check_members(bond: OptionValues, members: tuple[str, ...]) -> None:
    """Errors: SpecError for another number of members than the driver takes."""
    if bond.driver in _TWO_PORTS and len(members) != 2:
        raise SpecError(
            f"mode {bond.mode} has {len(members)} members: {', '.join(members)}; wanted two, ports A and B of a node"
            " (IEC 62439-3)",
            "For example: --set members=2, or --set ways=2",
        )
    if bond.driver == "nexthop" and len(members) > MOST_WAYS:
        raise SpecError(f"mode {bond.mode} has {len(members)} members; wanted {MOST_WAYS} at most: each has a subnet")
    if bond.mode == "ecmp":
        _check_ecmp(bond)
        if bond.ecmp_buckets < len(members):
            raise SpecError(
                f"ecmp_buckets is {bond.ecmp_buckets}; wanted one for each of {len(members)} members at least"
            )
    if bond.driver == "mptcp" and len(members) > MOST_SUBFLOWS:
        raise SpecError(
            f"mode mptcp has {len(members)} members; wanted {MOST_SUBFLOWS} at most: a connection has no more subflows"
        )


def _check_ecmp(bond: OptionValues) -> None:
    """Errors: SpecError for options of ECMP that do not go together."""
    if bond.ecmp_group != "resilient" and bond.ecmp_buckets != type(bond).ecmp_buckets:
        raise SpecError(
            f"ecmp_buckets={bond.ecmp_buckets} needs ecmp_group=resilient: hash-threshold has no buckets",
            "For example: --set ecmp_group=resilient",
        )
    if bond.ecmp_group == "resilient" and bond.ecmp_detect != "carrier":
        raise SpecError(
            f"ecmp_group=resilient does not go with ecmp_detect={bond.ecmp_detect}: BIRD, which watches the ways, gives"
            " the kernel multipath routes, and no groups of next hops",
            "Leave ecmp_group out, or use ecmp_detect=carrier.",
        )
    for name, each, value, asked in options(bond):
        wanted = _OF_DETECT.get(name)
        if wanted is not None and asked and bond.ecmp_detect != wanted:
            raise SpecError(
                f"{name}={value} needs ecmp_detect={wanted}: {each.why}",
                f"For example: --set ecmp_detect={wanted}",
            )
    if bond.ecmp_detect == "routing" and bond.ecmp_dead_s <= bond.ecmp_hello_s:
        raise SpecError(
            f"ecmp_dead_s is {bond.ecmp_dead_s}, and ecmp_hello_s {bond.ecmp_hello_s}; wanted more, for a way would be"
            " left between any two hellos (RFC 2328, appendix C.3)",
            f"For example: --set ecmp_dead_s={4 * bond.ecmp_hello_s}",
        )
