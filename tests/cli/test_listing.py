"""testbed list NAME: one thing in full."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from testbed.cli import cli, details, options
from testbed.errors import SpecError
from testbed.experiment import discovery
from testbed.experiment.plan import topology_defaults
from testbed.faults.catalogue import FAULTS
from testbed.schemes import SCHEMES
from testbed.spec import MODES


def listed(*words: str) -> str:
    found = CliRunner().invoke(cli, ["list", *words])
    assert found.exit_code == 0, found.output
    return found.output


@pytest.mark.parametrize("name", discovery.names("experiments"))
def test_an_experiment_with_each_factor_and_option(name: str) -> None:
    text, experiment = listed(name), discovery.experiment(name)
    for factor in (*experiment.factors, *experiment.options):
        assert f"--set {factor.name}=" in text and factor.meaning in text
    assert experiment.question in text


@pytest.mark.parametrize("name", discovery.names("experiments"))
def test_no_factor_runs_into_what_it_means(name: str) -> None:
    experiment = discovery.experiment(name)
    text = listed(name)
    assert all(f"  {factor.meaning}" in text for factor in (*experiment.factors, *experiment.options))


@pytest.mark.parametrize("name", discovery.names("topologies"))
def test_a_topology_with_each_argument(name: str) -> None:
    text = listed(name)
    assert all(f"--set {argument}=" in text for argument in topology_defaults(discovery.topology(name)))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_with_each_parameter(name: str) -> None:
    text = listed(name)
    assert FAULTS[name].summary in text
    assert all(f"--set {each.factor}=" in text and each.meaning in text for each in FAULTS[name].parameters)
    advice = re.search(rf" run (\w+) --set fault={name}$", text, re.MULTILINE)
    assert advice
    taken = next(each for each in discovery.experiment(advice[1]).factors if each.name == "fault")
    assert name in (taken.known or ())


@pytest.mark.parametrize("words", [["show", "back_to_back", "--set", "members=3"], ["list", "topologies"]])
def test_defaults_are_not_taken_for_what_was_set(words: list[str]) -> None:
    found = CliRunner().invoke(cli, words).output
    line = next(each for each in found.splitlines() if "members=2, " in each)
    assert line.strip().startswith(("defaults: ", "arguments, with their defaults: "))


@pytest.mark.parametrize("name", [*SCHEMES, *MODES])
def test_a_controller_and_a_mode(name: str) -> None:
    assert f"{name}, one of the " in listed(name)


def test_the_options_of_a_mode_are_those_that_the_kernel_takes_in_it() -> None:
    """networking/bonding.rst: lacp_rate is of 802.3ad; a primary is of active-backup, balance-tlb and balance-alb."""
    assert "--set lacp_rate=" in listed("802.3ad") and "--set primary_member=" not in listed("802.3ad")
    for mode in ("active-backup", "balance-tlb", "balance-alb"):
        assert "--set primary_member=" in listed(mode) and "--set lacp_rate=" not in listed(mode)


def test_a_name_of_two_kinds_is_told_of_both() -> None:
    text = listed("mlag")
    assert "mlag, one of the topologies" in text and "mlag, one of the experiments" in text


def test_for_programs() -> None:
    found = json.loads(listed("carrier_loss", "--json"))
    assert list(found) == ["faults"] and found["faults"][0] == FAULTS["carrier_loss"].summary
    assert set(details.KINDS) == set(json.loads(listed("--json")))


def test_an_unknown_name() -> None:
    found = CliRunner().invoke(cli, ["list", "failovr"])
    assert isinstance(found.exception, SpecError) and found.exception.hint == "Did you mean 'failover'?"


def test_an_option_is_told_in_full() -> None:
    """Its text is that of docs/services.md; its defaults are those of the topologies."""
    said = listed("vrrp_advert_ms")
    for part in (
        "the interval A of the master's advertisements",
        "values: 10 to 40950, multiples of 10",
        "unit: milliseconds",
        "default 1000: balancer_pair, firewall_pair, gateway_pair",
        "default 100: service",
        "factor of gateway, requests: interval of VRRP's advertisements; by default 1000,100",
    ):
        assert part in said


def test_every_option_of_a_service_is_told() -> None:
    text = (Path(options.__file__).parents[2] / "docs" / "services.md").read_text()
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `") and line.count(" | ") == 3]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)} & set(options.names())
    assert {"bgp_hold_s", "site_rise", "balancer_kind", "firewall_sync"} <= named
    for name in named:
        assert any(line.startswith("values: ") for line in options.option(name)), name


def rows() -> dict[str, tuple[str, str, str]]:
    """Default, values and meaning of each option in the tables of docs/services.md, by the first cell of its row."""
    text = (Path(options.__file__).parents[2] / "docs" / "services.md").read_text()
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {row[0]: (row[1], row[2], row[3]) for row in cells if len(row) == 4}


@pytest.mark.parametrize("names", [names for names in rows() if names.strip("`") in options.of_topologies()])
def test_a_row_has_the_default_of_each_topology(names: str) -> None:
    """The first default is that of all topologies that are not named after it: "1000; `service` 100"."""
    first, *others = rows()[names][0].split("; ")
    defaults = dict.fromkeys(options.of_topologies()[names.strip("`")], first)
    for other in others:
        defaults |= dict.fromkeys(re.findall(r"`(\w+)`", other), other.split()[-1])
    for topology, default in options.of_topologies()[names.strip("`")].items():
        typed = details.typed(default)
        assert defaults[topology] in (typed, typed.removesuffix(".0")), topology
    assert set(defaults) == set(options.of_topologies()[names.strip("`")])


def test_each_row_is_about_one_option() -> None:
    """`testbed list` prints a row for the option alone, so it may neither be shared nor lean on another row."""
    for names, (_, values, meaning) in rows().items():
        if set(re.findall(r"\w+", names)) & set(options.names()):
            assert re.fullmatch(r"`\w+`", names)
            assert not re.search(r"\bas those\b|\bof that\b|\bto I\b|\bthan I\b|: I$", f"{values} {meaning}"), names


def test_what_depends_on_another_option_is_told_by_its_name() -> None:
    assert "values: 10 to 60000" in listed("static_bfd_ms")
    assert "how often a server is asked" in listed("site_check_ms") and "to answer" in listed("site_timeout_ms")
    assert "BGP" not in listed("ip") and "the version of IP of all addresses" in listed("ip")
    assert "less than balancer_check_ms" in listed("balancer_fastinter_ms")
    for name in ("line", "firewall", "switch", "balancer"):
        assert "values: pair, single" in listed(name)


def test_two_lines_says_what_survives_by_static_routes() -> None:
    """What theory says of each element is not what BGP survives."""
    text = " ".join(discovery.survives(discovery.topology("two_lines")).split())
    assert text.startswith("Survives with `routes_by=bgp` the loss of either line and of either provider.")
    assert "but not that of ia's line or uplink" in text and "unless `static_track=none`" in text
