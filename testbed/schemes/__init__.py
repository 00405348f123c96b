"""What makes two ways redundant, one file each behind one contract."""

from __future__ import annotations

from collections.abc import Mapping

from testbed.design.factor import Factor, Level
from testbed.errors import unknown
from testbed.schemes.learning_switch import LearningSwitch
from testbed.schemes.ovs_bond import OvsBond
from testbed.schemes.ryu_example import RyuExample
from testbed.schemes.scheme import Scheme
from testbed.schemes.static_lag import StaticLag
from testbed.schemes.testbed_lacp import TestbedLacp

__all__ = ["FACTOR", "SCHEMES", "Scheme", "chosen"]

#: Every scheme by its name.
SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme for scheme in (TestbedLacp(), OvsBond(), RyuExample(), StaticLag(), LearningSwitch())
}
#: For every experiment's factors.
FACTOR = Factor("controller", (TestbedLacp.name,), "what controls the switches", known=tuple(SCHEMES))


def chosen(case: Mapping[str, Level]) -> Scheme:
    """The scheme of a case; ours where the case names none. Errors: SpecError naming the known ones."""
    name = str(case.get(FACTOR.name, FACTOR.levels[0]))
    if name not in SCHEMES:
        raise unknown("controller", name, SCHEMES)
    return SCHEMES[name]
