"""A web service from end to end, in a guest: one element of each layer fails, and requests tell what its users feel.

The bounds are those of the layers' own standards and manuals (tests/theory/test_chain.py).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from testbed.results.result import Record, load
from tests.emulation.support import ended, started

_DAEMONS = ("bird", "keepalived", "conntrackd", "nft")
pytestmark = pytest.mark.skipif(
    any(shutil.which(each) is None for each in _DAEMONS), reason="daemons are not installed (make setup-services)"
)


def audited(place: Path, *words: str, code: int) -> dict[str, Record]:
    answer = ended(started("audit", "service", *words, "--out", str(place)))
    assert answer.returncode == code, answer.stderr
    return {str(record.case["element"]): record for record in load(place).records}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    place = tmp_path_factory.mktemp("service") / "pairs"
    return audited(place, "--set", "element=f1,b1,w1,ia,f1-eth0--s1-eth4", code=0)


def test_no_layer_is_a_single_point_of_failure(pairs: dict[str, Record]) -> None:
    for element, record in pairs.items():
        assert record.status == "ok" and record.metrics["survived"] is True, (element, record)
        assert record.metrics["agrees_with_oracle"] is True and record.metrics["within_bound"] is True, (
            element,
            record,
        )


def test_the_next_firewall_and_the_next_balancer_wait_as_vrrp_has_it(pairs: dict[str, Record]) -> None:
    """RFC 5798 with A = 0.1 s and priority 100: 2 A + skew to 3 A + skew; a request every 5 ms shows it."""
    for element in ("f1", "b1"):
        assert 0.2609 - 0.005 <= pairs[element].metrics["outage_s"] <= 0.3609 + 0.02, pairs[element]


def test_only_a_server_costs_requests_until_checks_have_found_out(pairs: dict[str, Record]) -> None:
    """Of two servers in turn one fails: half of the requests until then, and none through the other layers."""
    assert {element for element, record in pairs.items() if record.metrics["lost"]} == {"w1"}
    assert 2.0 <= pairs["w1"].metrics["outage_s"] <= 4.5 + 0.02, pairs["w1"]


def test_a_lone_firewall_is_a_single_point_of_failure(tmp_path: Path) -> None:
    found = audited(tmp_path / "run", "--set", "firewall=single", "--set", "element=f1", code=1)
    assert found["f1"].metrics["survived"] is False and found["f1"].metrics["agrees_with_oracle"] is True
