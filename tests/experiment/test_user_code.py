"""A mistake in an experiment or topology file is reported with its file, its line, what was wanted and what to type."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.cli import main
from testbed.errors import SpecError, TrialError
from testbed.experiment import discovery, user_code
from testbed.experiment.plan import build_from_settings, build_topology, factor_levels, list_cases, topology_defaults
from testbed.run import prepare

#: Each reads a user's file in a process of its own.
pytestmark = pytest.mark.slow

NET = '''"""A network.

     h1 == s1 == h2

Survives little.
"""
from testbed.spec.wiring import Wiring


def network(members=2):
    net = Wiring()
    (switch,) = net.switches(1)
    for host in ("h1", "h2"):
        net.bonded(host, [switch] * members)
    return net.topology("mine")


'''
EXPERIMENT = """from testbed.experiment import Experiment, Factor, Measured


def procedure(lab):
    pass


def measure(raw, trial):
    return Measured({})


def check(case, topology):
    return None


def mine(**more):
    values = dict(
        name="mine", title="Mine", question="Does it work?", topology="single_switch", procedure=procedure,
        measure=measure, factors=(Factor("mode", ("802.3ad",), "mode"),), figures=(), not_applicable=check,
    )
    return Experiment(**{**values, **more})
"""


def file(tmp_path: Path, text: str, name: str = "mine.py") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def line_of(text: str, part: str) -> int:
    """The number of the only line of a file's text that has this part."""
    (found,) = [number for number, line in enumerate(text.splitlines(), 1) if part in line]
    return found


def refused(work: Callable[[], object]) -> SpecError:
    with pytest.raises(SpecError) as caught:
        work()
    return caught.value


def show(path: Path) -> object:
    return build_topology(discovery.topology(str(path)), {})


@pytest.mark.parametrize(
    ("text", "line", "error_text"),
    [
        ("def mine(:\n    pass\n", 1, "SyntaxError: invalid syntax"),
        ("x = 1\n\nimport nowhere_to_be_found\n", 3, "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("from testbed.spec import Nothing\n", 1, "ImportError: cannot import name 'Nothing' from 'testbed.spec'"),
        ("def mine():\n    return net\n", 2, "NameError: name 'net' is not defined"),
        ("import sys\n\nsys.exit(7)\n", 3, "SystemExit: 7"),
        ("import sys\n\n\ndef mine():\n    sys.exit()\n", 5, "SystemExit"),
        ("def mine():\n    raise ValueError('first\\n  second')\n", 2, "ValueError: first second"),
        ("import json\n\n\ndef mine():\n    return json.loads('{')\n", 5, "JSONDecodeError: Expecting property name"),
    ],
    ids=["syntax", "module", "name of a module", "name", "exit", "exit in the function", "two lines", "below"],
)
@pytest.mark.parametrize("kind", ["topology", "experiment"])
def test_an_exception_is_reported_with_file_and_line(
    tmp_path: Path, kind: str, text: str, line: int, error_text: str
) -> None:
    path = file(tmp_path, text)
    work, wanted, command = {
        "topology": (lambda: show(path), "a Topology", f"testbed show {path}"),
        "experiment": (lambda: discovery.experiment(str(path)), "an Experiment", f"testbed run {path} --dry-run"),
    }[kind]
    error = refused(work)
    assert error.message.startswith(f"{path}, line {line}: {error_text}")
    assert "\n" not in error.message
    assert error.hint == f"Wanted: a file that gives {wanted}. Correct the file, then type: {command}"


def test_the_line_is_the_innermost_one_in_the_users_file(tmp_path: Path) -> None:
    text = (
        NET
        + "def helper(members):\n    return 1 // (members - 2)\n\n\ndef mine(members=2):\n    return helper(members)\n"
    )
    error = refused(lambda: show(file(tmp_path, text)))
    assert f"line {line_of(text, '1 // (members - 2)')}: ZeroDivisionError: " in error.message


def test_a_missing_argument_is_reported_at_the_function(tmp_path: Path) -> None:
    text = NET + "def mine(*, members):\n    return network(members)\n"
    path = file(tmp_path, text)
    error = refused(lambda: show(path))
    begins = f"{path}, line {line_of(text, 'def mine')}: TypeError: mine() missing 1 required keyword-only argument"
    assert error.message == f"{begins}: 'members'"
    # A factor of that name gives it its level.
    assert len(build_topology(discovery.topology(str(path)), {"members": 3}).links) == 6


@pytest.mark.parametrize(
    ("value", "error_text"),
    [
        ("None", "returned None; wanted a Topology"),
        ("['h1', 'h2']", "returned list; wanted a Topology"),
        ("Wiring().topology('mine')", "returned a topology without hosts; wanted one or more"),
    ],
)
def test_another_result_than_a_topology_is_refused(tmp_path: Path, value: str, error_text: str) -> None:
    text = NET + f"def mine():\n    return {value}\n"
    path = file(tmp_path, text)
    error = refused(lambda: show(path))
    assert error.message == f"{path}, line {line_of(text, 'def mine')}: mine() {error_text}"
    assert error.hint == f"Correct the file, then type: testbed show {path}"


def test_another_result_than_an_experiment_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path, "def mine():\n    pass\n")
    error = refused(lambda: discovery.experiment(str(path)))
    assert error.message == f"{path}, line 1: mine() returned None; wanted an Experiment"
    assert error.hint == f"Correct the file, then type: testbed run {path} --dry-run"


