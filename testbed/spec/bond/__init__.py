"""A Linux bond as a value: mode, options, members (kernel document: networking/bonding.rst)."""

from __future__ import annotations

from testbed.spec.bond.bond import TRAILER_BYTES, Bond, BondOptions, newer, parse_mode
from testbed.spec.bond.option import (
    ARP_MODES,
    DRIVER_MODES,
    EVERY_MODE,
    MAX_TARGETS,
    MODES,
    PEERS,
    PRIMARY_MODES,
    Option,
    options,
    words,
)
from testbed.spec.bond.options import DRIVERS, LACP_RATES, PRIMARY_RESELECT, STATIC_LAG_MODES, XMIT_HASH_POLICIES
from testbed.spec.bond.rules import idle

__all__ = [
    "ARP_MODES",
    "DRIVERS",
    "DRIVER_MODES",
    "EVERY_MODE",
    "LACP_RATES",
    "MAX_TARGETS",
    "MODES",
    "PEERS",
    "PRIMARY_MODES",
    "PRIMARY_RESELECT",
    "STATIC_LAG_MODES",
    "TRAILER_BYTES",
    "XMIT_HASH_POLICIES",
    "Bond",
    "BondOptions",
    "Option",
    "idle",
    "newer",
    "options",
    "parse_mode",
    "words",
]
