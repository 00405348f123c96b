"""Two runs, or the levels of a factor within one: which metrics differ by more than chance.

For two runs also in what they were made differently.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from testbed.errors import SpecError, unknown
from testbed.results.result import Record, Run
from testbed.results.significance import MARGIN, Judgement, Pair, judge

#: The keys of run.json that say how a run was made. Its other keys are texts, or follow from these.
_KEYS = (
    "experiment",
    "topology",
    "factors",
    "repetitions",
    "seed",
    "backend",
    "clock",
    "commit",
    "kernel",
    "tools",
    "runtime",
)


@dataclass(frozen=True)
class Change:
    """A key of run.json that differs."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Comparison:
    """The keys that changed, the judgements on shared cases, and the cases that only one run has."""

    changes: tuple[Change, ...]
    judgements: tuple[Judgement, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]

    @property
    def networks(self) -> tuple[str, str] | None:
        """The topologies, if the runs are of two: then these may be why something differs."""
        found = [(str(each.before), str(each.after)) for each in self.changes if each.key == "topology"]
        return found[0] if found else None

    @property
    def matters(self) -> bool:
        """Whether anything differs by more than chance and by more than the margin."""
        return any(judgement.matters for judgement in self.judgements)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return _json({**asdict(self), "matters": self.matters})


@dataclass(frozen=True)
class Contrast:
    """A level of the factor (``after``) against the baseline (``before``), in every case that has both."""

    before: Any
    after: Any
    judgements: tuple[Judgement, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]

    @property
    def names(self) -> tuple[str, str]:
        """Both levels as --set takes them."""
        return as_typed(self.before), as_typed(self.after)


@dataclass(frozen=True)
class LevelComparison:
    """Each level of a factor but the first, compared with the first."""

    factor: str
    contrasts: tuple[Contrast, ...]

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """Those of all contrasts."""
        return tuple(judgement for contrast in self.contrasts for judgement in contrast.judgements)

    @property
    def matters(self) -> bool:
        """Whether any level differs from the first by more than chance and by more than the margin."""
        return any(judgement.matters for judgement in self.judgements)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return _json({**asdict(self), "matters": self.matters})


def _json(data: dict[str, Any]) -> dict[str, Any]:
    """The data with every infinite number (a median beyond the longest time observed) as the word ``inf``, for JSON."""
    found: dict[str, Any] = json.loads(json.dumps(_finite(data)))
    return found


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def compare(before: Run, after: Run, margin: float = MARGIN) -> Comparison:
    """The second run compared with the first. Errors: SpecError for two experiments, and if they share no case."""
    if before.experiment != after.experiment:
        raise SpecError(
            f"{before.path} is of experiment {before.experiment}, {after.path} of {after.experiment}:"
            " metrics of one name are not measured in one way",
            "Compare runs of one experiment.",
        )
    names = _factors_of_cases(before, after)
    cases = _cases(before.records, names), _cases(after.records, names)
    pairs = _pairs(*cases)
    if not pairs:
        raise SpecError(
            f"{before.path} and {after.path} share no case: nothing can be compared",
            "Compare runs of one experiment with levels in common.",
        )
    (judged,) = judge([pairs], margin)
    return Comparison(tuple(changes(before.manifest, after.manifest)), judged, *_unshared(*cases))


def compare_levels(run: Run, factor: str, named: Sequence[str] = (), margin: float = MARGIN) -> LevelComparison:
    """The levels of a factor of one run, each compared with the first, in every case that the other factors make.

    ``named`` are the levels as --set takes them; none: all of run.json. The trials of two levels have different seeds,
    whatever their repetition, so their samples are independent. The order of levels is the reader's choice, so nothing
    differs without a test. Errors: SpecError for an unknown factor or level, for fewer than two levels, and if no
    level shares a case with the first.
    """
    levels = _levels(run, factor, named)
    names = [name for name in run.varied() if name != factor]
    base, *others = [_cases([r for r in run.records if r.case.get(factor) == level], names) for level in levels]
    groups = [_pairs(base, other) for other in others]
    if not any(groups):
        raise SpecError(
            f"no level of {factor!r} shares a case with {as_typed(levels[0])} in {run.path}: nothing can be compared",
            f"Name another level first: --by {factor}=LEVEL,LEVEL",
        )
    judged = judge(groups, margin, tests_alone=True)
    return LevelComparison(
        factor,
        tuple(
            Contrast(levels[0], level, own, *_unshared(base, other))
            for level, own, other in zip(levels[1:], judged, others, strict=True)
        ),
    )


