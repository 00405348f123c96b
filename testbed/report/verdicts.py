"""Each case of a run compared with what theory predicts, in sentences."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from testbed import stats, theory
from testbed.report.tables import case_name, listed
from testbed.results.result import Record, Run, observations, quantities

#: A goodput of at least this part of the ideal counts as having reached it.
REACHED = 0.99
#: More than fits through the links is the instrument's fault, beyond some frames that network cards held.
MORE = 1.001
#: The level of the test: a sample of theory's own distribution is rejected in this part of all cases.
LEVEL = 0.01

#: How much two parts of a distribution may differ, as a part of its width, that is uniform but for rounding.
_EVEN = 1e-6
#: A time may be later than its bound by the kernel's tick, at which it reports.
_TICK_S = 1 / theory.GUEST_HZ
#: The end that the distribution would have without the kernel's rounding: the metric's name.
_ASKED = ("asked_bound_s", "standard_bound_s")

#: A sentence, and whether it agrees with theory (None: theory predicts nothing).
Claim = tuple[str, bool | None]


@dataclass(frozen=True)
class Verdict:
    """Whether a case agrees with theory: it ``holds``, it does not, or (None) theory predicts nothing."""

    case: str
    text: str
    holds: bool | None


def verdicts(run: Run) -> list[Verdict]:
    """The verdict for each case."""
    found = []
    for case, records in run.cases():
        name = case_name(run, case)
        failed = sum(record.status == "failed" for record in records)
        if failed == len(records):
            found.append(Verdict(name, f"All {failed} trials failed: {records[0].reason}", None))
            continue
        claims = [
            claim
            for claim in (
                *(_failover(records), _stall(records), _degraded(records)),
                *(_aggregation(case, records), _detection(records), *_agreements(records)),
            )
            if claim is not None
        ]
        other = _others(records)
        if all(holds is None for _, holds in claims) and other is not None:
            claims.append(other)
        claims = claims or [("Theory predicts nothing for this case.", None)]
        text = " ".join(words for words, _ in claims)
        if failed:
            text += f" {failed} of {len(records)} trials failed and do not count."
        decided = [holds for _, holds in claims if holds is not None]
        found.append(Verdict(name, text, all(decided) if decided else None))
    return found


def _others(records: Sequence[Record]) -> Claim | None:
    """What an experiment itself found of its trials by its own laws, where no sentence here is of them."""
    kept = [value for record in records if isinstance(value := record.metrics.get("within_bound"), bool)]
    return (f"{sum(kept)} of {len(kept)} trials agree with the laws of the experiment.", all(kept)) if kept else None


def _failover(records: Sequence[Record]) -> Claim | None:
    if not quantities(records, "outage_s") or not _bounded(records):
        return None
    censored = sum(record.status == "censored" for record in records)
    never = f" In {censored} of {len(records)} trials traffic did not resume before the repair." if censored else ""
    kept = [record.metrics["within_bound"] for record in records if record.metrics.get("within_bound") is not None]
    if not kept:
        return f"{_without_bound(records)}{never}", None
    own = any("outage_bound_s" in record.metrics for record in records)  # the other bound is that of detections
    bounds_ms = sorted({value * 1e3 for value in quantities(records, "outage_bound_s" if own else "bound_s")})
    if not bounds_ms:
        return f"{sum(kept)} of {len(kept)} trials agree with theory.{never}", all(kept)
    bound = f"{bounds_ms[-1]:g} ms"
    if all(kept):
        most = max(observations(records, "outage_s")[0]) * 1e3
        return f"Every outage is within the bound of {bound} and its tolerance; the longest is {most:.1f} ms.", True
    return f"{_disagreeing(records, bounds_ms[-1] / 1e3, len(kept))}{never}", False


def _disagreeing(records: Sequence[Record], bound_s: float, trials: int) -> str:
    """How many outages exceed the bound, and in how many other trials something else is not as by theory."""
    differ = [record.metrics for record in records if record.metrics.get("within_bound") is False]
    # Where an outage is not known, traffic did not resume: it lasted for longer.
    longer = sum(found.get("outage_s") is None or found["outage_s"] > bound_s for found in differ)
    bound, texts = f"{bound_s * 1e3:g} ms", []
    if longer:
        texts.append(f"{longer} of {trials} outages exceed the bound of {bound}.")
    if others := len(differ) - longer:
        texts.append(
            f"In {others} of {trials} trials no outage exceeds the bound of {bound}, but theory says otherwise: an"
            " outage or a detection is shorter than its law's least, or something else is not as predicted."
        )
    return " ".join(texts)


def _without_bound(records: Sequence[Record]) -> str:
    """Why no trial is compared with a bound, as far as the records say."""
    said = [
        record.metrics.get("connected_by_theory", record.metrics.get("expected_connected", "")) for record in records
    ]
    if all(each is None for each in said):
        return "Theory gives no bound: it does not say whether the hosts stay connected."
    if all(each is False for each in said):
        return "Theory gives no bound: the hosts are not connected before the repair."
    reason = next((why for record in records if isinstance(why := record.metrics.get("why_no_bound"), str)), None)
    return f"Theory gives no bound: {reason or 'this fault is not noticed in this mode'}."


def _bounded(records: Sequence[Record]) -> bool:
    """Whether the experiment compares with a bound at all; a null says that theory gives none for this case."""
    return any("within_bound" in record.metrics for record in records)


def _stall(records: Sequence[Record]) -> Claim | None:
    """How long TCP flows stalled, compared with what their timers allow."""
    stalls = observations(records, "stall_s")[0]
    if not stalls or not _bounded(records):
        return None
    kept = [value for record in records if isinstance(value := record.metrics.get("within_bound"), bool)]
    if not kept:
        return "Theory gives no bound for the stall of a flow: this fault is not noticed in this mode.", None
    bound_ms = max(quantities(records, "bound_s")) * 1e3
    if all(kept):
        text = f"No flow stalled for longer than TCP's timers explain, {bound_ms:.0f} ms;"
        return f"{text} the longest is {max(stalls) * 1e3:.1f} ms.", True
    return (
        f"In {kept.count(False)} of {len(kept)} trials a flow stalled for longer than {bound_ms:.0f} ms.",
        False,
    )


def _degraded(records: Sequence[Record]) -> Claim | None:
    """Goodput before, during and after a fault, compared with what the members in use can carry."""
    parts = []
    for when, words in (("before", "before the fault"), ("during", "while it lasted"), ("after", "after the repair")):
        pairs = [(r.metrics.get(f"goodput_{when}_mbps"), r.metrics.get(f"ideal_{when}_mbps")) for r in records]
        found = stats.summary([goodput / ideal for goodput, ideal in pairs if goodput is not None and ideal])
        if found is None:
            return None
        parts.append((found.median, f"{found.median * 100:.1f} % {words}"))
    text = f"The flows reached, of what the members in use can carry: {', '.join(words for _, words in parts)}."
    return text, all(median >= REACHED for median, _ in parts)


def _aggregation(case: dict[str, Any], records: Sequence[Record]) -> Claim | None:
    ratio = stats.summary(observations(records, "goodput_ratio")[0])
    if ratio is None:
        without = any("goodput_mbps" in record.metrics for record in records)
        return ("There is no ideal to compare the goodput with.", None) if without else None
    text = f"Goodput is {ratio.median * 100:.1f} % of the ideal"
    if case.get("placement") != "random" or case.get("mode") not in theory.HASH_MODES:
        return f"{text}.", ratio.median >= REACHED
    ideal, expected = (next(iter(quantities(records, name)), None) for name in ("ideal_mbps", "random_mbps"))
    if ideal and expected is not None:
        low, high = (next(iter(quantities(records, f"random_{end}_mbps")), expected) for end in ("low", "high"))
        text += f"; of flows placed at random the expected mean is {expected / ideal * 100:.1f} %,"
        text += f" and 90 % of all placements give {low / ideal * 100:.1f} to {high / ideal * 100:.1f} %"
    return _of_placements(f"{text}.", records)


def _of_placements(text: str, records: Sequence[Record]) -> Claim:
    """Each trial against its own placement: at least the max-min share, at most what fits through the links."""
    known = [record.metrics for record in records if record.metrics.get("placement_mbps") is not None]
    if not known:
        return text, None
    right = sum(
        REACHED * found["placement_mbps"] <= found["goodput_mbps"] <= MORE * found["placement_most_mbps"]
        for found in known
    )
    words = f"{right} of {len(known)} trials have what their own placement allows: the max-min share or more,"
    return f"{text} {words} and no more than fits.", right == len(known)


def _detection(records: Sequence[Record]) -> Claim | None:
    """Detection times compared with the distribution of theory: its ends, and what a test of its shape could find."""
    noticed = listed(records, "detections_s")
    bound = next(iter(quantities(records, "bound_s")), None)
    expected = next(iter(quantities(records, "expected_s")), None)
    if not noticed or bound is None or expected is None:
        return None
    times = [float(time) for time in noticed if time is not None]
    low = next(iter(quantities(records, "low_s")), 2 * expected - bound)
    unnoticed = len(noticed) - len(times)
    missed = f" {unnoticed} of {len(noticed)} faults were not noticed." if unnoticed else ""
    if times and low == bound:
        text = f"{len(times)} detection times from {min(times) * 1e3:.2f} to {max(times) * 1e3:.2f} ms;"
        text += f" by theory each is {bound * 1e3:g} ms, up to the kernel's tick.{missed}"
        return text, low <= min(times) and max(times) <= bound + _TICK_S and not unnoticed
    quantiles = next((found for record in records if (found := record.metrics.get("law_quantiles_s"))), None)
    even = quantiles is None or (abs(2 * expected - low - bound) < _EVEN * (bound - low) and _straight(quantiles))
    law = f"{'uniform' if even else 'spread'} over ({low * 1e3:g}, {bound * 1e3:g}] ms"
    if len(times) < stats.LEAST_FOR_LAW:
        return f"{len(times)} detection times are too few to compare with theory ({law}).{missed}", None
    fit = stats.uniform_fit(times, low, bound) if even else stats.quantile_fit(times, quantiles or [])
    assert fit is not None
    holds = fit.p >= LEVEL and max(times) <= bound + _TICK_S
    text = f"{len(times)} detection times from {min(times) * 1e3:.2f} to {max(times) * 1e3:.2f} ms;"
    text += f" by theory they are {law}"
    if even:
        least, most = stats.high_end_interval(times, low)
        text += f", and by the largest the upper end is {least * 1e3:.2f} to {most * 1e3:.2f} ms (95 %)"
        holds = holds and bound <= stats.high_end_interval(times, low, 1 - LEVEL)[1]
    return f"{text}. {_shape(fit, times, (low, bound), records)}{missed}", holds and not unnoticed


def _shape(fit: stats.Fit, times: Sequence[float], law: tuple[float, float], records: Sequence[Record]) -> str:
    """What the test of the distribution's shape says, and what it would miss."""
    verb = "does not reject" if fit.p >= LEVEL else "rejects"
    text = f"A Kolmogorov-Smirnov test {verb} that (p = {fit.p:.2g})"
    asked = next((each for name in _ASKED for each in quantities(records, name)), None)
    if asked is None or asked == law[1]:
        return f"{text}."
    power = stats.uniform_power(len(times), law, (law[0], asked), LEVEL)
    return f"{text}; it would reject it in {power * 100:.0f} % of such samples if the end were {asked * 1e3:g} ms."


def _straight(quantiles: Sequence[float]) -> bool:
    """Whether evenly spaced quantiles are those of a uniform distribution."""
    width = quantiles[-1] - quantiles[0]
    steps = [later - earlier for earlier, later in itertools.pairwise(quantiles)]
    return max(steps) - min(steps) < _EVEN * width


#: The metrics that are true where theory predicted right, and the sentence for each.
_AGREEMENTS = {
    "placement_as_predicted": "Every flow was on the member that the driver's documented hash names, and where the"
    " switch can be asked on the one that its own trace names (which shows that the switch agrees with itself),",
    "as_predicted": "Every flow was on the member that the driver's documented hash names, and where the switch can be"
    " asked on the one that its own trace names (which shows that the switch agrees with itself),",
    "agrees_with_oracle": "The hosts that could reach each other were those that theory predicts",
}


def _agreements(records: Sequence[Record]) -> list[Claim]:
    found: list[Claim] = []
    for metric, words in _AGREEMENTS.items():
        right = [value for record in records if isinstance(value := record.metrics.get(metric), bool)]
        if right:
            found.append((f"{words} in {sum(right)} of {len(right)} trials.", all(right)))
    return found
