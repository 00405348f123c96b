"""testbed availability, as it is typed."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import testbed
from testbed.cli import base, cli
from testbed.errors import SpecError
from testbed.theory import failure_rates
from testbed.theory.failure_rates import YEAR_S

REFERENCE = Path(testbed.__file__).resolve().parents[1] / "results" / "reference"
#: Switches fail once in 1000 h, for an hour; nothing else does, nearly.
ONE = "".join(
    f'[{kind}]\nmtbf_h = {999 if kind == "switch" else 1e15}\nmttr_h = 1\nsource = "chosen"\n'
    for kind in failure_rates.KINDS
)


def call(*words: object) -> Result:
    return CliRunner().invoke(cli, ["availability", *map(str, words)], catch_exceptions=True)


def data(*words: object) -> dict[str, Any]:
    found = call(*words, "--json")
    assert found.exit_code == 0, found.output
    return dict(json.loads(found.stdout))


def refused(*words: object) -> SpecError:
    found = call(*words)
    assert isinstance(found.exception, SpecError), found.output
    return found.exception


@pytest.fixture
def rates(tmp_path: Path) -> Path:
    (tmp_path / "rates.toml").write_text(ONE)
    return tmp_path / "rates.toml"


def test_two_switches_in_series(rates: Path) -> None:
    found = data("unprotected", "--rates", rates)
    assert found["downtime_s"]["low"] == pytest.approx((1 - 0.999**2) * YEAR_S, rel=1e-6)
    assert found["availability"]["high"] == pytest.approx(0.999**2, rel=1e-9)
    assert found["nines"]["low"] == pytest.approx(-math.log10(1 - 0.999**2), rel=1e-6)
    assert found["kinds"]["switch"]["low"] == pytest.approx(found["downtime_s"]["low"], rel=1e-6)
    assert found["rates"]["switch"] == {"mtbf_h": 999.0, "mttr_h": 1.0, "source": "chosen"}
    by_name = {each["element"]: each for each in found["elements"]}
    assert by_name["s1"]["failures_a_year"] == pytest.approx(8766 / 1000)
    assert by_name["s1"]["twin_saves_s"]["low"] == pytest.approx(0.999 * (0.001 - 0.001**2) * YEAR_S, rel=1e-5)


def test_two_switches_in_parallel(rates: Path) -> None:
    """dual_switch: each switch loses 52 ms on average while its hosts move; both together lose all until a repair."""
    found = data("dual_switch", "--rates", rates)
    apart = sum(each["apart_s"]["low"] for each in found["elements"])
    assert apart == pytest.approx(0.001**2 * YEAR_S, rel=1e-4)
    by_name = {each["element"]: each for each in found["elements"]}
    assert by_name["s1"]["outage_by"] == "theory, mean"
    assert by_name["s1"]["switch_s"]["low"] == pytest.approx(8.766 * 0.052 * 0.999, rel=1e-4)


def test_coverage_and_common_causes(rates: Path) -> None:
    """1 of 2: beta q + ((1 - beta) q)^2, and 1 - C of what is survived, to the first order in q."""
    beta = data("dual_switch", "--rates", rates, "--beta", "0.1")
    apart = {each["element"]: each["apart_s"]["low"] for each in beta["elements"]}
    assert apart["every switch"] == pytest.approx(0.1 * 0.001 * YEAR_S, rel=2e-3)
    covered = data("dual_switch", "--rates", rates, "--coverage", "0.9")
    failed = sum(each["uncovered_s"]["low"] for each in covered["elements"])
    assert failed == pytest.approx(0.1 * 2 * 0.001 * YEAR_S, rel=2e-3)


def test_an_audits_outages_are_taken() -> None:
    """Cutting mlag's peer link cost 50 ms in the reference (README), and theory says 0 to 104 ms."""
    by_name = {each["element"]: each for each in data("mlag", "--audit", REFERENCE / "audit_mlag")["elements"]}
    link = by_name["s1-eth3--s2-eth3"]
    assert link["outage_by"] == "measured"
    assert link["outage_s"]["low"] == link["outage_s"]["high"] == pytest.approx(0.05, abs=1e-4)
    plain = {each["element"]: each for each in data("mlag")["elements"]}["s1-eth3--s2-eth3"]["outage_s"]
    assert plain["low"] <= 0.05 <= plain["high"]


def test_the_text_says_what_was_assumed_and_what_is_not_known() -> None:
    found = call("mlag", "--beta", "0.02", "--coverage", "0.99")
    assert found.exit_code == 0, found.output
    for part in (
        *("traffic between h1, h2", "Availability 99.99", "nines): down ", "Coverage 0.99, beta 0.02."),
        *("with more than 2 failures at once", "Theory does not say whether the hosts stay together without c0,"),
        *("A parallel twin of one element buys most for: ", "every switch", "By kind", "failed", "not known"),
        *("switch: fails every 171000 h, repaired in 4 h (P. Gill,",),
    ):
        assert part in found.output, part


