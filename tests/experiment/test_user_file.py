"""A user's file is executed in a process of its own that can touch nothing, and gives what it would give here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testbed.design.factor import Factor
from testbed.design.trial import Measured, Trial
from testbed.errors import SpecError, TrialError
from testbed.experiment import discovery, user_code, user_file
from testbed.experiment.plan import build_topology, topology_defaults
from testbed.spec import Topology

# Each reads a user's file in a process of its own.
pytestmark = pytest.mark.slow

TOPOLOGY = '''"""A network.

     h1 == s1 == h2

Survives little.
"""
from testbed.spec import BondOptions
from testbed.spec.wiring import Wiring


def mine(*, members=2, bonding=BondOptions(), label="a", odd=None):
    net = Wiring(bonding=bonding)
    (switch,) = net.switches(1)
    for host in ("h1", "h2"):
        net.bonded(host, [switch] * members)
    return net.topology("mine")


other = mine
'''
EXPERIMENT = """from testbed.experiment import Experiment, Factor, Measured


def measure(raw, trial):
    return Measured({"text": (raw / "said").read_text(), "case": trial.case["mode"], "many": [1, 2.5]}, warnings=("w",))


def twice(text):
    return 2 * int(text)


def drawn(run):
    pass


def mine(**more):
    values = dict(
        name="mine", title="Mine", question="?", topology="single_switch", procedure=print, measure=measure,
        factors=(Factor("mode", ("802.3ad",), "mode"), Factor("n", (1, 2), "n", read=twice)), figures=("outage", drawn),
        not_applicable=lambda case, network: network.name if case["n"] == 4 else None, packages=("scipy",), limit_s=5.5,
    )
    return Experiment(**{**values, **more})
"""


def file(tmp_path: Path, text: str, name: str = "mine.py") -> str:
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def refused(work: Callable[[], object]) -> SpecError:
    with pytest.raises(SpecError) as caught:
        work()
    return caught.value


def trial(case: dict[str, Any]) -> Trial:
    return Trial(1, "mine.py", case, 0, 7, build_topology(discovery.topology("single_switch"), {}))


def test_a_topology_is_what_it_would_be_here(tmp_path: Path) -> None:
    name = file(tmp_path, TOPOLOGY)
    here, apart = discovery.load_topology(name), discovery.topology(name)
    levels = {"members": 3, "mode": "active-backup", "miimon_ms": 50}
    assert build_topology(apart, levels) == build_topology(here, levels)
    assert topology_defaults(apart) == topology_defaults(here)
    assert list(topology_defaults(apart)) == list(topology_defaults(here))  # show lists them in this order
    assert discovery.drawing(apart) == discovery.drawing(here) == "     h1 == s1 == h2"
    assert discovery.survives(apart) == "Survives little."
    assert user_code.file_of(apart) == tmp_path / "mine.py"
    assert user_code.first_line(apart) == user_code.first_line(here) == 11


def test_an_experiment_is_what_it_would_be_here(tmp_path: Path) -> None:
    name = file(tmp_path, EXPERIMENT)
    here, apart = discovery.load_experiment(name), discovery.experiment(name)
    functions = dict.fromkeys(("procedure", "measure", "not_applicable", "factors", "figures"), None)
    assert replace(apart, **functions) == replace(here, **functions)  # type: ignore[arg-type]
    assert replace(apart.factors[1], read=None) == Factor("n", (1, 2), "n")
    assert apart.factors[1].parse("2") == 4
    assert refused(lambda: apart.factors[1].parse("x")).message == refused(lambda: here.factors[1].parse("x")).message
    assert apart.not_applicable is not None
    network = build_topology(discovery.topology("single_switch"), {})
    assert [apart.not_applicable({"n": n}, network) for n in (1, 4)] == [None, "single_switch"]
    assert [getattr(each, "__name__", each) for each in apart.figures] == ["outage", "drawn"]


def test_measure_reads_the_run(tmp_path: Path) -> None:
    raw = tmp_path / "run" / "raw" / "001"
    (tmp_path / "files").mkdir()
    experiment = discovery.experiment(file(tmp_path / "files", EXPERIMENT), [tmp_path / "run"])
    raw.mkdir(parents=True)
    one = trial({"mode": "802.3ad"})
    with pytest.raises(TrialError) as caught:  # not seen: the run's directory came later
        user_code.measured(experiment.measure, raw, one)
    assert caught.value.message == "raw file said is missing"
    (raw / "said").write_text("words")
    experiment = discovery.experiment(str(tmp_path / "files" / "mine.py"), [tmp_path / "run"])
    found = user_code.measured(experiment.measure, raw, one)
    assert found == Measured({"text": "words", "case": "802.3ad", "many": [1, 2.5]}, warnings=("w",))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("1 / 0", "mine.py, line 5: ZeroDivisionError: division by zero"),
        ("return 5", "mine.py, line 4: measure() returned int; wanted a Measured"),
        (
            "return Measured({'x': object()})",
            "mine.py, line 4: TypeError: Object of type object is not JSON serializable",
        ),
        ("return Measured({}, 'fine')", "mine.py, line 4: measure() returned the status 'fine'; wanted one of ok,"),
        ("import os; os._exit(7)", "mine.py: measure ended the process that reads it (exit code 7)"),
        ("open(raw / 'x', 'w')", "mine.py, line 5: OSError: [Errno 30] Read-only file system: "),
        ("import socket; socket.socket()", "mine.py, line 5: PermissionError: "),
    ],
)
def test_a_measure_that_goes_wrong_fails_its_trial_alone(tmp_path: Path, body: str, reason: str) -> None:
    text = EXPERIMENT.replace('return Measured({"text"', f'if trial.case["n"]: {body}\n    return Measured({{"text"', 1)
    experiment = discovery.experiment(file(tmp_path, text))
    (tmp_path / "said").write_text("words")
    with pytest.raises(TrialError) as caught:
        user_code.measured(experiment.measure, tmp_path, trial({"mode": "802.3ad", "n": 1}))
    assert caught.value.message.startswith(reason)
    after = user_code.measured(experiment.measure, tmp_path, trial({"mode": "802.3ad", "n": 0}))
    assert after.metrics["text"] == "words"


HOSTILE = """
import os, socket, sys
from pathlib import Path

