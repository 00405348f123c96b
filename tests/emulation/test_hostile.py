"""A hostile trial in a real guest: what it leaves changes nothing outside, and it cannot fill the disk."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from testbed.backends import guest, kernel
from testbed.backends.watchdog import Watchdog
from testbed.errors import TrialError
from testbed.results import checksums, result
from tests.emulation.support import HERE, testbed


def test_what_a_hostile_trial_leaves_changes_nothing_outside(tmp_path: Path, place: Path) -> None:
    victim = tmp_path / "home" / "victim"
    victim.parent.mkdir()
    victim.write_text("a thesis")
    words = ("run", str(HERE / "hostile.py"), "--topology", "back_to_back", "--set", f"victim={victim}")
    answer = testbed(*words, "--out", str(place))
    assert answer.returncode == 1, answer.stderr
    assert "Traceback" not in answer.stderr
    assert "\x1b]" not in answer.stderr + answer.stdout and "\x07" not in answer.stderr + answer.stdout
    assert victim.read_text() == "a thesis"
    assert [path.name for path in victim.parent.iterdir()] == ["victim"]
    loaded = result.load(place)
    (record,) = loaded.records
    assert (record.status, record.metrics) == ("failed", {})
    # What is refused is sorted by name: the first three, with escapes shown as text, and how many more there are. The
    # sparse file or the deep tree may end the trial before that.
    assert (
        "the trial left what was not kept: \\x1b]0;owned\\x07\\x1b[2J (its name), .files.json.part (a symbolic link),"
        " console.log (a symbolic link) and "
    ) in record.reason
    assert record.reason.isprintable()
    raw = place / record.raw
    left = [path for path in raw.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())]
    assert left == []
    assert '"victim"' in (raw / "trial.json").read_text(), "what it was given is there again"
    assert checksums.findings(loaded) == []


def test_a_log_that_grows_without_end_ends_its_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = kernel.find()
    assert found is not None
    monkeypatch.setattr("testbed.rawfiles.files.FILE_BYTES", 1 << 20)
    endless = [sys.executable, "-c", "while True: print('x' * 65536, flush=True)"]
    with pytest.raises(TrialError) as error:
        guest.run(found, tmp_path, endless, seed=1, clock="real", watchdog=Watchdog(120.0))
    assert error.value.message.startswith("the trial was ended: its file trial.log has ")
    assert len(error.value.message) < 1000
