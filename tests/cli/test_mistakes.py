"""A user's mistake, or a machine's trouble, is one message with what to type: never a traceback."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import testbed
from testbed import __main__
from testbed.cli import base, problems
from testbed.errors import TrialError, unknown
from testbed.results import result
from testbed.spec import Topology

# Each starts the command.
pytestmark = pytest.mark.slow

PROJECT = Path(testbed.__file__).resolve().parents[1]
REFERENCE = PROJECT / "results" / "reference"


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Typed:
    """A command as a user types it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: object) -> tuple[int, str, str]:
        """Its exit code, and what it prints on standard output and standard error."""
        self._monkeypatch.setattr("sys.argv", ["testbed", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            __main__.main()
        out, err = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(monkeypatch, capsys)


#: What is typed wrongly, with the exit code and a part of the message. {x}: an empty directory; {f}: a file in it.
MISTAKES = [
    (("report", "{x}/run.json"), 2, "does not exist; wanted a run's directory"),
    (("report", "{f}"), 2, "is a file; wanted the directory of a run"),
    (("report", REFERENCE / "failover" / "run.json"), 2, "Give its directory: "),
    (("plot", "{x}"), 2, "holds no run (run.json is missing)"),
    (("compare", "{x}", "{x}"), 2, "holds no run (run.json is missing)"),
    (("export", "{f}/below"), 2, "lies below a file"),
    (("export", REFERENCE / "failover", "--csv", "{x}/no/long.csv"), 2, "Type: mkdir -p {x}/no"),
    (("export", REFERENCE / "failover", "--csv", "{x}"), 2, "{x} is a directory; wanted a file"),
    (("export", REFERENCE / "failover", "--csv", "{f}/long.csv"), 2, "{f} is a file; wanted one to write long.csv"),
    (("export", REFERENCE / "failover", "--parquet", "-"), 2, "standard output takes text only"),
    (("show", "mlag", "--svg", "{x}/no/mlag.svg"), 2, "{x}/no is no directory; wanted one to write mlag.svg into"),
    (("show", "mlag", "--svg", "{x}/" + "a" * 300), 2, "has a name that is longer than the file system allows"),
    (("show", PROJECT / "experiments" / "failover.py"), 2, "returned Experiment; wanted a Topology"),
    (("show", "mlag", "--set", "membrs=2"), 2, "Did you mean 'members'?"),
    (("run", PROJECT / "topologies" / "mlag.py", "--dry-run"), 2, "returned Topology; wanted an Experiment"),
    (("state", "{x}"), 2, "holds no run"),
    (("verify", "{f}"), 2, "is a file; wanted the directory of a run"),
    (("list", "failovr"), 2, "Did you mean 'failover'?"),
    (("kernel", "unpack", "{x}/none"), 2, "none"),
    (("list", ""), 2, "argument 2 is empty; wanted a name, a path or a number"),
    (("show", " "), 2, "argument 2 is empty"),
    (("run", "failover", "--out", ""), 2, "the value of --out is empty"),
    (("run", "failover", "--topology="), 2, "the value of --topology is empty"),
    (("run", "failover", "--out", "{f}"), 2, "{f} holds something else; a result is never overwritten"),
    (("audit", "mlag", "--out", "{f}"), 2, "{f} holds something else; a result is never overwritten"),
    (("audit", "firewall_pair"), 2, "let h2, which is outside, begin nothing\nGive other levels with --set, or audit"),
    (("audit", "mlag", "--set", "element=s9", "--dry-run"), 2, "unknown element of topology 'mlag': 's9'"),
    (("audit", "balancer_pair", "--set", "probe_interval_ms=1"), 2, "2000 may wait at a time; wanted 900 or fewer"),
    (("show", "service", "--set", "ip=6"), 2, "It is an argument of back_to_back, "),
    (("run", "sites", "--set", "ip=6"), 2, "Type: --set ip=4, or take a topology that has it: back_to_back, "),
    (
        ("show", "two_lines", "--set", "vrrp_advert_ms=100"),
        2,
        "argument of balancer_pair, firewall_pair, gateway_pair and",
    ),
    (("list", "vrp_advert_ms"), 2, "Did you mean 'vrrp_advert_ms'?"),
    (("show", "mlag", "--set", "members=0"), 2, "members=0: bond 'bond0' has no member; wanted one interface or more"),
    (("show", "mlag", "--set", "members=0", "--set", "mode=802.3ad"), 2, "testbed: members=0: bond"),
    (("run", "failover", "--set", "members=0"), 2, "members=0: bond 'bond0' has no member"),
    (("export", REFERENCE / "failover", "{x}/no/long.csv"), 2, "Type: mkdir -p {x}/no"),
    (("export", REFERENCE / "failover", "{x}/a.csv", "--csv", "{x}/b.csv"), 2, "two files for one table"),
]


@pytest.mark.parametrize(("words", "code", "part"), MISTAKES, ids=lambda value: str(value)[-40:])
def test_a_mistake_is_one_message(
    typed: Typed, tmp_path: Path, words: tuple[object, ...], code: int, part: str
) -> None:
    (tmp_path / "file").write_text("no run")
    places = {"x": str(tmp_path), "f": str(tmp_path / "file")}
    found, out, err = typed(*(str(word).format(**places) for word in words))
    assert found == code, err
    assert part.format(**places) in err
    assert "Traceback" not in err and out == ""


def test_a_place_in_use_is_refused_before_anything_is_planned(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes").write_text("mine")
    monkeypatch.setattr("testbed.run.prepare.prepare", lambda *_, **__: pytest.fail("it was planned"))
    for words in (("run", "failover"), ("audit", "mlag")):
        code, _, err = typed(*words, "--out", tmp_path)
        assert code == 2 and f"{tmp_path} holds something else" in err


@pytest.mark.parametrize(("name", "first"), [("long.csv", b"experiment,"), ("long.parquet", b"PAR1")])
def test_a_table_goes_to_the_file_that_is_named(typed: Typed, tmp_path: Path, name: str, first: bytes) -> None:
    """Parquet files begin with PAR1 (Apache Parquet, file format)."""
    code, out, _ = typed("export", REFERENCE / "no_monitor", tmp_path / name)
    assert (code, out) == (0, f"{tmp_path / name}\n")
    assert (tmp_path / name).read_bytes().startswith(first)


#: Two switches at the end of one LAG, and one host alone: what `run` refuses, and why.
REFUSED = {
    "two_ends": """
from testbed.spec.wiring import Wiring


def two_ends():
    net = Wiring()
    s1, s2, s3 = net.switches(3)
    net.bonded("h1", [s3, s3])
    net.bonded("h2", [s1, s2], system="west")
    net.join(s1, s2)
    net.trunk([net.link(s1, s3), net.link(s2, s3)], ("west", "s3"), "core")
    return net.topology("two_ends")
""",
    "lone": """
from testbed.spec.wiring import Wiring


def lone():
    net = Wiring()
    net.bonded("h1", net.switches(1) * 2)
    return net.topology("lone")
""",
}


@pytest.mark.parametrize("name", REFUSED)
def test_show_draws_what_run_refuses_and_says_so(typed: Typed, tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{name}.py"
    file.write_text(f'"""A network."""{REFUSED[name]}')
    code, _, refusal = typed("run", "failover", "--topology", file, "--set", "mode=802.3ad", "--dry-run")
    assert code == 2
    reason = refusal.splitlines()[0].removeprefix("testbed: ")
    code, out, err = typed("show", file)
    assert code == 0 and "h1" in out and err.startswith(f"testbed run refuses this network: {reason}\n")
    code, out, _ = typed("show", file, "--json")
    assert code == 0 and Topology.from_json(out).name == name


@pytest.mark.parametrize("name", ["mlag", "single_switch", "back_to_back", "unprotected"])
def test_show_says_nothing_of_what_run_takes(typed: Typed, name: str) -> None:
    assert typed("show", name)[::2] == (0, "")


def prepared_run(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The words of a run that needs no guest to be prepared."""

    class Backend:
        name = "none"

        def run(self, *_: object) -> None:
            raise TrialError("nothing was run")

    monkeypatch.setattr("testbed.run.prepare.choose_backend", lambda *_: Backend())
    return ("run", "hashing", "--quick", "--set", "xmit_hash_policy=layer2")


@pytest.mark.parametrize(
    ("place", "code", "part"),
    [
        ("{f}/run", 2, "{f}/run lies below a file, not in a directory"),
        ("/proc/run", 2, "no directory can be made at /proc/run"),
        ("{x}/" + "a" * 300, 2, "has a name that is longer than the file system allows"),
        ("{f}", 2, "{f} holds something else; a result is never overwritten"),
        ("/sys/run", 3, "/sys/run: "),
    ],
)
def test_a_place_where_no_run_can_be(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, code: int, part: str
) -> None:
    (tmp_path / "file").write_text("no run")
    places = {"x": str(tmp_path), "f": str(tmp_path / "file")}
    found, _, err = typed(*prepared_run(monkeypatch), "--out", place.format(**places))
    assert found == code, err
    assert part.format(**places) in err and "Traceback" not in err
    assert (tmp_path / "file").read_text() == "no run"


#: How open(2), mkdir(2) and write(2) fail, with the exit code: 2 for a path that is wrong, 3 for the machine.
SYSTEM = {
    errno.ENOENT: 2,
    errno.ENOTDIR: 2,
    errno.EISDIR: 2,
    errno.ENAMETOOLONG: 2,
    errno.ELOOP: 2,
    errno.EACCES: 3,
    errno.EPERM: 3,
    errno.EROFS: 3,
    errno.ENOSPC: 3,
    errno.EDQUOT: 3,
    errno.EFBIG: 3,
    errno.EMFILE: 3,
    errno.ENFILE: 3,
    errno.EIO: 3,
}


@pytest.mark.parametrize("number", SYSTEM, ids=lambda number: errno.errorcode[number])
def test_what_the_system_refuses_is_named_with_its_path(tmp_path: Path, number: int) -> None:
    path = str(tmp_path / "file")
    found = problems.explained(OSError(number, os.strerror(number), path))
    assert found is not None and found.exit_code == SYSTEM[number]
    assert path in found.message and found.hint


def test_a_defect_of_ours_stays_a_defect(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems.explained(KeyError("h1-eth29")) is None
    assert problems.explained(OSError(errno.EBADF, "Bad file descriptor")) is None
    monkeypatch.setattr("testbed.backends.machine.abilities", lambda: {}["abilities"])
    code, _, err = typed("check")
    assert code == 1
    assert "Traceback" in err and "KeyError: 'abilities'" in err
    assert "This is a defect of the testbed. Please report it" in err
    assert f"testbed {testbed.__version__}" in err and err.rstrip().endswith(": testbed check")


@pytest.mark.parametrize(
    ("start", "file", "shown"),
    [
        ("/somewhere/.venv/bin/testbed", None, "/somewhere/.venv/bin/testbed"),
        ("{here}/.venv/bin/testbed", None, ".venv/bin/testbed"),
        ("{here}/bin/testbed", "bin/testbed", "testbed"),
        ("{here}/a b/testbed", None, "'a b/testbed'"),
    ],
)
def test_a_command_in_a_hint_is_as_one_types_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str, file: str | None, shown: str
) -> None:
    """In a directory of the search path the name is enough."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    if file is not None:
        (tmp_path / file).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("sys.argv", [start.format(here=tmp_path)])
    hint = "Type: testbed kernel build, or testbed list. The testbed needs one, and the testbed is there."
    wanted = f"Type: {shown} kernel build, or {shown} list. The testbed needs one, and the testbed is there."
    assert base.typed(hint) == wanted


def test_a_module_is_started_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/elsewhere/testbed/__main__.py", "list"])
    monkeypatch.setattr("sys.orig_argv", [".venv/bin/python", "-m", "testbed", "list"])
    assert base.typed("Type: testbed list") == "Type: .venv/bin/python -m testbed list"


@pytest.mark.parametrize(
    ("found", "known", "meant"),
    [
        ("lacp", ("802.3ad", "active-backup"), "'802.3ad'"),
        ("ryu", ("none", "ovs", "ryu-example", "static", "testbed"), "'ryu-example' or 'testbed'"),
        ("membrs", ("members", "min_links"), "'members'"),
        ("round-robin", ("balance-rr", "802.3ad"), "'balance-rr'"),
        ("Active-Backup", ("active-backup", "802.3ad"), "'active-backup'"),
        ("bw", ("rate_mbps", "members"), "'rate_mbps'"),
        ("miimon", ("miimon_ms", "mode"), "'miimon_ms'"),
        ("hash", ("xmit_hash_policy", "mode"), "'xmit_hash_policy'"),
        ("zzz", ("members", "mode"), None),
    ],
)
def test_what_may_have_been_meant(found: str, known: tuple[str, ...], meant: str | None) -> None:
    assert unknown("name", found, known).hint == (f"Did you mean {meant}?" if meant else "")


def test_what_was_meant_comes_before_the_list(typed: Typed) -> None:
    code, _, err = typed("show", "mlag", "--set", "membrs=2")
    message, meant, known = err.splitlines()
    assert (code, message) == (2, "testbed: unknown argument of the topology: 'membrs'")
    assert meant == "Did you mean 'members'?"
    assert known.startswith("The known ones are: ") and ", members, " in known


def test_a_full_disk_during_a_run_keeps_what_is_written(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RLIMIT_FSIZE stands for the disk: after the first record the file of the records may not grow."""
    place, limits, append = tmp_path / "run", resource.getrlimit(resource.RLIMIT_FSIZE), result.append_trial

    def then_full(run: Path, record: result.Record) -> None:
        append(run, record)
        resource.setrlimit(resource.RLIMIT_FSIZE, ((run / "trials.jsonl").stat().st_size + 10, limits[1]))

    monkeypatch.setattr("testbed.run.execute.append_trial", then_full)
    words = prepared_run(monkeypatch)
    try:
        code, _, err = typed(*words, "--repetitions", 3, "--jobs", 1, "--out", place)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 3, err
    assert "Type: ulimit -f unlimited" in err and "Traceback" not in err
    assert f"The finished trials are kept. To go on, type: testbed {' '.join(words)}" in err
    assert f"--resume --out {place}" in err
    assert len(result.load(place).records) == 1


def test_a_trial_that_fails_on_a_full_disk_is_no_failed_trial(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every trial of the run would be recorded as failed."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("testbed.run.execute.tempfile.TemporaryFile", full)
    place = tmp_path / "run"
    code, _, err = typed(*prepared_run(monkeypatch), "--jobs", 1, "--out", place)
    assert code == 3 and "no space is left on its file system" in err
    assert result.load(place).records == ()


@pytest.mark.parametrize(
    ("words", "first", "then"),
    [
        (("run", "lacp_timers", "--quick", "--set"), "lacp_rate=fast", "lacp_rate=slow"),
        (("audit", "mlag", "--set"), "element=s1", "element=s2"),
    ],
    ids=["run", "audit"],
)
def test_what_cannot_be_resumed_is_not_announced(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], first: str, then: str
) -> None:
    prepared_run(monkeypatch)
    more = ("--jobs", 1, "--out", tmp_path / "run")
    _, out, err = typed(*words, first, *more)
    assert " of the trials' clocks in all" in out + err
    code, out, err = typed(*words, then, *more, "--resume")
    assert code == 2 and "holds a run with other factors" in err
    assert " of the trials' clocks in all" not in out + err
