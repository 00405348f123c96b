"""The digest of the code in run.json: it changes with what carries out trials, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.run.provenance import code_digest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("testbed/lab/lab.py", "testbed/figures/style.py", "topologies/mlag.py", "experiments/mine.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    return tmp_path


@pytest.mark.parametrize("name", ["testbed/lab/lab.py", "topologies/mlag.py", "experiments/mine.py"])
def test_what_carries_out_a_trial_counts(project: Path, name: str) -> None:
    before = code_digest(project)
    (project / name).write_text("# changed\n")
    assert code_digest(project) != before


@pytest.mark.parametrize("name", ["testbed/figures/style.py", "README.md", "testbed/emulation/__pycache__/lab.pyc"])
def test_what_only_reads_results_does_not(project: Path, name: str) -> None:
    before = code_digest(project)
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text("# changed\n")
    assert code_digest(project) == before


def test_a_file_that_moves_counts(project: Path) -> None:
    before = code_digest(project)
    (project / "experiments" / "mine.py").rename(project / "experiments" / "yours.py")
    assert code_digest(project) != before
