"""A run on disk: its manifest, its trials one line each, its raw files (results/README.md explains every key)."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from testbed.errors import SpecError
from testbed.results import frames, shapes

FORMAT = 1
_MANIFEST, _TRIALS = "run.json", "trials.jsonl"


@dataclass(frozen=True)
class Record:
    """One line of trials.jsonl."""

    experiment: str
    case: dict[str, Any]
    repetition: int
    seed: int
    status: str
    reason: str
    metrics: dict[str, Any]
    virtual_s: float
    wall_s: float
    warnings: list[str]
    raw: str

    @property
    def number(self) -> int:
        """The trial's place in the plan, from 1."""
        return int(self.raw.rpartition("/")[2])


@dataclass(frozen=True)
class Run:
    """A loaded run. ``damaged`` names the lines of trials.jsonl that cannot be read or contradict another line."""

    path: Path
    manifest: Mapping[str, Any]
    records: tuple[Record, ...]
    damaged: tuple[str, ...] = ()

    @property
    def experiment(self) -> str:
        """The name of its experiment."""
        return str(self.manifest["experiment"])

    @property
    def planned(self) -> int:
        """How many trials the whole run has; an interrupted one has fewer so far."""
        if order := self.manifest.get("order"):
            return len(str(order).split())
        return int(self.manifest.get("repetitions", 1)) * math.prod(map(len, self.manifest["factors"].values()))

    def varied(self) -> list[str]:
        """The factors that have more than one level in this run, but those that others of them stand for."""
        found = [name for name, levels in self.manifest["factors"].items() if len(levels) > 1]
        implied = {name for by, names in self.manifest.get("sets", {}).items() if by in found for name in names}
        return [name for name in found if name not in implied]

    def cases(self) -> list[tuple[dict[str, Any], list[Record]]]:
        """The records of each case, in the order of the plan."""
        grouped: dict[str, list[Record]] = {}
        for record in self.records:
            grouped.setdefault(json.dumps(record.case), []).append(record)
        return [(json.loads(key), group) for key, group in grouped.items()]

    def rows(self) -> list[dict[str, Any]]:
        """Long form: one flat mapping for each trial, factors and scalar metrics side by side."""
        return [
            {
                **record.case,
                "repetition": record.repetition,
                "status": record.status,
                **{name: value for name, value in record.metrics.items() if not isinstance(value, dict | list)},
            }
            for record in self.records
        ]

    def frame(self) -> Any:
        """:meth:`rows` as a pandas DataFrame. Errors: TestbedError if pandas is not installed."""
        return frames.frame(self.rows(), instead="rows()")


