"""Files of failure rates: what is refused, and whether the defaults are what their sources say."""

from __future__ import annotations

import math

import pytest

from testbed.errors import SpecError
from testbed.faults.elements import KINDS, elements
from testbed.spec import BondOptions
from testbed.theory import failure_rates
from testbed.theory.failure_rates import YEAR_H, Rate
from topologies.gateway_pair import gateway_pair
from topologies.mlag import mlag
from topologies.two_ways import two_ways

RIGHT = '[switch]\nmtbf_h = 1000\nmttr_h = 2.5\nsource = "tickets"\n'


def test_a_file() -> None:
    assert failure_rates.parsed(RIGHT, "r.toml") == {"switch": Rate(1000.0, 2.5, "tickets")}


#: What is wrong in a file, and a part of what is said about it.
WRONG = {
    "": "r.toml has no rates",
    "[switch\n": "r.toml is no TOML: ",
    "switch = 3\n": "r.toml: [switch] is 3; wanted a table with mtbf_h, mttr_h and source",
    RIGHT.replace("switch", "swich"): "unknown kind of element in r.toml: 'swich'",
    RIGHT + "mtbf = 3\n": "unknown key of r.toml: [switch] 'mtbf'",
    RIGHT.replace("mttr_h = 2.5\n", ""): "r.toml: [switch] has no mttr_h; wanted mtbf_h, mttr_h and source",
    RIGHT.replace('source = "tickets"\n', ""): "has no source",
    RIGHT.replace("tickets", " "): "has source = ' '; wanted a text",
    RIGHT.replace('"tickets"', "3"): "has source = 3; wanted a text",
    RIGHT.replace("1000", "0"): "has mtbf_h = 0; wanted a number of hours above 0",
    RIGHT.replace("1000", "-1"): "has mtbf_h = -1",
    RIGHT.replace("1000", "inf"): "has mtbf_h = inf",
    RIGHT.replace("2.5", "nan"): "has mttr_h = nan",
    RIGHT.replace("2.5", "true"): "has mttr_h = True",
    RIGHT.replace("2.5", '"4 h"'): "has mttr_h = '4 h'",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said(text: str) -> None:
    with pytest.raises(SpecError) as found:
        failure_rates.parsed(text, "r.toml")
    assert WRONG[text] in found.value.message
    assert found.value.hint


def test_a_kind_that_was_misspelt() -> None:
    with pytest.raises(SpecError, match="swich") as found:
        failure_rates.parsed(RIGHT.replace("switch", "swich"), "r.toml")
    assert found.value.hint == "Did you mean 'switch'?"


def test_every_kind_of_element_has_a_default_and_every_element_a_kind() -> None:
    assert set(failure_rates.defaults()) == set(KINDS)
    networks = (mlag(), gateway_pair(), two_ways(bonding=BondOptions(mode="hsr")))
    assert {each.kind for network in networks for each in elements(network)} <= set(KINDS)


def test_the_defaults_are_what_their_sources_say() -> None:
    """Shares of devices that fail in a year, by the exponential distribution; machines by their count."""
    found = failure_rates.defaults()
    assert 1 - math.exp(-YEAR_H / found["switch"].mtbf_h) == pytest.approx(0.05, abs=1e-4)
    assert 1 - math.exp(-YEAR_H / found["router"].mtbf_h) == pytest.approx(0.10, abs=1e-4)
    assert YEAR_H / found["node"].mtbf_h == pytest.approx(1000 / 1800, rel=2e-3)
    assert found["controller"].mttr_s == pytest.approx(60.0, abs=1e-3)
