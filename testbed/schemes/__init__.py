"""What makes two ways redundant, one file each behind one contract."""

from __future__ import annotations

from collections.abc import Mapping

from testbed.design.factor import Factor, Level
from testbed.errors import unknown
from testbed.schemes import own_controller
from testbed.schemes.fast_failover import FastFailoverGroups
from testbed.schemes.learning_switch import LearningSwitch
from testbed.schemes.ovs_bond import OvsBond
from testbed.schemes.own_controller import OwnController
from testbed.schemes.rstp import Rstp
from testbed.schemes.ryu_example import RyuExample
from testbed.schemes.scheme import Scheme
from testbed.schemes.static_lag import StaticLag
from testbed.schemes.stp import Stp
from testbed.schemes.testbed_lacp import TestbedLacp

__all__ = ["FACTOR", "OPTIONS", "SCHEMES", "Scheme", "chosen"]

#: Every scheme by its name.
SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        TestbedLacp(),
        OvsBond(),
        RyuExample(),
        StaticLag(),
        LearningSwitch(),
        Rstp(),
        Stp(),
        FastFailoverGroups(),
    )
}
#: Their own parameters by name: factors of every experiment.
OPTIONS: dict[str, Factor] = {option.name: option for scheme in SCHEMES.values() for option in scheme.options}


def _level(text: str, what: str = "level of factor 'controller':") -> str:
    """A level of ``controller``: the name of a scheme, or a user's file. Errors: SpecError."""
    if own_controller.is_own(text):
        own_controller.read(own_controller.place(text))
    elif text not in SCHEMES:
        raise unknown(what, text, [*SCHEMES, own_controller.FILE])
    return text


#: For every experiment's factors.
FACTOR = Factor(
    "controller", (TestbedLacp.name,), "what controls the switches, or FILE.py", known=tuple(SCHEMES), read=_level
)


def chosen(case: Mapping[str, Level]) -> Scheme:
    """The scheme of a case, with its parameters; ours where the case names none. Errors: SpecError."""
    name = _level(str(case.get(FACTOR.name, FACTOR.levels[0])), "controller")
    return OwnController(name) if own_controller.is_own(name) else SCHEMES[name].of(case)
