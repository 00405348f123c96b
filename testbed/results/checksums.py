"""Which raw files a trial left, with their sizes and digests, so that one that is lost or changed later is noticed.

trial ends --> raw/NNN/files.json --> (later) findings(run): what is no longer as it was
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from testbed.results.result import Record, Run

NAME = "files.json"


def write(directory: Path) -> None:
    """Write the inventory of a trial's raw directory into it."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != NAME)
    found = {path.relative_to(directory).as_posix(): _entry(path) for path in files}
    (directory / NAME).write_text(json.dumps(found, indent=1) + "\n")


def _entry(path: Path) -> dict[str, int | str]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def findings(run: Run) -> list[str]:
    """What of the run's raw files is missing or not as it was, one sentence each.

    A run without any raw directory, such as a reference that keeps the numbers alone, has nothing to find; nor has
    one that was made before there were inventories.
    """
    if not any((run.path / "raw").glob(f"*/{NAME}")):
        return []
    return [text for record in sorted(run.records, key=lambda r: r.number) for text in _of_trial(run.path, record)]


def _of_trial(path: Path, record: Record) -> list[str]:
    directory = path / record.raw
    if not directory.is_dir():
        return [f"{record.raw} is missing"]
    try:
        wanted = json.loads((directory / NAME).read_text())
    except FileNotFoundError:
        return [f"{record.raw}/{NAME} is missing"]
    except ValueError as error:
        return [f"{record.raw}/{NAME} is damaged: {error}"]
    found = []
    for name, entry in wanted.items():
        file = directory / name
        if not file.is_file():
            found.append(f"{record.raw}/{name} is missing")
        elif (size := file.stat().st_size) != entry["bytes"]:
            found.append(f"{record.raw}/{name} has {size} octets; it had {entry['bytes']}")
        elif _entry(file) != entry:
            found.append(f"{record.raw}/{name} was changed")
    return found
