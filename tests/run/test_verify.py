"""Which trials of a run are carried out again, and which cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
import synthetic

from testbed.errors import SpecError
from testbed.results import checksums
from testbed.results.result import Run
from testbed.run import verify


def kept(path: Path, trials: int = 20, **more: object) -> Run:
    """A run whose trials have their input."""
    records = [synthetic.record(n, "failover", {"mode": "802.3ad"}, {}, repetition=n) for n in range(1, trials + 1)]
    manifest = synthetic.manifest("failover", {"mode": ["802.3ad"]}, [], repetitions=trials, **more)
    run = synthetic.write(path, manifest, records)
    for record in records:
        (path / record.raw).mkdir(parents=True)
        (path / record.raw / "trial.json").write_text("{}\n")
        checksums.write(path / record.raw)
    return run


def numbers(run: Run, count: int | None) -> list[int]:
    return [record.number for record in verify.chosen(run, count)]


def test_the_sample_is_drawn_by_the_seed(tmp_path: Path) -> None:
    runs = [kept(tmp_path / str(seed), seed=seed) for seed in range(5)]
    samples = [numbers(run, 4) for run in runs]
    assert samples == [numbers(run, 4) for run in runs]
    assert all(len(set(sample)) == 4 and sample == sorted(sample) for sample in samples)
    assert len({tuple(sample) for sample in samples}) > 1
    assert numbers(runs[0], None) == numbers(runs[0], 99) == list(range(1, 21))


def test_without_raw_files_there_is_nothing_to_compare(tmp_path: Path) -> None:
    run = synthetic.failover(tmp_path / "run", repetitions=2)
    with pytest.raises(SpecError, match=r"has no raw/001/trial\.json: it keeps no raw files") as error:
        verify.chosen(run, None)
    assert "testbed reproduce" in error.value.hint


def test_in_real_time_nothing_repeats(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="only in virtual time does one seed give the same bytes"):
        verify.chosen(kept(tmp_path / "run", clock="real"), None)


def test_an_input_that_was_changed_is_refused(tmp_path: Path) -> None:
    run = kept(tmp_path / "run", trials=2)
    (run.path / "raw/002/trial.json").write_text('{"seed": 5}\n')
    with pytest.raises(SpecError, match=r"raw/002/trial\.json was changed after the trial"):
        verify.chosen(run, None)
