"""Made-up runs for tests of what reads runs. Clearly not measurements: the numbers come from theory and a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed import theory
from testbed.result import Record, Run, append_trial, create, load
from testbed.spec import Bond


def manifest(experiment: str, factors: Mapping[str, Any], figures: list[str], **more: Any) -> dict[str, Any]:
    """A run.json as the command line writes it."""
    return {
        "experiment": experiment,
        "title": f"Synthetic {experiment}",
        "question": "Does what reads a run show what is in it?",
        "topology": "single_switch",
        "factors": factors,
        "repetitions": 1,
        "figures": figures,
        "seed": 1,
        "argv": ["testbed", "run", experiment, "--seed", "1"],
        "backend": "guest",
        "clock": "virtual",
        **more,
    }


def record(number: int, experiment: str, case: dict[str, Any], metrics: dict[str, Any], **more: Any) -> Record:
    """One line of trials.jsonl."""
    values: dict[str, Any] = {
        "repetition": 0,
        "seed": number,
        "status": "ok",
        "reason": "",
        "virtual_s": 12.5,
        "wall_s": 3.0,
        "warnings": [],
    }
    return Record(experiment, case, metrics=metrics, raw=f"raw/{number:03d}", **{**values, **more})


def write(path: Path, text: dict[str, Any], records: list[Record]) -> Run:
    """A run on disk, loaded."""
    create(path, text)
    for one in records:
        append_trial(path, one)
    return load(path)


def aggregation(path: Path, repetitions: int = 3) -> Run:
    """Four modes, 1 to 8 members, flows placed at random; one trial failed."""
    chance = random.Random(7)
    records: list[Record] = []
    modes, counts, flows = ["balance-rr", "active-backup", "balance-xor", "802.3ad"], [1, 2, 4, 8], 16
    for mode in modes:
        for count in counts:
            for repetition in range(repetitions):
                number = len(records) + 1
                case = {"mode": mode, "members": count, "placement": "random", "flows": flows}
                if (mode, count, repetition) == ("802.3ad", 4, 1):
                    reason = "iperf3 flow from port 50001: unable to connect to server"
                    records.append(
                        record(
                            number,
                            "aggregation",
                            case,
                            {},
                            repetition=repetition,
                            status="failed",
                            reason=reason,
                        )
                    )
                    continue
                records.append(
                    record(
                        number,
                        "aggregation",
                        case,
                        _shared(mode, count, flows, chance),
                        repetition=repetition,
                    )
                )
    factors = {"mode": modes, "members": counts, "placement": ["random"], "flows": [flows]}
    return write(path, manifest("aggregation", factors, ["aggregate", "members"], repetitions=repetitions), records)


def _shared(mode: str, count: int, flows: int, chance: random.Random) -> dict[str, Any]:
    ideal = theory.ideal_mbps(mode, count, 1000.0)
    used = [0] * count
    for _ in range(flows):
        used[chance.randrange(count) if mode in theory.HASH_MODES else 0 if mode == "active-backup" else -1] += 1
    if mode == "balance-rr":
        used = [flows] * count
    carried = [round(1e9 * (part > 0) * chance.uniform(0.97, 1.0)) for part in used]
    goodput = ideal if mode in theory.ONE_MEMBER_MODES else ideal * sum(c > 0 for c in carried) / count
    goodput *= chance.uniform(0.992, 0.999)
    return {
        "goodput_mbps": goodput,
        "ideal_mbps": ideal,
        "goodput_ratio": goodput / ideal,
        "member_tx_bytes": carried,
        "jain_index": theory.jain_index(carried),
        "predicted_member_flows": used if mode in theory.HASH_MODES else None,
        "retransmits": chance.randrange(40),
    }


def failover(path: Path, repetitions: int = 12, fault: str = "carrier_loss", *, troubled: bool = True) -> Run:
    """Active-backup and 802.3ad; if ``troubled``, one trial is censored and one failed."""
    chance = random.Random(3)
    records: list[Record] = []
    modes = ["active-backup", "802.3ad"]
    for mode in modes:
        bond = Bond(("h1-eth0", "h1-eth1"), mode=mode)
        bound = theory.failover_bound(bond, fault)
        for repetition in range(repetitions):
            number = len(records) + 1
            case = {"mode": mode, "fault": fault, "probe_interval_ms": 1.0}
            last = troubled and mode == "802.3ad" and repetition >= repetitions - 2
            if last and repetition == repetitions - 1:
                status, reason, metrics = "failed", "the bonds came up: h1-eth0 has no link by MII", {}
            else:
                status, reason = ("censored", "h1>h2 did not resume before the repair") if last else ("ok", "")
                low, high = (bound.low_s, bound.bound_s) if bound else (0.0, 1.0)
                quick = bound is not None and not bound.uniform
                seconds = 2.0 if last else 0.002 if quick else 0.001 + chance.uniform(low, high)
                metrics = {
                    "outage_s": seconds,
                    "outage_loss_s": max(seconds - 0.001, 0.0),
                    "detection_s": seconds,
                    "lost": round(seconds * 1e3) - 1,
                    "duplicated": 0,
                    "reordered": 0,
                    "reversion_outage_s": 0.0,
                    "rejoin_s": 0.1,
                    "bound_s": None if bound is None else bound.bound_s,
                    "expected_s": None if bound is None else bound.expected_s,
                    "within_bound": None if bound is None else not last and seconds <= bound.limit_s,
                    "flows": {"h1>h2": {"outage_s": seconds}, "h2>h1": {"outage_s": 0.0}},
                }
            warnings = ["the probe's sender of h1>h2 paused 1 times, up to 2.3 ms"] if number == 2 else []
            records.append(
                record(
                    number,
                    "failover",
                    case,
                    metrics,
                    repetition=repetition,
                    status=status,
                    reason=reason,
                    warnings=warnings,
                )
            )
    factors = {"mode": modes, "fault": [fault], "probe_interval_ms": [1.0]}
    return write(path, manifest("failover", factors, ["outage"], repetitions=repetitions), records)
