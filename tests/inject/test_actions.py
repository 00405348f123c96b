"""The actions of faults, compared with the catalogue; and what loads their code."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

from testbed.faults import catalogue
from testbed.inject import ACTIONS, controllers, links, nodes, routers


def test_each_fault_has_an_action_a_text_and_a_drawing() -> None:
    assert list(catalogue.FAULTS) == list(ACTIONS)
    drawings = "".join(str(module.__doc__) for module in (links, controllers, nodes, routers))
    impaired = {"lossy", "slow", "none"}  # a drawing shows nothing of it
    for name, action in ACTIONS.items():
        assert (action.__doc__ or "").strip()
        assert catalogue.FAULTS[name].summary.endswith(".")
        assert name in impaired or name in drawings, name


def test_the_actions_take_what_the_catalogue_says() -> None:
    for name, action in ACTIONS.items():
        taken = [n for n, p in inspect.signature(action).parameters.items() if p.kind is p.KEYWORD_ONLY]
        assert taken == [p.name for p in catalogue.FAULTS[name].parameters], name


def test_listing_faults_and_planning_do_not_load_the_actions() -> None:
    """An experiment's file and `testbed list` run outside the guest, where nothing acts on a network."""
    script = "import json, sys; import experiments.failover, experiments.tcp_failover, experiments.chaos"
    script += ", testbed.cli.listing; print(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", script]
    project = Path(__file__).parents[2]
    loaded = json.loads(subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout)
    assert "testbed.faults.catalogue" in loaded
    assert [name for name in loaded if name == "mininet" or name.startswith("testbed.inject")] == []
