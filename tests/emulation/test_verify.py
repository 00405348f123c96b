"""testbed verify: a run is the same when it is carried out again, and a changed byte is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from testbed.results.result import Run
from tests.emulation.support import testbed


def test_a_run_is_verified_and_a_changed_byte_is_named(lone_failover: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(lone_failover.path, copy)
    answer = testbed("verify", str(copy), "--trials", "all")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "verified: 2 of 2 trials are the same byte for byte (1 2)" in answer.stdout

    timeline = copy / "raw/001/timeline.jsonl"
    texts = timeline.read_text().splitlines(keepends=True)
    number = next(at for at, text in enumerate(texts, 1) if json.loads(text)["event"] == "begin")
    timeline.write_text("".join([*texts[: number - 1], texts[number - 1].replace("begin", "begun"), *texts[number:]]))
    answer = testbed("verify", str(copy), "--trials", "all")
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "trial 1 differs in timeline.jsonl (other bytes)" in answer.stdout
    assert f"timeline.jsonl line {number} " in answer.stdout and '"begun"' in answer.stdout
    assert "last common event:" in answer.stdout
    assert "verified: 1 of 2 trials are the same byte for byte (1 2)" in answer.stdout


def test_a_new_run_is_verified_at_once(tmp_path: Path) -> None:
    words = ("--repetitions", "1", "--seed", "7", "--set", "mode=802.3ad", "--verify", "1")
    answer = testbed("run", "failover", *words, "--out", str(tmp_path / "run"))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "verified: 1 of 1 trials are the same byte for byte (1)" in answer.stdout
