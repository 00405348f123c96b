"""The file in which the controller saves its state, and from which it resumes after a restart.

A state is usable only with the same configuration and on the same clock, so the file identifies both. It is replaced
in one step: a reader always finds a complete file.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from testbed.controller.config import Configuration

FORMAT = 1
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # random(4); CLOCK_MONOTONIC restarts with each boot


class Unusable(Exception):
    """There is no state to resume from; the text says why."""


class Store:
    """The state file of a controller with this configuration."""

    def __init__(self, path: Path, configuration: Configuration) -> None:
        self._path = path
        self._about = {
            "format": FORMAT,
            "configuration": hashlib.sha256(repr(configuration).encode()).hexdigest(),
            "boot_id": _BOOT_ID.read_text().strip(),
        }

    def write(self, state: dict[str, Any], now: float) -> None:
        """Replace the saved state. ``now`` is its time in seconds of CLOCK_MONOTONIC."""
        new = self._path.with_name(f"{self._path.name}.new")
        new.write_text(json.dumps({**self._about, "now": now, "state": state}))
        os.replace(new, self._path)

    def read(self, now: float) -> tuple[dict[str, Any], float]:
        """The saved state and its age in seconds. Errors: Unusable."""
        try:
            value = json.loads(self._path.read_text())
        except FileNotFoundError:
            raise Unusable("there is none") from None
        except (OSError, ValueError) as error:
            raise Unusable(f"{self._path} cannot be read: {error}") from error
        if not isinstance(value, dict) or not isinstance(value.get("state"), dict):
            raise Unusable(f"{self._path} holds no state")
        for what, wanted in self._about.items():
            if value.get(what) != wanted:
                raise Unusable(f"{self._path} is of another {what.replace('_', ' ')}")
        if not isinstance(value.get("now"), float):
            raise Unusable(f"{self._path} has no time")
        age_s = now - value["now"]
        if age_s < 0:
            raise Unusable(f"{self._path} is from the future")
        return value["state"], age_s