def test_the_document_shows_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/availability.md: every line of its example is a line that the command prints."""
    text = (REFERENCE.parents[1] / "docs" / "availability.md").read_text()
    (block,) = re.findall(r"```\n\$ testbed availability ([^`]*)```", text)
    words, *lines = block.splitlines()
    monkeypatch.setattr(base.out, "width", 80)
    printed = call(*words.split()).output.splitlines()
    assert len(lines) > 3 and set(lines) <= set(printed)


def test_the_documents_table_has_the_default_rates() -> None:
    text = (REFERENCE.parents[1] / "docs" / "availability.md").read_text()
    rows = re.findall(r"^\| ([a-z, ]+) \| ([\d,]+) h \| (\d+) (h|min) \|", text, flags=re.MULTILINE)
    found = {
        kind: (float(mtbf.replace(",", "")), float(mttr) / (60 if unit == "min" else 1))
        for kinds, mtbf, mttr, unit in rows
        for kind in kinds.split(", ")
    }
    known = failure_rates.defaults()
    assert found == {kind: (each.mtbf_h, pytest.approx(each.mttr_h, rel=1e-3)) for kind, each in known.items()}


@pytest.mark.slow
def test_the_figure_is_drawn(tmp_path: Path) -> None:
    place = tmp_path / "new" / "figures"
    found = call("unprotected", "--out", place)
    assert found.exit_code == 0, found.output
    assert sorted(file.suffix for file in place.iterdir()) == [".csv", ".pdf", ".png", ".svg"]
    assert f"figure  {place / 'availability.png'}" in found.output
    assert json.loads(call("unprotected", "--json", "--out", place).stdout)["topology"] == "unprotected"


def test_more_at_once_narrow_the_range(rates: Path) -> None:
    one, three = (data("unprotected", "--rates", rates, "--at-once", count) for count in (1, 3))
    assert one["rest_s"] > three["rest_s"]
    assert one["downtime_s"]["low"] <= three["downtime_s"]["low"] <= one["downtime_s"]["high"]


#: What is typed wrongly, with a part of the message and of the hint.
REFUSED = {
    "unknown topology": (("mlog",), "unknown topology 'mlog'", "Did you mean 'mlag'?"),
    "unknown factor": (("mlag", "--set", "membrs=2"), "unknown factor 'membrs'", "members"),
    "impossible level": (("mlag", "--set", "members=0"), "members=0: bond 'bond0' has no member", ""),
    "a factor that does nothing": (("unprotected", "--set", "miimon_ms=5"), "nothing in its network has", "Leave"),
    "several levels": (("mlag", "--set", "members=1,2"), "gives 2 levels; an availability is of one network", "once"),
    "a trial's factor": (("mlag", "--set", "element=s1"), "--set element is of an audit's trials", "Leave it out."),
    "a repair time": (("mlag", "--set", "controller_down_s=9"), "no trial is carried out", "mttr_h of kind controller"),
    "one-way firewalls": (("firewall_pair",), "let h2, which is outside, begin nothing", ""),
    "a run that is no audit": (
        ("mlag", "--audit", "{r}/failover"),
        "is a run of failover; wanted an audit",
        "audit mlag",
    ),
    "another topology": (
        ("mlag", "--audit", "{r}/audit_ring"),
        "is an audit of ring; wanted one of mlag",
        "audit mlag",
    ),
    "another network": (
        ("mlag", "--set", "members=2", "--audit", "{r}/audit_mlag"),
        "is an audit of another network: members is as by default, not 2",
        "Type: testbed audit mlag --out DIRECTORY",
    ),
    "another controller": (
        ("mlag", "--set", "controller=none", "--audit", "{r}/audit_mlag"),
        "controller is testbed, not none",
        "Type: testbed audit mlag",
    ),
    "no run": (("mlag", "--audit", "{x}"), "holds no run", ""),
    "an unknown kind": (("mlag", "--rates", "{x}/kind.toml"), "unknown kind of element in ", "Did you mean 'switch'?"),
    "no TOML": (("mlag", "--rates", "{x}/text.toml"), "is no TOML", "For example: [switch]"),
    "no text": (
        ("mlag", "--rates", "{x}/octets.toml"),
        "octets.toml is no text in UTF-8; wanted TOML",
        "availability.md",
    ),
    "a file to draw into": (("mlag", "--out", "{x}/text.toml"), "is a file; wanted a directory to draw into", "--out"),
    "too many states": (("leaf_spine", "--at-once", "4"), "74519 states with up to 4 at once", "a smaller --at-once"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_mistake_is_refused_with_what_to_type(kind: str, tmp_path: Path) -> None:
    words, message, hint = REFUSED[kind]
    (tmp_path / "kind.toml").write_text(ONE.replace("[switch]", "[swich]"))
    (tmp_path / "octets.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "text.toml").write_text("switches fail often")
    error = refused(*(word.format(r=REFERENCE, x=tmp_path) for word in words))
    assert message in error.message and hint in error.hint


def test_a_kind_without_a_rate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    known = failure_rates.defaults()
    monkeypatch.setattr(failure_rates, "defaults", lambda: {k: v for k, v in known.items() if k != "member"})
    error = refused("mlag")
    assert "mlag has elements of kind member, and there is no rate of it" in error.message
    assert "--rates FILE, with: [member]" in error.hint
    assert call("unprotected").exit_code == 0  # it has none


@pytest.mark.parametrize(
    "name",
    [
        "back_to_back",
        "dual_switch",
        "gateway_pair",
        "leaf_spine",
        "ring",
        "single_switch",
        "trunk",
        "two_lines",
        "two_ways",
    ],
)
def test_every_topology_has_one(name: str) -> None:
    """7200 s a year: the availability of each is above 99.97 %, and no range is upside down."""
    found = data(name, "--at-once", 1)
    assert 0 <= found["downtime_s"]["low"] <= found["downtime_s"]["high"] < 7200
    for each in found["elements"]:
        assert each["total_s"]["low"] <= each["total_s"]["high"]


def test_a_controller_of_ones_own_is_not_known_to_theory(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from os_ken.base.app_manager import OSKenApp\n\n\nclass Mine(OSKenApp):\n    pass\n"
    )
    error = refused("mlag", "--set", f"controller={tmp_path / 'mine.py'}")
    assert "theory does not say whether h1, h2 reach each other when nothing has failed" in error.message
