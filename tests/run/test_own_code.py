"""A user's own experiment: what is kept of it, and what it may import."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from testbed.backends.environment import PROJECT
from testbed.errors import SpecError
from testbed.run import own_code

#: Ours, and a benchmark that is one.
EXPERIMENTS = [*sorted((PROJECT / "experiments").glob("*.py")), PROJECT / "benchmarks" / "leaf_spine.py"]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """An experiment file with a module beside it, and other files."""
    directory = tmp_path / "my experiments"
    directory.mkdir()
    (directory / "mine.py").write_text("import numpy\nimport json\nfrom testbed.experiment import Experiment\n")
    (directory / "helper.py").write_text("import yaml\n")
    (directory / "notes.txt").write_text("notes")
    return directory / "mine.py"


def test_the_python_files_of_its_directory_are_kept_with_their_digests(mine: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    own_code.keep(str(mine), "single_switch", run)
    kept = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (run / "user_code").iterdir()}
    assert set(kept) == {"mine.py", "helper.py"}
    assert own_code.digests(str(mine)) == kept


def test_the_files_of_a_topology_are_kept_apart(mine: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    own_code.keep("failover", f"{mine}:other", run)
    kept = own_code.topology_digests(f"{mine}:other")
    assert kept == {"mine.py": hashlib.sha256(mine.read_bytes()).hexdigest()}  # it imports no other
    assert {path.name for path in (run / "user_topology").iterdir()} == kept.keys()
    assert not (run / "user_code").exists()


def test_an_experiment_of_ours_keeps_nothing(tmp_path: Path) -> None:
    own_code.keep("failover", "single_switch", tmp_path)
    assert own_code.digests("failover") is None
    assert list(tmp_path.iterdir()) == []


def test_what_the_image_has_may_be_imported(mine: Path) -> None:
    own_code.check_imports(str(mine), ())


def test_a_missing_package_is_named_with_what_to_write(mine: Path) -> None:
    mine.write_text("import json\n\nif json:\n    from scipy import stats\n")
    with pytest.raises(SpecError) as error:
        own_code.check_imports(str(mine), ())
    assert error.value.message.endswith(
        "mine.py, line 4: imports scipy, which is not among the packages that a trial sees"
    )
    assert error.value.hint.startswith("Add to the Experiment: packages=('scipy',).")
    own_code.check_imports(str(mine), ("scipy",))


def test_the_name_to_write_is_that_of_the_distribution(mine: Path) -> None:
    mine.write_text("import PIL\n")
    with pytest.raises(SpecError) as error:
        own_code.check_imports(str(mine), ())
    assert "packages=('pillow',)" in error.value.hint


def test_a_module_beside_the_file_is_followed(mine: Path) -> None:
    mine.write_text("import helper\n")
    own_code.check_imports(str(mine), ())
    (mine.parent / "helper.py").write_text("import mine\nimport matplotlib.pyplot\n")
    with pytest.raises(SpecError, match=r"helper.py, line 2: imports matplotlib\.pyplot"):
        own_code.check_imports(str(mine), ())


@pytest.mark.parametrize(
    "text",
    [
        "def measure(raw, trial):\n    import scipy\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import scipy\n",
        "try:\n    import scipy\nexcept ImportError:\n    scipy = None\n",
    ],
)
def test_what_is_not_imported_when_the_file_is_loaded_in_a_trial_may_be_missing(mine: Path, text: str) -> None:
    mine.write_text(text)
    own_code.check_imports(str(mine), ())


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: str(path.stem))
def test_our_own_experiments_import_only_what_a_trial_has(path: Path) -> None:
    own_code.check_imports(str(path), ())


@pytest.mark.parametrize("text", ["from testbed import theory, figures\n", "import testbed.figures\n"])
def test_what_needs_packages_that_a_trial_lacks_cannot_be_loaded_there(mine: Path, text: str) -> None:
    mine.write_text(text)
    with pytest.raises(SpecError, match=r"line 1: imports testbed\.figures"):
        own_code.check_imports(str(mine), ())


def test_a_module_of_ours_that_leads_to_what_a_trial_lacks_is_named(mine: Path) -> None:
    mine.write_text("from testbed.run import execute\n")
    with pytest.raises(SpecError) as error:
        own_code.check_imports(str(mine), ())
    assert "line 1: imports testbed.run.execute, which cannot be loaded in a trial: testbed/" in error.value.message
    assert "imports testbed.results" in error.value.message


def test_what_only_reads_results_is_not_there_in_a_trial(mine: Path) -> None:
    mine.write_text("from testbed.figures import FIGURES\n")
    with pytest.raises(SpecError) as error:
        own_code.check_imports(str(mine), ())
    assert "line 1: imports testbed.figures" in error.value.message
    assert error.value.hint == "Import it inside measure(), not at the top of the file."
