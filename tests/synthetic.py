"""Synthetic runs for tests of what reads runs. They are no measurements: the numbers come from theory and a seed."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed import theory
from testbed.results import checksums
from testbed.results.result import Record, Run, append_trial, create, load
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
        "user_code": None,
        "user_topology": None,
        "networks": None,
        "own_figures": {},
        "runtime": None,
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
    goodput = ideal * chance.uniform(0.992, 0.999)
    placed: dict[str, Any] = {}
    if mode in theory.HASH_MODES:
        link = ideal / count
        entries = [member for member, part in enumerate(used) for _ in range(part)]
        places = [(entry, chance.randrange(count)) for entry in entries]
        band = theory.random_links(flows, count).times(link)
        fair = theory.max_min_links(places, count) * link
        goodput = fair * chance.uniform(0.992, 0.999)
        placed = {"placement_mbps": fair, "placement_most_mbps": theory.most_links(places) * link}
        placed |= {"placement_ratio": goodput / fair, "random_mbps": band.mean}
        placed |= {"random_low_mbps": band.low, "random_high_mbps": band.high}
    return {
        "goodput_mbps": goodput,
        "ideal_mbps": ideal,
        "goodput_ratio": goodput / ideal,
        **placed,
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
                quick = bound is not None and bound.law is None
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
                    "law_quantiles_s": None if bound is None else bound.quantiles_s,
                    "within_bound": None if bound is None else not last and bound.holds(seconds, 0.001),
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


def matrix(path: Path) -> Run:
    """Every mode under several faults, two trials each; some censored, one beyond its bound, one cell failed."""
    chance = random.Random(5)
    modes = ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"]
    faults = ["carrier_loss", "silent_loss", "switch_crash", "controller_crash", "miscabling"]
    records = []
    for mode, fault, repetition in itertools.product(modes, faults, range(2)):
        case = {"mode": mode, "fault": fault}
        number = len(records) + 1
        more: dict[str, Any] = {"repetition": repetition}
        metrics: dict[str, Any] = {}
        if fault == "miscabling" and mode == "balance-tlb":
            more |= {"status": "failed", "reason": "the bonds came up: h1-eth0 has no link by MII"}
        elif fault == "miscabling" and mode == "broadcast":
            metrics = {"outage_s": 0.5, "bound_s": 0.2, "within_bound": False}
        else:
            bond = Bond(("h1-eth0", "h1-eth1"), mode=mode)
            bound = theory.failover_bound(bond, fault if fault in ("carrier_loss", "silent_loss") else "none")
            if bound is None:
                more |= {"status": "censored", "reason": "h1>h2 did not resume before the repair"}
            outage_s = 3.0 if bound is None else chance.uniform(bound.low_s, bound.bound_s)
            metrics = {"outage_s": outage_s, "bound_s": bound and bound.bound_s, "within_bound": bound and True}
        records.append(record(number, "failover", case, metrics, **more))
    factors = {"mode": modes, "fault": faults}
    return write(path, manifest("failover", factors, ["matrix", "ecdf"], repetitions=2), records)


def noticed(path: Path, *, evenly: bool = True) -> Run:
    """Two monitoring intervals, 8 trials of 25 faults each; detection uniform over the interval, or not."""
    chance = random.Random(11)
    records = []
    for interval_ms, repetition in itertools.product((50, 100), range(8)):
        seconds = interval_ms / 1e3
        shape = 1.0 if evenly else 2.0
        times = [seconds * chance.random() ** shape for _ in range(25)]
        metrics = {"detections_s": times, "bound_s": seconds, "expected_s": seconds / 2, "within_bound": True}
        case = {"mode": "active-backup", "miimon_ms": interval_ms}
        records.append(record(len(records) + 1, "miimon", case, metrics, repetition=repetition))
    factors = {"mode": ["active-backup"], "miimon_ms": [50, 100]}
    return write(path, manifest("miimon", factors, ["detection"], repetitions=8), records)


def parted(path: Path) -> Run:
    """Outages split into their parts, in three cases; one of them could not be split."""
    chance = random.Random(13)
    records = []
    for mode, repetition in itertools.product(("active-backup", "802.3ad", "balance-rr"), range(4)):
        parts = [chance.uniform(0, most) for most in (0.1, 0.002, 0.005, 0.003)]
        names = ("detection_s", "decision_s", "programming_s", "forwarding_s")
        metrics: dict[str, Any] = {**dict(zip(names, parts, strict=True)), "outage_s": sum(parts)}
        if mode == "balance-rr":
            metrics = {**dict.fromkeys(names), "outage_s": 0.0}
        case = {"mode": mode, "fault": "carrier_loss"}
        records.append(record(len(records) + 1, "failover", case, metrics, repetition=repetition))
    factors = {"mode": ["active-backup", "802.3ad", "balance-rr"], "fault": ["carrier_loss"]}
    return write(path, manifest("failover", factors, ["split"], repetitions=4), records)


def placed(path: Path, *, wrong: bool = False) -> Run:
    """Flows hashed on 2 to 8 members by three policies; if ``wrong``, one flow of one trial went elsewhere."""
    chance = random.Random(17)
    records = []
    policies, counts = ["layer2", "layer2+3", "layer3+4"], [2, 4, 8]
    for policy, count, repetition in itertools.product(policies, counts, range(2)):
        used = [0] * count
        for _ in range(32):
            used[0 if policy == "layer2" else chance.randrange(count)] += 1
        measured = list(used)
        if wrong and (policy, count, repetition) == ("layer3+4", 4, 1):
            measured[0], measured[1] = measured[0] - 1, measured[1] + 1
        case = {"mode": "802.3ad", "xmit_hash_policy": policy, "members": count}
        metrics = {"predicted_member_flows": used, "measured_member_flows": measured}
        records.append(record(len(records) + 1, "hashing", case, metrics, repetition=repetition))
    factors = {"mode": ["802.3ad"], "xmit_hash_policy": policies, "members": counts}
    return write(path, manifest("hashing", factors, ["placement"], repetitions=2), records)


def transfers(path: Path) -> Run:
    """Two modes over four members of 100 Mbit/s, sampled every 50 ms; from 1 s to 1.5 s one member is cut."""
    chance = random.Random(19)
    records = []
    for mode in ("active-backup", "802.3ad"):
        one = record(len(records) + 1, "aggregation", {"mode": mode, "members": 4}, {"goodput_mbps": 90.0})
        records.append(one)
        lines, sent = ["t_s,interface,tx_bytes,rx_bytes"], [0, 0, 0, 0]
        for step in range(61):
            for member in range(4):
                cut = member == 0 and 20 < step <= 30
                busy = member == (1 if 20 < step <= 30 else 0) if mode == "active-backup" else not cut
                sent[member] += round(100e6 / 8 * 0.05 * chance.uniform(0.97, 1)) if busy and step else 0
                lines.append(f"{5 + step * 0.05:.3f},h1-eth{member},{sent[member]},{sent[member] // 40}")
                lines.append(f"{5 + step * 0.05:.3f},h2-eth{member},{sent[member] // 40},{sent[member]}")
        raw_file(path, one, "member_rates.csv", "\n".join(lines) + "\n")
        fault = {"source": "fault", "fault": "carrier_loss", "element": "s1-eth1"}
        events = [{"t_s": 6.0, "event": "begin", **fault}, {"t_s": 6.5, "event": "end", **fault}]
        raw_file(path, one, "timeline.jsonl", "".join(json.dumps(event) + "\n" for event in events))
    factors = {"mode": ["active-backup", "802.3ad"], "members": [4]}
    return after(path, manifest("aggregation", factors, ["throughput"]), records)


def raw_file(path: Path, one: Record, name: str, text: str) -> None:
    """A raw file of a trial of a run that is about to be written."""
    file = path.parent / f".{path.name}" / one.raw / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def after(path: Path, text: dict[str, Any], records: list[Record]) -> Run:
    """A run with the raw files that `raw_file` wrote before it."""
    create(path, text)
    (path.parent / f".{path.name}" / "raw").rename(path / "raw")
    for one in records:
        checksums.write(path / one.raw)
        append_trial(path, one)
    return load(path)


def overtaken(path: Path) -> Run:
    """Round robin over two members whose delays differ by three amounts: half of the packets are overtaken in two."""
    levels = [0.0, 1.0, 5.0]
    records = [
        record(
            number,
            "reordering",
            {"mode": "balance-rr", "difference_ms": level},
            {
                "reordered_ratio": 0.5 if level else 0.0,
                "expected_reordered_ratio": 0.5 if level else 0.0,
                "links_worth": worth,
            },
        )
        for number, (level, worth) in enumerate(zip(levels, (2.0, 0.5, 0.1), strict=True), 1)
    ]
    factors = {"mode": ["balance-rr"], "difference_ms": levels}
    return write(path, manifest("reordering", factors, ["reordering"]), records)


def displaced(path: Path) -> Run:
    """Flows placed by a bond and by a switch, 100 on each of 2 and 4 members, as the modulo and scores have it."""
    records = []
    for by in ("host", "switch"):
        for members in (2, 4):
            moved = 1 - 1 / members if by == "host" else 1 / members
            shares = {"lost": 1 / members, "moved": moved, "in_vain": moved - 1 / members, "back": moved, "astray": 0.0}
            metrics = {
                "flows": 100 * members,
                "measured_member_flows": [100] * members,
                **{f"{what}_share": share for what, share in shares.items()},
                **{f"law_{what}_share": share for what, share in shares.items()},
            }
            case = {"placed_by": by, "mode": "802.3ad", "members": members}
            records.append(record(len(records) + 1, "displacement", case, metrics))
    factors = {"placed_by": ["host", "switch"], "mode": ["802.3ad"], "members": [2, 4]}
    return write(path, manifest("displacement", factors, ["displacement"]), records)


def mapped(path: Path) -> Run:
    """Three techniques under two failures: one loses nothing, one recovers within its bound, one never notices."""
    records = []
    techniques = ("prp", 0.0, 1.0, 2.0), ("802.3ad", 0.002, 2.0, 1.0), ("spare", 3.0, 1.0, 1.0)
    for technique, outage_s, usable, cost in techniques:
        for failure in ("carrier", "silent"):
            never = technique == "spare" and failure == "silent"
            metrics = {
                "outage_s": outage_s,
                "bound_s": None if never else 0.1,
                "within_bound": None if never else True,
                "reversion_outage_s": 0.0,
                "usable_before_links": usable,
                "usable_during_links": 1.0,
                "usable_after_links": usable,
                "wire_cost_before": cost,
                "law_usable_before_links": usable,
                "law_usable_during_links": None if never else 1.0,
                "law_wire_cost_before": cost,
                "why_no_law_during": "nothing notices" if never else None,
                "duplicated": 0,
                "reordered": 0,
            }
            case = {"technique": technique, "mode": technique, "failure": failure, "fault": f"{failure}_loss"}
            more = {"status": "censored", "reason": "did not resume before the repair"} if never else {}
            records.append(record(len(records) + 1, "atlas", case, metrics, **more))
    factors = {name: list(dict.fromkeys(each.case[name] for each in records)) for name in records[0].case}
    sets = {"technique": ["mode"], "failure": ["fault"]}
    return write(path, {**manifest("atlas", factors, ["atlas", "matrix"]), "sets": sets}, records)


def costly(path: Path) -> Run:
    """Two sizes of network, each set up alone and run for 30 s."""
    sizes, times = [4, 16], [0.0, 30.0]
    records = [
        record(
            number,
            "scaling",
            {"hosts": hosts, "run_s": run_s, "probes": 0},
            {"interfaces": 4 * hosts},
            wall_s=hosts + run_s / 10,
        )
        for number, (hosts, run_s) in enumerate(itertools.product(sizes, times), 1)
    ]
    return write(path, manifest("scaling", {"hosts": sizes, "run_s": times}, ["cost"]), records)


def audited(path: Path) -> Run:
    """Three elements, one of them a single point of failure."""
    found = [
        ("s1", "switch", False, 4.0, None),
        ("a--b", "member", True, 0.0, 0.1),
        ("c--d", "member", True, 0.05, 0.1),
    ]
    records = [
        record(
            number,
            "audit",
            {"element": element},
            {"element": element, "kind": kind, "survived": survived, "outage_s": outage_s, "bound_s": bound_s},
        )
        for number, (element, kind, survived, outage_s, bound_s) in enumerate(found, 1)
    ]
    return write(path, manifest("audit", {"element": [each[0] for each in found]}, ["elements"]), records)


def tcp_failover(path: Path) -> Run:
    """Flows that resume when TCP tries again, over paths that are away for 0 to 400 ms; one trial undetected."""
    records = []
    for number, noticed_s in enumerate((0.01, 0.15, 0.39, None), 1):
        away_s = noticed_s or 0.0
        first_s = theory.next_try_s(away_s, 0.009)
        stalls = [first_s, theory.mistaken_s(first_s + 0.009, 0.009)]
        metrics = {
            "stall_s": max(stalls),
            "noticed_s": noticed_s,
            "rtt_s": 0.009,
            "bound_s": theory.longest_stall_s(0.4, 0.012),
            "within_bound": True,
            **{"goodput_before_mbps": 941.0, "goodput_during_mbps": 940.0, "goodput_after_mbps": 941.0},
            **{f"ideal_{when}_mbps": 941.0 for when in ("before", "during", "after")},
            "flows": {f"from port {port}": {"stall_s": stall} for port, stall in zip((9, 10), stalls, strict=True)},
        }
        case = {"mode": "active-backup", "miimon_ms": 400}
        records.append(record(number, "tcp_failover", case, metrics, repetition=number - 1))
    factors = {"mode": ["active-backup"], "miimon_ms": [400]}
    return write(path, manifest("tcp_failover", factors, ["stall"], repetitions=len(records)), records)
