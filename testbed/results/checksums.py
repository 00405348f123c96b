"""The raw files of a trial with their sizes and SHA-256 digests, so that a later loss or change is noticed.

trial ends --> raw/NNN/files.json --> (later) findings(run): which files are missing or changed
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from testbed.results.result import Record, Run

NAME = "files.json"


def write(directory: Path) -> None:
    """Write files.json, the list of the files in a trial's raw directory, into that directory."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != NAME)
    found = {path.relative_to(directory).as_posix(): entry(path) for path in files}
    (directory / NAME).write_text(json.dumps(found, indent=1) + "\n")


def entry(path: Path) -> dict[str, int | str]:
    """The size of a file and its SHA-256, as files.json has them."""
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def as_written(directory: Path, name: str) -> bool:
    """Whether a raw file of a trial is there and as the trial left it, by the trial's files.json."""
    try:
        wanted = json.loads((directory / NAME).read_text())[name]
    except (OSError, ValueError, KeyError):
        return False
    return (directory / name).is_file() and entry(directory / name) == wanted


def findings(run: Run) -> list[str]:
    """Which of the run's raw files are missing or changed, one sentence each.

    Empty for a run without raw directories, such as a reference, which keeps only the numbers, and for one without
    any files.json.
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
    for name, known in wanted.items():
        file = directory / name
        if not file.is_file():
            found.append(f"{record.raw}/{name} is missing")
        elif (size := file.stat().st_size) != known["bytes"]:
            found.append(f"{record.raw}/{name} has {size} octets; it had {known['bytes']}")
        elif entry(file) != known:
            found.append(f"{record.raw}/{name} was changed")
    return found