def test_a_file_of_the_other_kind_says_how_to_use_it(tmp_path: Path) -> None:
    path = file(tmp_path, EXPERIMENT)
    error = refused(lambda: show(path))
    assert error.message.endswith("mine() returned Experiment; wanted a Topology")
    assert error.hint == f"To run it, type: testbed run {path}"
    path = file(tmp_path, NET + "mine = network\n")
    error = refused(lambda: discovery.experiment(str(path)))
    assert error.message.endswith("network() returned Topology; wanted an Experiment")
    assert error.hint == f"To run an experiment on it, type: testbed run failover --topology {path}"


def test_a_path_with_a_space_is_typed_in_quotes(tmp_path: Path) -> None:
    (tmp_path / "my nets").mkdir()
    path = file(tmp_path / "my nets", "def mine():\n    pass\n")
    assert refused(lambda: show(path)).hint == f"Correct the file, then type: testbed show '{path}'"


def test_paths_are_shown_relative_to_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file(tmp_path, "def mine():\n    pass\n")
    monkeypatch.chdir(tmp_path)
    assert refused(lambda: show(Path("./mine.py"))).message.startswith("mine.py, line 1: mine() returned None")


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("mine.py", "def yours():\n    pass\n", "Add to the file: def mine(): ..."),
        (
            "my-net.py",
            "x = 1\n",
            "Rename the file: no function can have the name my-net. Or name the function that is meant: PATH:NAME",
        ),
        (
            "mine.py",
            "from mininet.topo import Topo\n\n\nclass Campus(Topo):\n    pass\n",
            "Add to the file: topos = {'mine': Campus}. Or type: testbed show PATH:Campus",
        ),
    ],
)
def test_a_file_without_its_function_says_what_to_add(tmp_path: Path, name: str, text: str, hint: str) -> None:
    path = file(tmp_path, text, name)
    error = refused(lambda: discovery.topology(str(path)))
    wanted = "wanted one that returns a Topology, or topos as mn --custom takes them"
    assert error.message == f"{path} has no function {path.stem}(); {wanted}"
    assert error.hint == hint.replace("PATH", str(path))


def test_a_mistake_in_a_mininet_class_is_reported_with_its_line(tmp_path: Path) -> None:
    text = (
        "from mininet.topo import Topo\n\n\nclass Campus(Topo):\n    def __init__(self):\n"
        "        Topo.__init__(self)\n        net.addHost('h1')\n\n\ntopos = {'campus': lambda: Campus()}\n"
    )
    path = file(tmp_path, text)
    assert refused(lambda: show(path)).message == f"{path}, line 7: NameError: name 'net' is not defined"


def test_topos_that_are_no_dictionary_are_refused(tmp_path: Path) -> None:
    path = file(tmp_path, "topos = ['campus']\n")
    error = refused(lambda: discovery.topology(str(path)))
    assert error.message == f"topos of {path} is list; wanted a dictionary of names and classes"
    assert error.hint == "For example: topos = {'mine': MyTopo}"


def test_a_default_without_a_type_cannot_be_set_from_text(tmp_path: Path) -> None:
    path = file(tmp_path, NET + "def mine(members=None):\n    return network(members or 2)\n")
    function = discovery.topology(str(path))
    assert len(build_from_settings(function, {}).links) == 4
    error = refused(lambda: build_from_settings(function, {"members": "3"}))
    assert error.message.startswith("--set members=3: members has no default that is a number, a word, true or false")
    assert error.hint == "Give it such a default in the file, for example members=2"


def test_further_arguments_are_no_factors(tmp_path: Path) -> None:
    path = file(tmp_path, NET + "def mine(members=3, *args, **more):\n    return network(members)\n")
    function = discovery.topology(str(path))
    assert topology_defaults(function) == {"members": 3}
    assert len(build_topology(function, {"members": 4, "more": 1}).links) == 8


def test_a_file_named_like_a_module_does_not_replace_it(tmp_path: Path) -> None:
    import random

    show(file(tmp_path, NET + "random = network\n", "random.py"))
    assert sys.modules["random"] is random


