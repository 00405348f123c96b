"""What interrupted and former work may have left on this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from testbed.backends import kernel, scratch
from testbed.backends.runtime import layer


def leftovers() -> list[Path]:
    """What belongs to this user and no process uses: directories of trials, of unfinished builds (kernel, image), and
    parts of images that were not used for long."""
    cache = kernel.cache_root() / "kernel"
    builds = list(cache.glob("build-*")) if scratch.abandoned(cache / "lock") else []
    images = list(layer.parts().glob(f"{layer.BUILDING}*"))
    files = [*images, *Path(tempfile.gettempdir()).glob(f"{scratch.PREFIX}*"), *layer.outdated()]
    trials = [path for path in files if scratch.abandoned(path)]
    return sorted(path for path in (*builds, *trials) if path.is_dir() and path.stat().st_uid == os.geteuid())
