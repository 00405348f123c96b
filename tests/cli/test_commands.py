"""The commands that read results, and how --until-ci is taken, without any network."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pandas
import pytest
import synthetic
from click.testing import CliRunner, Result

from testbed.cli import cli
from testbed.errors import SpecError


def call(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=True)


def test_other_figures_by_name(tmp_path: Path) -> None:
    path = synthetic.failover(tmp_path / "run", repetitions=2).path
    found = call("plot", path, "ecdf", "matrix")
    assert found.exit_code == 0, found.output
    assert sorted(file.name for file in (path / "figures").glob("*.svg")) == ["ecdf.svg", "matrix.svg"]


def test_an_unknown_figure_draws_none(tmp_path: Path) -> None:
    path = synthetic.failover(tmp_path / "run", repetitions=2).path
    found = call("plot", path, "ecdf", "matricks")
    assert isinstance(found.exception, SpecError) and found.exception.hint == "Did you mean 'matrix'?"
    assert not (path / "figures").exists()


def test_a_report_comes_with_the_figures_that_it_links_to(tmp_path: Path) -> None:
    path = synthetic.failover(tmp_path / "run", repetitions=2).path
    assert call("report", path).exit_code == 0
    assert (path / "report.html").exists() and (path / "figures" / "outage.pdf").exists()


def test_what_is_wrong_with_a_run_is_printed(tmp_path: Path) -> None:
    run = synthetic.transfers(tmp_path / "run")
    (run.path / "raw/001/timeline.jsonl").unlink()
    with (run.path / "trials.jsonl").open("a") as file:
        file.write((run.path / "trials.jsonl").read_text().splitlines()[0] + "\n" + '{"experiment": "agg')
    found = call("export", run.path, "--csv", tmp_path / "long.csv")
    assert found.exit_code == 0
    assert "raw/001/timeline.jsonl is missing" in found.output
    assert "trials.jsonl line 3: trial 1 again; it counts once" in found.output
    assert "Damaged, and counted nowhere: trials.jsonl line 4: " in found.output


def test_the_long_form_on_the_standard_output(tmp_path: Path) -> None:
    found = call("export", synthetic.failover(tmp_path / "run", repetitions=2).path)
    rows = list(csv.DictReader(io.StringIO(found.stdout)))
    assert {row["trial"] for row in rows} == {"1", "2", "3", "4"}


def test_the_long_form_in_both_files(tmp_path: Path) -> None:
    path = synthetic.failover(tmp_path / "run", repetitions=2).path
    files = tmp_path / "long.csv", tmp_path / "long.parquet"
    found = call("export", path, "--csv", files[0], "--parquet", files[1])
    assert found.exit_code == 0, found.output
    assert sorted(found.stdout.split()) == sorted(map(str, files))
    assert len(pandas.read_parquet(files[1])) == len(list(csv.DictReader(files[0].open())))


def test_a_file_in_no_directory_is_refused_before_any_is_written(tmp_path: Path) -> None:
    path = synthetic.failover(tmp_path / "run", repetitions=2).path
    place = tmp_path / "none"
    found = call("export", path, "--parquet", tmp_path / "long.parquet", "--csv", place / "long.csv")
    assert isinstance(found.exception, SpecError)
    assert found.exception.message == f"{place} is no directory; wanted one to write long.csv into"
    assert found.exception.hint == f"Type: mkdir -p {place}"
    assert not (tmp_path / "long.parquet").exists()


def test_the_exit_code_of_a_comparison_says_whether_it_matters(tmp_path: Path) -> None:
    short = synthetic.failover(tmp_path / "short", troubled=False).path
    long = synthetic.failover(tmp_path / "long", fault="silent_loss", troubled=False).path
    same = call("compare", short, short)
    assert same.exit_code == 0, same.output
    assert "No difference that matters." in same.output
    other = call("compare", short, long)
    assert other.exit_code == 1
    assert "factors.fault: ['carrier_loss'] -> ['silent_loss']" in other.output
    assert "It matters." in other.output
    found = call("compare", "--json", short, long)
    assert found.exit_code == 1
    data = json.loads(found.stdout)
    assert data["matters"] is True and data["changes"][0]["key"] == "factors.fault"


def test_levels_that_differ_are_a_finding_and_no_failure(tmp_path: Path) -> None:
    path = synthetic.failover(tmp_path / "run", troubled=False).path
    found = call("compare", path, "--by", "mode")
    assert found.exit_code == 0, found.output
    assert "mode: active-backup -> 802.3ad\n" in re.sub(r" +\n", "\n", found.output)
    assert "It matters." in found.output
    turned = call("compare", path, "--by", "mode=802.3ad,active-backup", "--json")
    assert turned.exit_code == 0
    data = json.loads(turned.stdout)
    assert (data["factor"], data["matters"]) == ("mode", True)
    (contrast,) = data["contrasts"]
    assert (contrast["before"], contrast["after"]) == ("802.3ad", "active-backup")
    assert "outage_s" in {each["metric"] for each in contrast["judgements"] if each["matters"]}


def test_levels_with_too_few_trials_are_not_reported_as_alike(tmp_path: Path) -> None:
    found = call("compare", synthetic.failover(tmp_path / "run", repetitions=2, troubled=False).path, "--by", "mode")
    text = r"^\d+ have too few trials for a test; 4 or more --repetitions are enough\.$"
    assert re.search(text, found.output, re.MULTILINE)


def test_one_run_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    path = synthetic.failover(tmp_path / "run", repetitions=2).path
    found = call("compare", path)
    assert isinstance(found.exception, SpecError)
    assert found.exception.message == (
        f"one run, {path}, and nothing to compare it with; wanted another run, or a factor to compare the levels of"
    )
    assert found.exception.hint == f"Type: testbed compare {path} RUN, or testbed compare {path} --by mode"


def test_levels_of_two_runs_are_refused(tmp_path: Path) -> None:
    path = synthetic.failover(tmp_path / "run", repetitions=2).path
    found = call("compare", path, path, "--by", "mode")
    assert isinstance(found.exception, SpecError)
    assert found.exception.message == "--by mode compares the levels within one run; two runs were given"
    assert found.exception.hint == f"Type: testbed compare {path} --by mode, or testbed compare {path} {path}"


@pytest.mark.parametrize("text", ["0%", "100%", "five", "-5%"])
def test_a_precision_that_is_not_possible_is_refused(text: str) -> None:
    found = call("run", "failover", "--dry-run", f"--until-ci={text}")
    assert isinstance(found.exception, SpecError)
    assert found.exception.message == f"--until-ci {text} is not a percentage above 0 and below 100"
    assert found.exception.hint == "For example: --until-ci 5%"


def test_a_dry_run_says_how_many_trials_there_may_be() -> None:
    words = ("--set", "mode=802.3ad", "--repetitions", 6, "--max-repetitions", 30)
    found = call("run", "failover", "--dry-run", *words, "--until-ci", "5%")
    assert found.exit_code == 0, found.output
    assert "6 trials of failover" in found.output
    assert "at most 30 of each case, until the median of outage_s is known to 5 %" in found.output.replace("\n", " ")


def test_more_repetitions_than_the_most_are_refused() -> None:
    found = call("run", "failover", "--dry-run", "--repetitions", 9, "--max-repetitions", 8, "--until-ci", "5")
    assert isinstance(found.exception, SpecError)
    assert found.exception.message == "9 repetitions are more than --max-repetitions 8"


def test_an_audit_that_is_only_planned_says_what_theory_does(tmp_path: Path) -> None:
    """Of `unprotected` all but the controller is a single point of failure, as its file says."""
    words = ("audit", "unprotected", "--dry-run", "--out", tmp_path / "none")
    found = call(*words)
    assert (found.exit_code, found.exception) == (0, None), found.output
    assert "7 of 10 elements are single points of failure for traffic between h1, h2: " in found.output
    assert "✗ s1" in found.output and "10 trials: 10 elements; about" in found.output
    data = json.loads(call(*words, "--json", "--layer-pairs").stdout)
    assert {row["status"] for row in data["rows"]} == {"planned"}
    assert "s1+s2" in {row["element"] for row in data["rows"]} and "s1" in data["single_points_of_failure"]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("experiment", ["miimon", "gateway", "health_checks", "routing", "sites", "site_failover"])
def test_a_plan_says_how_long_its_trials_last(experiment: str) -> None:
    """Twice as many faults take twice as long; so many that they would take days are refused."""
    spoken = []
    for faults in (10, 20):
        found = call("run", experiment, "--dry-run", "--quick", "--set", f"faults={faults}")
        number, unit = re.findall(r"about (\d+) (s|min|h) of the trials' clocks in all", found.output)[0]
        spoken.append(int(number) * {"s": 1, "min": 60, "h": 3600}[unit])
    assert spoken[1] == pytest.approx(2 * spoken[0], rel=0.5)
    refused = call("run", experiment, "--dry-run", "--set", "faults=100000").exception
    assert isinstance(refused, SpecError) and "faults=100000" in refused.message and " s or less" in refused.message