def as_typed(level: Any) -> str:
    """A level as --set takes it."""
    return str(level).lower() if isinstance(level, bool) else str(level)


def _levels(run: Run, factor: str, named: Sequence[str]) -> list[Any]:
    """The levels to compare, the baseline first. Errors: SpecError."""
    factors = run.manifest["factors"]
    if factor not in factors:
        raise unknown("factor", factor, factors)
    known = factors[factor]
    if len(known) < 2:
        raise SpecError(
            f"factor {factor!r} has one level in {run.path}, {', '.join(map(as_typed, known))}; wanted two or more",
            f"Type: testbed compare {run.path} {f'--by {run.varied()[0]}' if run.varied() else 'RUN'}",
        )
    if not named:
        return list(known)
    levels = [_level(factor, known, text) for text in named]
    if len(levels) < 2 or any(level in levels[:place] for place, level in enumerate(levels)):
        example = ",".join(map(as_typed, [levels[0], *(level for level in known if level != levels[0])]))
        raise SpecError(
            f"--by {factor}={','.join(named)} does not name two or more different levels",
            f"Type: --by {factor}={example}, or some of these",
        )
    return levels


def _level(factor: str, known: Sequence[Any], text: str) -> Any:
    """The level that was typed; 1 stands for 1.0, as with --set."""
    for level in known:
        if text == as_typed(level) or (isinstance(level, float) and text == f"{level:g}"):
            return level
    raise unknown(f"level of factor {factor!r}:", text, map(as_typed, known))


#: The records of each case, by its factors and levels as JSON.
_Cases = Mapping[str, Sequence[Record]]


def _cases(records: Sequence[Record], names: Sequence[str]) -> _Cases:
    """The records of each case, which goes by the factors of those ``names``."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(json.dumps({name: record.case.get(name) for name in names}), []).append(record)
    return found


def _pairs(before: _Cases, after: _Cases) -> list[Pair]:
    """The cases that both have."""
    return [(_name(key), before[key], after[key]) for key in before if key in after]


def _unshared(before: _Cases, after: _Cases) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the cases that only the first has, and of those that only the second has."""
    return (
        tuple(_name(key) for key in before if key not in after),
        tuple(_name(key) for key in after if key not in before),
    )


def _factors_of_cases(*runs: Run) -> list[str]:
    """The factors that make the cases: those with more than one level in a run.

    A factor with one level in each run, perhaps a different one, is what the comparison is about.
    """
    levels: list[dict[str, set[str]]] = [{}, {}]
    for own, run in zip(levels, runs, strict=True):
        for record in run.records:
            for name, level in record.case.items():
                own.setdefault(name, set()).add(repr(level))
    return [name for name in levels[0] if any(len(own.get(name, ())) > 1 for own in levels)] + [
        name for name in levels[1] if name not in levels[0] and len(levels[1][name]) > 1
    ]


def _name(key: str) -> str:
    return ", ".join(f"{name} {level}" for name, level in json.loads(key).items()) or "all trials"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The keys of two manifests that say that the runs were made differently; of mappings, such as tools, each key."""
    found = []
    for key in _KEYS:
        was, now = before.get(key), after.get(key)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            names = dict.fromkeys([*was, *now])
            pairs = [(n, was.get(n), now.get(n)) for n in names if _unordered(was.get(n)) != _unordered(now.get(n))]
            found += [Change(f"{key}.{n}", old, new) for n, old, new in pairs]
        elif was != now:
            found.append(Change(key, was, now))
    return found


def _unordered(value: Any) -> Any:
    return sorted(map(repr, value)) if isinstance(value, list) else value  # the levels of a factor have no order
