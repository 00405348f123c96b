"""Why no case of a run can be carried out, in the words of the command that asked for it. Pure.

A level may stand for levels of other factors (`Factor.sets`). An error that speaks of those names what nobody typed.
Here it gets the level that was typed, and advice that can be followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from testbed.design.factor import Factor, Level
from testbed.errors import SpecError

#: So many reasons are listed.
_MOST = 3
#: The levels that an error is of: ``peer_links=1, ends=hosts: ...``, ``technique=prp sets peer_links=0: ...``.
_LEVELS = re.compile(r"(?:\w+=[^\s:]+(?:,| sets) )*\w+=[^\s:]+: ")
_SETTING = re.compile(r"--set (\w+)=([\w.+-]+)")


def typed(
    error: SpecError, case: Mapping[str, Level], factors: Mapping[str, Factor], named: Iterable[str], usual: str
) -> SpecError:
    """The error with the level that stands for what it speaks of; the same error if it speaks of what was typed.

    ``named`` are the factors that --set named; ``usual`` is the experiment's own topology, empty if the run has it.
    """
    standing = [(name, factors[name].sets or {}) for name in case if name in factors and factors[name].sets]
    for name, sets in standing:
        brought = {key: value for key, value in sets.get(case[name], {}).items() if key not in named}
        body = _body(error.message)
        of = {key: value for key, value in brought.items() if re.search(rf"\b{key}\b", body)}
        before = error.message.removesuffix(body)
        asked = _SETTING.search(error.hint)
        by = [level for level, values in sets.items() if asked and str(values.get(asked[1])) == asked[2]]
        if not of and not by and not any(f"{key}=" in before for key in brought):
            continue
        setting = f" sets {', '.join(f'{key}={value}' for key, value in of.items())}" if of else ""
        hint = f"Choose another {name}, or leave out what does not go with it."
        if by:
            hint = f"Type: --set {name}={by[0]}"
        elif usual and "topology" in body:
            hint = f"Type: --topology {usual}"
        return SpecError(f"{name}={case[name]}{setting}: {body}", hint)
    return error


def together(refused: Sequence[SpecError], others: Iterable[str], brought: Iterable[str]) -> SpecError:
    """One error for cases of which none can be carried out, with the advice of one of them, and a reason a line.

    Reasons that differ in levels alone are one. ``others`` are those of cases that do not apply. What is said of
    factors that the experiment has ``brought`` along comes last, for nobody typed them.
    """
    names = tuple(brought)
    errors = sorted(refused, key=lambda error: any(re.search(rf"\b{name}=", error.message) for name in names))
    found: dict[str, str] = {}
    for reason in (*(error.message for error in errors), *others):
        found.setdefault(re.sub(r"=\S+", "=", _body(reason)), reason)
    if len(found) == 1:
        return errors[0]  # it may be of an unknown name, which is shown with the known ones
    lines = ["no case of this run applies:", *(f"  {line}" for line in list(found.values())[:_MOST])]
    return SpecError("\n".join(lines), errors[0].hint)


def advice(reason: str, arguments: Mapping[str, Level], named: Iterable[str], usual: str) -> str:
    """What to type where no case applies, for that reason. ``arguments`` are the topology's, with their defaults."""
    by_default = re.match(r"(\w+)=(true|false): ", reason)
    if by_default and isinstance(arguments.get(by_default[1]), bool) and by_default[1] not in named:
        return f"Type: --set {by_default[1]}={'false' if by_default[2] == 'true' else 'true'}"
    if usual and "topology" in reason:
        return f"Type: --topology {usual}"
    return "Give other levels with --set, or another --topology."


def _body(reason: str) -> str:
    """A reason without the levels that it is of."""
    levels = _LEVELS.match(reason)
    return reason[levels.end() :] if levels else reason