def test_a_file_may_import_the_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_mine.py").write_text("MEMBERS = 3\n")
    path = file(tmp_path, "from beside_mine import MEMBERS\n" + NET + "def mine():\n    return network(MEMBERS)\n")
    assert len(build_topology(discovery.topology(str(path)), {}).links) == 6


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    found = []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        text = NET.replace("h1 == s1", f"{place} == s1") + "mine = network\n"
        found.append(discovery.topology(str(file(tmp_path / place, text))))
    assert ["a == s1" in discovery.drawing(each) for each in found] == [True, False]


def test_a_partial_is_a_topology_function(tmp_path: Path) -> None:
    text = NET + "import functools\n\nmine = functools.partial(network, members=3)\n"
    function = discovery.topology(str(file(tmp_path, text)))
    assert len(build_topology(function, {}).links) == 6
    assert discovery.survives(function) == "Survives little."


@pytest.mark.parametrize(
    ("body", "error_text"),
    [
        ("return case['fault'] == 'none'", "KeyError: 'fault'"),
        ("return True", "check() returned bool; wanted the reason as text, or None for a case that applies"),
    ],
)
def test_a_check_of_cases_that_fails_is_refused(tmp_path: Path, body: str, error_text: str) -> None:
    text = EXPERIMENT.replace("    return None", f"    {body}")
    path = file(tmp_path, text)
    experiment, topology = discovery.experiment(str(path)), discovery.topology("single_switch")
    error = refused(lambda: list_cases(experiment, topology, factor_levels(experiment, topology, {}, quick=False)))
    line = line_of(text, "case['fault']" if "case" in body else "def check")
    assert error.message == f"{path}, line {line}: {error_text}"


@pytest.mark.parametrize(
    ("read", "error_text"),
    [
        ("read=int", "level 'two' of factor 'mode' cannot be read: invalid literal for int() with base 10: 'two'"),
        ("read=lambda text: text.number", "PATH, line LINE: AttributeError: 'str' object has no attribute 'number'"),
    ],
)
def test_a_level_that_cannot_be_read_is_refused(tmp_path: Path, read: str, error_text: str) -> None:
    path = file(tmp_path, EXPERIMENT.replace('("802.3ad",), "mode"', f'("802.3ad",), "mode", {read}'))
    experiment, topology = discovery.experiment(str(path)), discovery.topology("single_switch")
    error = refused(lambda: factor_levels(experiment, topology, {"mode": "two"}, quick=False))
    line = line_of(path.read_text(), "text.number") if "LINE" in error_text else 0
    assert error.message == error_text.replace("PATH", str(path)).replace("LINE", str(line))


def test_a_factor_without_levels_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path, EXPERIMENT.replace('("802.3ad",)', "()"))
    assert str(refused(lambda: discovery.experiment(str(path)))) == (
        "factor 'mode' has no levels; wanted one or more\nFor example: levels=(1, 2)"
    )


def test_an_unknown_figure_is_refused_before_the_first_trial(tmp_path: Path) -> None:
    path = file(tmp_path, EXPERIMENT.replace("figures=()", 'figures=("outage", "outige")'))
    request = prepare.Request(str(path), None, {}, None, 1, False, "auto", "virtual")
    error = refused(lambda: prepare.prepare(request, []))
    assert error.message.startswith("unknown figure 'outige'; the known ones are: ")
    assert error.hint == "Did you mean 'outage'?"


def test_an_error_of_the_testbed_keeps_its_text(tmp_path: Path) -> None:
    path = file(tmp_path, NET + "def mine():\n    return network(0)\n")
    assert str(path) not in refused(lambda: show(path)).message


def test_in_a_trial_the_error_is_the_trials(tmp_path: Path) -> None:
    experiment = discovery.load_experiment(str(file(tmp_path, EXPERIMENT)))
    with pytest.raises(TrialError, match="no host h9"), user_code.calling_in_trial(experiment.measure):
        raise SpecError("no host h9")
    with pytest.raises(TrialError) as caught, user_code.calling_in_trial(experiment.measure):
        experiment.measure()  # type: ignore[call-arg]
    line = line_of(EXPERIMENT, "def measure")
    missing = "TypeError: measure() missing 2 required positional arguments: 'raw' and 'trial'"
    assert caught.value.message == f"mine.py, line {line}: {missing}"  # no directory: it may be anywhere


def test_an_interruption_passes(tmp_path: Path) -> None:
    path = file(tmp_path, "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        discovery.load_topology(str(path))


@pytest.mark.parametrize(
    ("words", "error_text"),
    [
        (("show", "experiments/failover.py"), "failover() returned Experiment; wanted a Topology\nTo run it, type: "),
        (("run", "topologies/mlag.py"), "mlag() returned Topology; wanted an Experiment\nTo run an experiment on it"),
    ],
)
def test_the_command_prints_a_message_and_no_traceback(
    words: tuple[str, ...], error_text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Path(__file__).resolve().parents[2]
    verb, name = words
    monkeypatch.setattr(sys, "argv", ["testbed", verb, str(project / name)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"testbed: {name}, line ") and error_text in shown
    assert "Traceback" not in shown
