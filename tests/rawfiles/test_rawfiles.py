"""What a hostile trial may leave: nothing outside is changed, opened or believed, and nothing lasts for ever.

Right values: openat(2) and inode(7) for kinds of files, RFC 8259 for JSON, the limits of testbed.rawfiles.limits.
"""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed import rawfiles
from testbed.errors import TrialError
from testbed.rawfiles import limits

Place = Callable[[Path], None]


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of the caller's, in a directory of the caller's."""
    path = tmp_path / "home" / "thesis.txt"
    path.parent.mkdir()
    path.write_text("a thesis")
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A trial's raw directory, with one file that it may have."""
    path = tmp_path / "run" / "raw" / "001"
    path.mkdir(parents=True)
    (path / "probe.csv").write_text("fine\n")
    return path


def snapshot(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Modes and content of everything in a directory."""
    return {
        str(path): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"") for path in directory.rglob("*")
    }


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket has at most 107 octets (unix(7))
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


#: What may stand where an ordinary file is expected, and how a message calls it.
KINDS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "link to a file": (lambda path, victim: path.symlink_to(victim), "a symbolic link"),
    "link to a directory": (lambda path, victim: path.symlink_to(victim.parent), "a symbolic link"),
    "link to nothing": (lambda path, victim: path.symlink_to(victim.parent / "new"), "a symbolic link"),
    "link to a device": (lambda path, victim: path.symlink_to("/dev/zero"), "a symbolic link"),
    "pipe": (lambda path, victim: os.mkfifo(path), "a named pipe"),
    "socket": (lambda path, victim: _socket(path), "a socket"),
    "directory": (lambda path, victim: path.mkdir(), "a directory"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_an_ordinary_file_is_read(kind: str, raw: Path, victim: Path) -> None:
    make, called = KINDS[kind]
    make(raw / "timeline.jsonl", victim)
    wanted = f"raw file timeline.jsonl is {called}; wanted an ordinary file"
    for read in (rawfiles.read, rawfiles.tail):
        with pytest.raises(TrialError) as error:
            read(raw / "timeline.jsonl")
        assert error.value.message == wanted
    assert not rawfiles.exists(raw, "timeline.jsonl")
    assert rawfiles.names(raw) == ["probe.csv"]


@pytest.mark.parametrize("kind", KINDS)
def test_writing_replaces_what_has_the_name_and_follows_nothing(kind: str, raw: Path, victim: Path) -> None:
    make, _ = KINDS[kind]
    make(raw / "files.json", victim)
    make(raw / ".files.json.part", victim)
    before = snapshot(victim.parent)
    rawfiles.write(raw / "files.json", "mine")
    assert stat.S_ISREG((raw / "files.json").lstat().st_mode)
    assert (raw / "files.json").read_text() == "mine"
    assert sorted(path.name for path in raw.iterdir()) == ["files.json", "probe.csv"]
    assert snapshot(victim.parent) == before


def test_no_directory_is_a_link_on_the_way(raw: Path, victim: Path) -> None:
    (raw / "dumps").symlink_to(victim.parent)
    with pytest.raises(TrialError), rawfiles.opened(raw, f"dumps/{victim.name}"):
        pass
    with pytest.raises(TrialError):
        rawfiles.read(raw / "dumps" / victim.name)
    with pytest.raises(OSError):
        rawfiles.write(raw / "dumps" / "new", "text")
    raw.parent.joinpath("002").symlink_to(victim.parent)
    with pytest.raises(TrialError):
        rawfiles.names(raw.parent / "002")


@pytest.mark.parametrize("name", ["../002/x", "/etc/passwd", "a/../../x", "", ".", "a//b", "x\0y"])
def test_a_name_that_leads_out_is_none(name: str, raw: Path) -> None:
    with pytest.raises(TrialError, match="is no name of a raw file"), rawfiles.opened(raw, name):
        pass


def test_a_missing_file_is_named_with_its_path(raw: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        rawfiles.read(raw / "iperf3.json")
    assert error.value.filename == str(raw / "iperf3.json")
    assert rawfiles.names(raw / "nowhere") == []


def test_a_sparse_file_is_not_read(raw: Path) -> None:
    with (raw / "probe.csv").open("r+b") as file:
        file.truncate(1 << 40)  # a terabyte, in no block
    with pytest.raises(TrialError, match=f"has more than {1 << 20} octets"):
        rawfiles.read(raw / "probe.csv", 1 << 20)
    assert rawfiles.tail(raw / "probe.csv", 16) == "\0" * 16
    assert rawfiles.excess(raw) == (
        f"its file probe.csv has {1 << 40} octets; a trial may write {limits.FILE_BYTES} into a file"
    )


def test_more_files_and_octets_than_a_trial_may_write_are_noticed_while_it_runs(
    raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rawfiles.excess(raw) == ""
    monkeypatch.setattr("testbed.rawfiles.files.ENTRIES", 20)
    monkeypatch.setattr("testbed.rawfiles.files.ALL_BYTES", 1 << 20)
    with (raw / "trial.log").open("wb") as log:  # a log that grows without end
        log.write(bytes(2 << 20))
    assert re.fullmatch(rf"its files have \d+ octets; a trial may write {1 << 20}", rawfiles.excess(raw))
    (raw / "trial.log").unlink()
    for number in range(30):
        (raw / str(number)).touch()
    assert rawfiles.excess(raw) == "it has more than 20 files"
    with pytest.raises(TrialError, match="more than 20 files"):
        rawfiles.names(raw)


def deep(directory: Path, levels: int) -> None:
    """A tree of that depth: far beyond the length of a path (PATH_MAX, 4096)."""
    handle = os.open(directory, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=handle)
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
    os.fchmod(handle, 0)
    os.close(handle)


@pytest.mark.slow
def test_a_tree_deeper_than_any_path_is_removed(raw: Path) -> None:
    deep(raw, 5000)
    assert rawfiles.excess(raw) == f"its directories are more than {limits.DEPTH} deep"
    assert rawfiles.accept(raw, {}).endswith(f"(directories more than {limits.DEPTH} deep)")
    rawfiles.remove(raw)
    assert not raw.exists()
    rawfiles.remove(raw)  # nothing to do


def test_a_wide_tree_is_cut(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.rawfiles.acceptance.ENTRIES", 50)
    for number in range(3000):
        (raw / f"{number:04d}").touch()
    assert rawfiles.accept(raw, {}).endswith("(more than 50 files) and 2948 more")
    assert len(list(raw.iterdir())) == 50


def test_removing_follows_no_link(raw: Path, victim: Path) -> None:
    (raw / "home").symlink_to(victim.parent)
    (raw / "inner").mkdir()
    (raw / "inner" / "home").symlink_to(victim.parent)
    (raw / ".removing-0").mkdir()
    before = snapshot(victim.parent)
    rawfiles.remove(raw)
    assert not raw.exists()
    assert snapshot(victim.parent) == before


GIVEN = {"trial.json": '{"number": 1}\n'}


def test_what_a_trial_may_leave_stays_as_it_is(raw: Path) -> None:
    (raw / "trial.json").write_text(GIVEN["trial.json"])
    (raw / "dumps").mkdir()
    (raw / "dumps" / "h1 eth0.pcap").write_bytes(b"\0\1")
    before = snapshot(raw)
    assert rawfiles.accept(raw, GIVEN) == ""
    assert snapshot(raw) == before
    assert rawfiles.names(raw) == ["dumps/h1 eth0.pcap", "probe.csv", "trial.json"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "directory"])
def test_what_it_may_not_is_removed_and_named(kind: str, raw: Path, victim: Path) -> None:
    make, called = KINDS[kind]
    (raw / "inner").mkdir()
    make(raw / "inner" / "x", victim)
    make(raw / "trial.json", victim)
    before = snapshot(victim.parent)
    reason = rawfiles.accept(raw, GIVEN)
    assert reason == (
        f"the trial left what was not kept: inner/x ({called}), trial.json ({called}),"
        " trial.json (it was given, and the trial changed it)"
    )
    assert rawfiles.names(raw) == ["probe.csv", "trial.json"]
    assert (raw / "trial.json").read_text() == GIVEN["trial.json"]
    assert snapshot(victim.parent) == before


def test_an_input_that_the_trial_changed_is_put_back(raw: Path) -> None:
    (raw / "trial.json").write_text('{"number": 2}\n')
    assert "trial.json (it was given" in rawfiles.accept(raw, GIVEN)
    assert (raw / "trial.json").read_text() == GIVEN["trial.json"]


def test_modes_that_would_lend_the_callers_rights_or_lock_the_caller_out_are_corrected(raw: Path) -> None:
    (raw / "shell").write_text("#!/bin/sh\n")
    (raw / "shell").chmod(0o6755)
    (raw / "secret").write_text("")
    (raw / "secret").chmod(0)
    (raw / "closed").mkdir(mode=0)
    raw.chmod(0)
    assert rawfiles.accept(raw, {}) == ""
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in raw.iterdir()}
    assert modes == {"shell": 0o755, "secret": 0o600, "closed": 0o700, "probe.csv": 0o644}
    assert stat.S_IMODE(raw.stat().st_mode) == 0o700


def test_a_second_name_of_a_file_is_removed(raw: Path) -> None:
    os.link(raw / "probe.csv", raw / "same")
    assert "probe.csv (a second name of another file)" in rawfiles.accept(raw, {})
    assert rawfiles.names(raw) == ["same"]


@pytest.mark.parametrize("name", ["a\nb", "\x1b]0;owned\x07", "‮gpj.exe", "x" * 201, os.fsdecode(b"\xff\xfe")])
def test_a_name_that_would_disturb_a_terminal_is_removed_and_shown_escaped(name: str, raw: Path) -> None:
    (raw / name).touch()
    reason = rawfiles.accept(raw, {})
    assert rawfiles.names(raw) == ["probe.csv"]
    assert reason.endswith(" (its name)")
    assert reason.isprintable()
    assert reason.isascii() or name.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, grün, 円", "plain, grün, 円"),
        ("two\nlines", "two\nlines"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("bell\x07 back\x08 tab\t del\x7f csi\x9b", "bell\\x07 back\\x08 tab\\t del\\x7f csi\\x9b"),
        ("over\rwritten", "over\\rwritten"),
        ("‮", "\\u202e"),
        ("\udcff", "\\udcff"),
    ],
)
def test_control_characters_are_shown_as_escapes(text: str, shown: str) -> None:
    assert rawfiles.printable(text) == shown


def test_a_long_text_is_cut() -> None:
    assert rawfiles.printable("x" * 1000, 10) == "xxxxxxxxxx ... (990 more characters)"


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000),
        *("NaN", "[Infinity]", "-Infinity", "1e999", "[-1e400]", "9" * 5000, "1" + "0" * 30),
        *('{"a": 1', '"abc', "", "\0", '{"a": 1} {"b": 2}'),
        b"\xff\xfe\xfd",
    ],
)
def test_what_is_not_finite_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        rawfiles.loads(text)


def test_json_is_read_as_it_is() -> None:
    text = '{"a": [1, -2.5e3, true, null, "\\u00fc"], "max": 18446744073709551615}'
    assert rawfiles.loads(text) == {"a": [1, -2500.0, True, None, "ü"], "max": 2**64 - 1}


def test_json_larger_than_a_machine_bears_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.rawfiles.text.JSON_BYTES", 10)
    with pytest.raises(ValueError, match="more than 10 octets"):
        rawfiles.loads("[1, 2, 3, 4]")
