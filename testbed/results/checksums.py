"""The raw files of a trial with their sizes and SHA-256 digests, so that a later loss or change is noticed.

trial ends --> raw/NNN/files.json --> (later) findings(run): which files are missing or changed
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from testbed import rawfiles
from testbed.errors import TrialError
from testbed.results.result import Record, Run

NAME = "files.json"


def write(directory: Path) -> None:
    """Write files.json, the list of the files in a trial's raw directory, into that directory."""
    found = {name: entry(directory, name) for name in rawfiles.names(directory) if name != NAME}
    rawfiles.write(directory / NAME, json.dumps(found, indent=1) + "\n")


def entry(directory: Path, name: str) -> dict[str, int | str]:
    """The size of a raw file and its SHA-256, as files.json has them."""
    with rawfiles.opened(directory, name) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()  # it reads to the end
        return {"bytes": file.tell(), "sha256": digest}


def as_written(directory: Path, name: str) -> bool:
    """Whether a raw file of a trial is there and as the trial left it, by the trial's files.json."""
    try:
        return bool(entry(directory, name) == _known(directory)[name])
    except (OSError, ValueError, KeyError, TrialError):
        return False


def _known(directory: Path) -> dict[str, Any]:
    """What files.json says. Errors: FileNotFoundError; ValueError or TrialError if it is damaged."""
    found = rawfiles.loads(rawfiles.read(directory / NAME))
    if not isinstance(found, dict):
        raise ValueError(f"it is {type(found).__name__}, not the list of the files")
    return found


def findings(run: Run) -> list[str]:
    """Which of the run's raw files are missing or changed, one sentence each.

    Empty for a run without raw directories, such as a reference, which keeps only the numbers, and for one without
    any files.json.
    """
    if not any(rawfiles.exists(run.path / record.raw, NAME) for record in run.records):
        return []
    return [text for record in sorted(run.records, key=lambda r: r.number) for text in _of_trial(run.path, record)]


def _of_trial(path: Path, record: Record) -> list[str]:
    directory = path / record.raw
    if not directory.is_dir():
        return [f"{record.raw} is missing"]
    try:
        wanted = _known(directory)
    except FileNotFoundError:
        return [f"{record.raw}/{NAME} is missing"]
    except ValueError as error:
        return [f"{record.raw}/{NAME} is damaged: {rawfiles.printable(str(error))}"]
    except TrialError as error:
        return [f"{record.raw}: {error.message}"]
    return [text for name, known in wanted.items() if (text := _of_file(directory, name, known, record))]


def _of_file(directory: Path, name: str, known: Any, record: Record) -> str:
    """What is wrong with a raw file, compared with its entry in files.json; empty if nothing."""
    place = f"{record.raw}/{rawfiles.shown_name(name)}"
    try:
        had = int(known["bytes"])
        if (size := rawfiles.size(directory, name)) != had:
            return f"{place} has {size} octets; it had {had}"
        return "" if entry(directory, name) == known else f"{place} was changed"
    except FileNotFoundError:
        return f"{place} is missing"
    except TrialError as error:
        return f"{record.raw}: {error.message}"
    except (KeyError, TypeError, ValueError, OverflowError):
        return f"{place} has a damaged entry in {NAME}"
