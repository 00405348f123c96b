"""One repetition of one case: what is needed to carry it out, and what its raw files say.

Words: experiment > run > case (one combination of factor levels) > trial (one repetition of a case).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testbed.design.factor import Level
from testbed.spec import Topology

Metrics = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """One repetition of one case: everything that is needed to carry it out, as trial.json holds it."""

    number: int
    experiment: str
    case: Mapping[str, Level]
    repetition: int
    seed: int
    topology: Topology
    clock: str = "virtual"
    limit_s: float = 600.0

    @property
    def directory(self) -> str:
        """Where its raw files are, below the run's directory."""
        return f"raw/{self.number:03d}"

    def to_json(self) -> str:
        """This trial as JSON text, for :meth:`from_json`."""
        data = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "topology"}
        return json.dumps({**data, "case": dict(self.case), "topology": json.loads(self.topology.to_json())}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Trial:
        """A trial from what :meth:`to_json` wrote."""
        data = json.loads(text)
        return cls(**{**data, "topology": Topology.from_json(json.dumps(data["topology"]))})


@dataclass(frozen=True)
class Measured:
    """What the raw files of one trial say: metrics, the trial's status with its reason, and warnings."""

    metrics: Metrics
    status: str = "ok"  # ok | failed | censored
    reason: str = ""
    warnings: tuple[str, ...] = ()


def trial_seed(seed: int, case: Mapping[str, Level], repetition: int) -> int:
    """A 63-bit seed that depends on the run's seed, the case and the repetition, and on nothing else."""
    text = json.dumps([seed, dict(sorted(case.items())), repetition])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
