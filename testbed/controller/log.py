"""The controller's log: one event on each line, in JSON, with the time of day in seconds."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any


def log(source: str, event: str, **details: Any) -> None:
    """Print one event."""
    line: Mapping[str, Any] = {"time": time.time(), "source": source, "event": event, **details}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
