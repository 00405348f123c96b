"""The testbed installed as a wheel does, and started in a directory whose folders have our packages' names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.backends.runtime import contents
from testbed.run.provenance import code_digest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel puts into site-packages."""
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name in ("testbed", "topologies", "experiments"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(site)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return site


def typed(site: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """``python -m testbed WORDS``, with the testbed in ``site``."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "testbed", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def test_nothing_but_the_testbed_is_at_the_top(site: Path) -> None:
    assert [path.name for path in site.iterdir()] == ["testbed"]


def test_it_has_the_files_of_a_checkout_and_their_digest(site: Path) -> None:
    """So that an installed testbed gives the same bytes: a trial sees the same files at the same places."""
    installed, checkout = contents.code_files(site), contents.code_files(ROOT)
    assert [name for name, _ in installed] == [name for name, _ in checkout]
    assert code_digest(site) == code_digest(ROOT)


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A directory with a user's own packages of our packages' names."""
    for name in ("topologies", "experiments"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the one of the user')")
    return tmp_path


@pytest.mark.parametrize("installed", [True, False])
def test_a_users_folders_are_not_taken_for_ours(site: Path, crowded: Path, installed: bool) -> None:
    answer = typed(site if installed else ROOT, "run", "failover", "--topology", "mlag", "--dry-run", cwd=crowded)
    assert answer.returncode == 0, answer.stderr
    assert "trials of failover on mlag" in answer.stdout


def test_it_has_the_default_failure_rates(site: Path, tmp_path: Path) -> None:
    answer = typed(site, "availability", "unprotected", "--json", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr


def test_reproduce_says_what_it_lacks_before_it_runs_anything(site: Path, tmp_path: Path) -> None:
    for words in (("failover",), ("failover", "--keep")):
        answer = typed(site, "reproduce", *words, cwd=tmp_path)
        assert answer.returncode == 2, answer.stderr
        assert "in a checkout of the repository only" in answer.stderr
        assert answer.stdout == "" and list(tmp_path.iterdir()) == []