print('{{"value": {{"Topology": "{{}}"}}}}')
print("\\x1b[2J")
for what in (
    lambda: Path({home!r}, "written-by-a-test").write_text("x"),
    lambda: Path(__file__).with_name("written-by-a-test").write_text("x"),
    lambda: socket.create_connection(("127.0.0.1", 9), 1),
    lambda: os.kill({pid}, 15),
):
    try:
        what()
    except OSError:
        continue
    print("DONE")
"""


def test_a_hostile_file_does_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = TOPOLOGY + HOSTILE.format(home=str(Path.home()), pid=os.getpid())
    function = discovery.topology(file(tmp_path, text))
    assert isinstance(build_topology(function, {}), Topology)
    printed = capsys.readouterr()
    assert printed.out == ""  # what it prints is no answer, and is not taken for what the command prints
    assert "Topology" in printed.err
    assert "DONE" not in printed.err
    assert "\x1b" not in printed.err
    assert not (Path.home() / "written-by-a-test").exists()
    assert os.listdir(tmp_path) == ["mine.py"]


def test_nothing_that_it_says_commands_the_terminal(tmp_path: Path) -> None:
    text = TOPOLOGY.replace("Survives little.", "Survives \x1b[2Jlittle.")
    assert "\x1b" not in discovery.survives(discovery.topology(file(tmp_path, text)))
    error = refused(lambda: discovery.topology(file(tmp_path, "raise ValueError('\\x1b[2J\\x9b')\n")))
    assert not {"\x1b", "\x9b"} & set(error.message)
    experiment = discovery.experiment(file(tmp_path, EXPERIMENT.replace('"Mine"', '"\\x1b]0;Mine"')))
    assert experiment.title == "\N{REPLACEMENT CHARACTER}]0;Mine"


def test_a_file_that_ends_the_process_ends_no_command(tmp_path: Path) -> None:
    name = file(tmp_path, "import os\nos._exit(7)\n")
    assert str(refused(lambda: discovery.topology(name))) == (
        f"{name} ended the process that reads it (exit code 7)\n"
        "Correct the file. What a file can do when it is executed: docs/concepts.md"
    )
    name = file(tmp_path, TOPOLOGY.replace("    net =", "    import os; os._exit(members)\n    net ="))
    assert "(exit code 2)" in refused(lambda: build_topology(discovery.topology(name), {})).message


def test_a_file_that_never_ends_is_ended(tmp_path: Path) -> None:
    name = file(tmp_path, "while True: pass\n")
    error = refused(lambda: user_file.topology(name, Path(name), limit_s=0.5))
    assert error.message == f"{name} took longer than 0.5 s and was ended"


@pytest.mark.parametrize(
    "answer",
    [
        "{",
        "[]",
        '{"value": 5}',
        '{"value": {"name": "x"}}',
        '{"error": "No", "message": "", "hint": ""}',
        "\\xff",
        "1" * 5000,
    ],
)
def test_a_file_that_answers_itself_is_refused(tmp_path: Path, answer: str) -> None:
    """Its process is its own; it can write what it likes where the answer goes."""
    text = (
        "import os\nfor n in os.listdir('/proc/self/fd'):\n    if n > '2':\n        try:\n"
        f"            os.write(int(n), b'{answer}\\n')\n        except OSError:\n            pass\n"
    )
    error = refused(lambda: discovery.topology(file(tmp_path, text)))
    assert "answers in the place of the testbed" in error.message


def test_an_error_that_a_file_answers_itself_is_an_error_of_the_file(tmp_path: Path) -> None:
    text = (
        "import os, sys\nfor n in os.listdir('/proc/self/fd'):\n    if n > '2':\n        try:\n"
        '            os.write(int(n), b\'{"error": "ValueError", "message": "mine", "hint": ""}\\n\')\n'
        "        except OSError:\n            pass\n"
    )
    assert refused(lambda: discovery.topology(file(tmp_path, text))).message == "mine"


def test_another_name_in_the_file(tmp_path: Path) -> None:
    name = file(tmp_path, TOPOLOGY)
    assert len(build_topology(discovery.topology(f"{name}:other"), {"members": 1}).links) == 2
    assert refused(lambda: discovery.topology(f"{name}:third")).message.startswith(f"{name} has no function third()")
    name = file(tmp_path, EXPERIMENT + "\n\ndef other():\n    return mine(name='other')\n")
    assert discovery.experiment(f"{name}:other").name == "other"


def test_an_unknown_name_is_refused_as_outside(tmp_path: Path) -> None:
    """`unknown` raises a kind of SpecError; the file is not blamed."""
    text = "from mininet.topo import Topo\n\ntopos = {'one': Topo, 'two': Topo}\n"
    error = refused(lambda: discovery.topology(f"{file(tmp_path, text)}:four"))
    assert "'four'; the known ones are: one, two" in error.message


def test_the_file_has_the_callers_current_directory_but_sees_its_own_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "data").write_text("2")
    monkeypatch.chdir(tmp_path / "b")
    text = TOPOLOGY.replace("def mine", "from pathlib import Path\nDATA = PLACE.read_text()\n\n\ndef mine")
    file(tmp_path / "a", text.replace("PLACE", "Path(__file__).with_name('data')"))
    assert discovery.topology("../a/mine.py")
    file(tmp_path / "a", text.replace("PLACE", "Path('data')"))
    error = refused(lambda: discovery.topology("../a/mine.py"))
    assert "FileNotFoundError" in error.message
    assert "docs/concepts.md" in error.hint


def test_a_symbolic_link_sees_the_directory_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    file(tmp_path / "real", TOPOLOGY)
    (tmp_path / "links" / "mine.py").symlink_to("../real/mine.py")
    assert discovery.topology(str(tmp_path / "links" / "mine.py"))


def test_packages_named_like_ours_where_the_caller_is_do_not_hide_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("testbed", "topologies", "experiments", "json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not ours')\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files").mkdir()
    assert discovery.topology(file(tmp_path / "files", TOPOLOGY))
    assert "not ours" not in str(sys.modules.keys())


@pytest.mark.slow
def test_nor_does_a_file_there_when_python_is_started_there(tmp_path: Path) -> None:
    """``python -m`` puts the current directory first: random.py ran in the place of the standard library's."""
    for name in ("topologies", "experiments"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    file(tmp_path, TOPOLOGY.replace("def mine", "def random").replace("other = mine", ""), "random.py")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    words = [sys.executable, "-m", "testbed", "run", "failover", "--topology", "random.py", "--dry-run"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "trials of failover on mine" in done.stdout
