"""What interrupted work may have left on this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from testbed.backends import kernel, scratch


def leftovers() -> list[Path]:
    """Directories of unfinished kernel builds and of trials that belong to this user and that no process uses."""
    cache = kernel.cache_root() / "kernel"
    builds = list(cache.glob("build-*")) if scratch.abandoned(cache / "lock") else []
    trials = [path for path in Path(tempfile.gettempdir()).glob(f"{scratch.PREFIX}*") if scratch.abandoned(path)]
    return sorted(path for path in (*builds, *trials) if path.is_dir() and path.stat().st_uid == os.geteuid())
