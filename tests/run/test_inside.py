"""What a trial reports when something goes wrong inside, with a network that is not built."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.design.trial import Trial
from testbed.errors import TrialError
from testbed.lab import lab
from testbed.run import inside
from topologies.single_switch import single_switch

EXPERIMENT = """from testbed.experiment import Experiment, Measured


def procedure(lab):
    {body}


def mine():
    return Experiment(
        name="mine", title="Mine", question="Does it work?", topology="single_switch", procedure=procedure,
        measure=lambda raw, trial: Measured({{}}), factors=(), figures=(),
    )
"""


class _Bench:
    """A lab without a network."""

    def wait_converged(self) -> None:
        pass

    def bonds(self) -> dict[str, Any]:
        return {}

    def write(self, _name: str, _value: Any) -> None:
        pass

    def refuse(self) -> None:
        raise TrialError("the member did not come back")


@pytest.mark.parametrize(
    ("body", "reason", "traced"),
    [
        ("lab.bond['h9']", "mine.py, line 5: AttributeError: '_Bench' object has no attribute 'bond'", True),
        ("raise SystemExit(7)", "mine.py, line 5: SystemExit: 7", True),
        ("lab.refuse()", "the member did not come back", False),
        (
            "import absent_package",
            "mine.py, line 5: ModuleNotFoundError: No module named 'absent_package'; if it is installed, add to the"
            " Experiment: packages=('absent_package',)",
            True,
        ),
        (
            "__import__('subprocess').run(['absent-program'])",
            "mine.py, line 5: FileNotFoundError: [Errno 2] No such file or directory: 'absent-program'; if it is a"
            " program, add to the Experiment: programs=('absent-program',)",
            True,
        ),
        ("pass", "", False),
    ],
)
def test_a_procedure_that_raises_is_a_failed_trial_with_file_and_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    body: str,
    reason: str,
    *,
    traced: bool,
) -> None:
    @contextlib.contextmanager
    def opened(*_: Any) -> Iterator[_Bench]:
        yield _Bench()

    monkeypatch.setattr(lab, "opened", opened)
    experiment = tmp_path / "mine.py"
    experiment.write_text(EXPERIMENT.format(body=body))
    (tmp_path / "trial.json").write_text(Trial(1, experiment.name, {}, 0, 1, single_switch()).to_json())
    inside.run(tmp_path, tmp_path)
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    assert (outcome["status"], outcome["reason"]) == ("failed" if reason else "ok", reason)
    # What is printed inside is in trial.log, which a failed trial keeps.
    assert ("Traceback (most recent call last)" in capfd.readouterr().err) is traced


def test_a_file_that_cannot_be_loaded_is_a_failed_trial(tmp_path: Path) -> None:
    experiment = tmp_path / "mine.py"
    experiment.write_text("import nowhere_to_be_found\n")
    (tmp_path / "trial.json").write_text(Trial(1, experiment.name, {}, 0, 1, single_switch()).to_json())
    inside.run(tmp_path, tmp_path)
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    assert outcome["status"] == "failed"
    assert outcome["reason"].endswith(
        "mine.py, line 1: ModuleNotFoundError: No module named 'nowhere_to_be_found'; if it is installed, add to the"
        " Experiment: packages=('nowhere_to_be_found',)"
    )
