"""An impossible request is refused before anything runs, with what was found, what was wanted, what to type next.

An error in a trial, also in a user's own code, becomes the reason of that trial; the run continues.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from testbed.backends import readiness
from testbed.results.result import Run, load
from testbed.spec import MODES
from tests.emulation.support import command, testbed

_NO_RATE = '''"""A cable without a rate."""
from testbed.spec import Host, Link, Switch, Topology


def endless_speed():
    hosts = Host("h1", "10.0.0.1/24"), Host("h2", "10.0.0.2/24")
    links = (
        Link("h1", "h1-eth0", "s1", "s1-eth1"),
        Link("h2", "h2-eth0", "s1", "s1-eth2", rate_mbps=None),
    )
    return Topology("endless_speed", hosts, (Switch("s1", 1),), links)
'''

_MISTAKES = '''"""An experiment with a mistake where its factor says."""
from testbed.experiment import Experiment, Factor, Measured


def procedure(lab):
    lab.write("written.json", "before the mistake")
    if lab.case["mistake"] == "procedure":
        lab.bonding


def measure(raw, trial):
    if trial.case["mistake"] == "measure":
        return Measured({"ratio": 1 / 0})
    return Measured({"ratio": 1.0})


def mistakes():
    return Experiment(
        name="mistakes", title="Mistakes", question="Does the run go on?", topology="back_to_back",
        factors=(Factor("mistake", ("procedure", "measure", "none"), "where"),), procedure=procedure, measure=measure,
        figures=(),
    )
'''


@pytest.mark.parametrize(
    ("words", "found", "known"),
    [
        (("failovr",), "experiment 'failovr'", {"aggregation", "failover"}),
        (("failover", "--topology", "dual_swich"), "topology 'dual_swich'", {"dual_switch", "single_switch"}),
        (("failover", "--set", "miimon=50"), "factor 'miimon'", {"fault", "probe_interval_ms", "mode", "miimon_ms"}),
        (("failover", "--set", "fault=loss"), "level of factor 'fault': 'loss'", {"carrier_loss", "none"}),
        (("failover", "--set", "mode=bonded"), "bonding mode 'bonded'", set(MODES)),
        (("failover", "--set", "lacp_rate=quick", "--set", "mode=802.3ad"), "lacp_rate 'quick'", {"fast", "slow"}),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(
    words: tuple[str, ...], found: str, known: set[str], tmp_path: Path
) -> None:
    answer = testbed("run", *words, cwd=tmp_path)
    assert answer.returncode == 2, answer.stderr
    message, *hints = answer.stderr.splitlines()
    assert message == f"testbed: unknown {found}"
    text, _, names = hints[-1].partition(": ")
    assert text == "The known ones are"
    assert known <= set(names.split(", "))
    assert list(tmp_path.iterdir()) == [], "nothing was started"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("aggregation", "--set", "members=two"), "level 'two' of factor 'members' is not a whole number"),
        (("aggregation", "--set", "members=0"), "level 0 of factor 'members' is too small; wanted 1 or more"),
        (("aggregation", "--set", "rate_mbps=0.5"), "rate 0.5 Mbit/s of link h1-eth0--s1-eth1 is outside 1 to 100000"),
        (("aggregation", "--set", "members"), "--set members is not FACTOR=LEVEL"),
        (("failover", "--topology", "nowhere.py"), "no file nowhere.py; wanted a Python file or one of our names"),
        (("failover", "--clock", "sundial"), "'sundial' is not one of 'virtual', 'real'"),
        (("failover", "--resume"), "--resume needs --out: which run to go on with"),
    ],
)
def test_an_impossible_request_is_refused_before_anything_starts(
    words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    answer = testbed("run", *words, cwd=tmp_path)
    assert answer.returncode == 2, answer.stderr
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr
    assert list(tmp_path.iterdir()) == [], "nothing was started"


def test_the_nearest_name_is_offered(tmp_path: Path) -> None:
    answer = testbed("run", "failovr", cwd=tmp_path)
    assert answer.stderr.splitlines()[1] == "Did you mean 'failover'?"


@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path, resume: tuple[str, ...]) -> None:
    (tmp_path / "notes.txt").write_text("a thesis")
    answer = testbed("run", "failover", *resume, "--out", str(tmp_path))
    assert answer.returncode == 2
    message = "holds no run (run.json is missing)" if resume else "holds something else; a result is never overwritten"
    assert f"testbed: {tmp_path} {message}" in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert (tmp_path / "notes.txt").read_text() == "a thesis"


def test_another_run_is_never_overwritten(lone_failover: Run) -> None:
    place = lone_failover.path
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in place.rglob("*")}
    answer = testbed("run", "failover", "--repetitions", "1", "--out", str(place))
    assert answer.returncode == 2
    message = answer.stderr.splitlines()
    assert message[0] == f"testbed: {place} holds another run; a result is never overwritten"
    assert message[1] == "Give another --out, or --resume to go on with an unfinished run."
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in place.rglob("*")} == before


def test_a_link_without_a_rate_is_refused_where_time_is_virtual(tmp_path: Path) -> None:
    topology = tmp_path / "endless_speed.py"
    topology.write_text(_NO_RATE)
    words = ("run", "failover", "--topology", str(topology), "--out", str(tmp_path / "run"))
    answer = testbed(*words)
    assert answer.returncode == 2
    message, hint = answer.stderr.splitlines()
    assert message == (
        "testbed: link h2-eth0--s1-eth2 of topology 'endless_speed' has no rate: where time is virtual it would be"
        " infinitely fast and a TCP flow over it would never end"
    )
    assert hint == "Give every link a rate_mbps, or use --clock real."
    assert not (tmp_path / "run").exists()
    assert testbed(*words, "--clock", "real", "--dry-run").returncode == 0


def test_a_missing_program_is_named_with_its_package(tmp_path: Path, place: Path) -> None:
    # The path has everything except bwrap.
    for program in ("setarch", "taskset", "git", *readiness.PROGRAMS):
        if found := shutil.which(program):
            (tmp_path / program).symlink_to(found)
    answer = testbed("run", "failover", "--out", str(place), PATH=str(tmp_path))
    assert answer.returncode == 3, answer.stderr
    assert answer.stderr.splitlines() == [
        "testbed: trials need bubblewrap, not installed",
        "Type: apt-get install bubblewrap",
    ]
    assert not place.exists()


def test_a_kernel_that_is_not_built_is_named_with_the_command(tmp_path: Path, place: Path) -> None:
    answer = testbed("run", "failover", "--out", str(place), TESTBED_CACHE=str(tmp_path))
    assert answer.returncode == 3, answer.stderr
    assert answer.stderr.splitlines() == [
        "testbed: the guest kernel is not built",
        f"Type: {shlex.join(command())} kernel build (once, about 7 minutes)",
    ]
    assert not place.exists()
    checked = testbed("check", TESTBED_CACHE=str(tmp_path))
    assert "testbed kernel build" in checked.stdout


def test_virtual_time_needs_the_guest(place: Path) -> None:
    answer = testbed("run", "failover", "--backend", "native", "--out", str(place))
    assert answer.returncode == 3
    assert answer.stderr.splitlines() == [
        "testbed: the native backend has real time only",
        "Add: --clock real",
    ]
    assert not place.exists()


def test_a_mistake_in_a_users_experiment_fails_its_trial_and_the_run_continues(tmp_path: Path, place: Path) -> None:
    experiment = tmp_path / "mistakes.py"
    experiment.write_text(_MISTAKES)
    answer = testbed("run", str(experiment), "--out", str(place))
    assert answer.returncode == 1, answer.stderr
    assert "Traceback" not in answer.stderr + answer.stdout
    inside, outside, none = load(place).records
    assert [record.case["mistake"] for record in (inside, outside, none)] == ["procedure", "measure", "none"]
    assert inside.reason == "mistakes.py, line 8: AttributeError: 'Lab' object has no attribute 'bonding'"
    assert outside.reason == "mistakes.py, line 13: ZeroDivisionError: division by zero"
    assert [record.status for record in (inside, outside, none)] == ["failed", "failed", "ok"]
    for record in (inside, outside):
        assert f"trial {record.number} (mistake={record.case['mistake']}) failed: {record.reason}" in " ".join(
            answer.stderr.split()
        )
        assert (place / record.raw / "written.json").exists()
    # The traceback of the error inside is kept for the author.
    assert "in procedure" in (place / inside.raw / "trial.log").read_text()