def create(path: Path, manifest: Mapping[str, Any]) -> None:
    """Begin a run in ``path``. Errors: SpecError if the directory holds anything already."""
    check_free(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError:  # in /proc, for example
        raise SpecError(f"no directory can be made at {path}", "Give another --out.") from None
    _write(path / _MANIFEST, json.dumps({"format": FORMAT, **manifest}, indent=1) + "\n")
    (path / _TRIALS).touch()


def check_free(path: Path) -> None:
    """Errors: SpecError if the directory of a new run holds anything already, or cannot be made."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        what = "another run" if (path / _MANIFEST).exists() else "something else"
        raise SpecError(
            f"{path} holds {what}; a result is never overwritten",
            "Give another --out, or --resume to go on with an unfinished run.",
        )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the run for writing while the block runs. Errors: SpecError if another process is writing it."""
    # The lock is on the directory itself: it leaves no file, and it ends when the process ends, in whatever way.
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SpecError(
                f"another testbed run is writing to {path}", "Wait for it, or give another --out."
            ) from None
        yield
    finally:
        os.close(descriptor)


def append_trial(path: Path, record: Record) -> None:
    """Write one trial and flush it to disk. A last line that an interruption cut off is dropped: it was no trial."""
    with (path / _TRIALS).open("r+b") as file:
        whole = file.read().rpartition(b"\n")
        file.seek(len(whole[0] + whole[1]))
        file.truncate()
        file.write(json.dumps(asdict(record)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def finish(path: Path) -> None:
    """Put the trials into the order of the plan; with several at a time they end in any order."""
    run = load(path)
    if not run.damaged:
        records = sorted(run.records, key=lambda record: record.number)
        _write(path / _TRIALS, "".join(json.dumps(asdict(record)) + "\n" for record in records))


def amend(path: Path, **changes: Any) -> None:
    """Change keys of the manifest of an unfinished run, whose number of repetitions may grow."""
    manifest = json.loads((path / _MANIFEST).read_text())
    _write(path / _MANIFEST, json.dumps({**manifest, **changes}, indent=1) + "\n")


def load(place: Path | str) -> Run:
    """A run from its files. A damaged line is named in ``damaged`` and counts nowhere.

    If several lines are about one trial, one counts if they are equal, and none if they differ.

    Errors: SpecError if there is no run, or one in a format that this version does not know.
    """
    path = Path(place)
    manifest = _manifest(path)
    found: dict[str, Record] = {}
    contradicted: set[str] = set()
    damaged = []
    for number, line in enumerate(_lines(path), 1):
        try:
            data = _parsed(line)
            problem = shapes.record_problem(data)
        except RecursionError:
            problem = "it is nested too deeply"
        except ValueError as error:
            problem = str(error)
        if problem:
            damaged.append(f"{_TRIALS} line {number}: {problem}")
            continue
        record = Record(**data)
        before = found.setdefault(record.raw, record)
        if before is record:
            continue
        if before == record:
            damaged.append(f"{_TRIALS} line {number}: trial {record.number} again; it counts once")
        else:
            contradicted.add(record.raw)
            damaged.append(f"{_TRIALS} line {number}: trial {record.number} again, with other values; none counts")
    records = tuple(record for raw, record in found.items() if raw not in contradicted)
    return Run(path, manifest, records, tuple(damaged))


def _manifest(path: Path) -> dict[str, Any]:
    """The content of run.json. Errors: SpecError for what is not there, damaged, or of another version."""
    file = path / _MANIFEST
    if path.is_file():
        hint = "Give the directory that --out named."
        if path.name in (_MANIFEST, _TRIALS, "report.html"):
            hint = f"Give its directory: {path.parent}"
        raise SpecError(f"{path} is a file; wanted the directory of a run", hint)
    try:
        manifest = _parsed(file.read_bytes())
    except FileNotFoundError:
        what = f"holds no run ({_MANIFEST} is missing)" if path.is_dir() else "does not exist; wanted a run's directory"
        raise SpecError(f"{path} {what}", "Give the directory that --out named.") from None
    except RecursionError:
        raise _damaged(file, "it is nested too deeply") from None
    except ValueError as error:
        raise _damaged(file, str(error)) from error
    if isinstance(manifest, dict) and manifest.get("format") != FORMAT:
        raise SpecError(
            f"{path} has format {manifest.get('format')!r:.40}; this version reads format {FORMAT}",
            "Read it with the version that wrote it: commit in run.json names it.",
        )
    if problem := shapes.manifest_problem(manifest):
        raise _damaged(file, problem)
    return dict(manifest)


def _damaged(file: Path, problem: str) -> SpecError:
    return SpecError(f"{file} is damaged: {problem}", "Restore it, or carry out the run again into another --out.")


def _lines(path: Path) -> list[bytes]:
    try:
        lines = (path / _TRIALS).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    return lines if lines[-1] else lines[:-1]


def _parsed(text: bytes) -> Any:
    """The value of JSON in UTF-8. Errors: ValueError, also for a character that no text can hold (half a pair)."""
    value = json.loads(text.decode())
    if b"\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.replace(path)


#: The metrics that are lower bounds in a censored trial: traffic had not resumed at its end.
CENSORED = ("outage_s", "outage_loss_s", "outage_rate_s", "stall_s")


def observations(records: Sequence[Record], metric: str) -> tuple[list[float], list[bool]]:
    """The values of a metric in the trials that did not fail, and for each whether it is a lower bound.

    A censored trial counts only for the metrics in `CENSORED`.
    """
    found = [
        (value, record.status == "censored")
        for record in records
        if (record.status == "ok" or (record.status == "censored" and metric in CENSORED))
        and isinstance(value := record.metrics.get(metric), int | float)
    ]
    return [float(value) for value, _ in found], [cut for _, cut in found]


def quantities(records: Sequence[Record], metric: str) -> list[float]:
    """The values of a scalar metric in the trials that have one."""
    found = (record.metrics.get(metric) for record in records)
    return [float(value) for value in found if isinstance(value, int | float)]
