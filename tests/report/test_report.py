"""The report and the table of cases, from made-up runs."""

from __future__ import annotations

import dataclasses
import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import synthetic

from testbed.report import case_rows, problems, verdicts, write_report
from testbed.report.spread import spread_rows
from testbed.results.result import load


class Page(HTMLParser):
    """What a browser would fetch, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "srcset", "poster") or tag == "link":
                self.fetched.append(value or "")
            elif name == "href":
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_opens_offline_and_shows_every_trial(tmp_path: Path) -> None:
    run = synthetic.failover(tmp_path / "run")
    path = write_report(run)
    assert path == tmp_path / "run" / "report.html"
    text = path.read_text()
    page = Page(text)
    assert page.open == []
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.fetched)
    assert len(page.fetched) == 1
    assert "url(" not in text and "@import" not in text and "<script" not in text
    for record in run.records:
        assert f"{record.raw}/" in page.links
        assert all(warning in html.unescape(text) for warning in record.warnings)
    assert "the bonds came up: h1-eth0 has no link by MII" in text
    assert "did not resume before the repair" in text
    assert "testbed run failover --seed 1" in text
    assert "22 ok, 1 failed, 1 censored" in text


def test_text_from_outside_is_escaped(tmp_path: Path) -> None:
    case = {"mode": "802.3ad", "members": 2, "flows": 4}
    reason = "<script>alert(1)</script> & more"
    failed = synthetic.record(1, "aggregation", case, {}, status="failed", reason=reason)
    manifest = synthetic.manifest("aggregation", {"mode": ["802.3ad"], "members": [2]}, ["aggregate", "members"])
    text = write_report(synthetic.write(tmp_path / "run", manifest, [failed])).read_text()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in text


def test_the_same_run_gives_the_same_report(tmp_path: Path) -> None:
    run = synthetic.failover(tmp_path / "run", repetitions=3)
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


def test_an_unfinished_run_and_damage_are_reported(tmp_path: Path) -> None:
    whole = synthetic.failover(tmp_path / "whole", repetitions=3)
    manifest = {**whole.manifest, "repetitions": 5}
    run = synthetic.write(tmp_path / "part", {k: v for k, v in manifest.items() if k != "format"}, [*whole.records])
    with (run.path / "trials.jsonl").open("a") as file:
        file.write('{"experiment": "failover", "ca')
    text = write_report(load(run.path)).read_text()
    assert "This run is not complete: 6 of 10 trials have ended." in text
    assert "Damaged, and counted nowhere: trials.jsonl line 7" in text


def test_a_run_without_a_trial_has_a_report(tmp_path: Path) -> None:
    manifest = synthetic.manifest("failover", {"mode": ["802.3ad"]}, ["outage"])
    text = write_report(synthetic.write(tmp_path / "run", manifest, [])).read_text()
    assert "This run is not complete: 0 of 1 trials have ended." in text


def test_rows_of_failover(tmp_path: Path) -> None:
    header, rows = case_rows(synthetic.failover(tmp_path / "run"))
    assert header[:7] == ["mode", "n", "outage ms", "95 % interval", "longest ms", "bound ms", "within bound"]
    assert [row[:2] for row in rows] == [["active-backup", "12"], ["802.3ad", "12 (1 failed, 1 censored)"]]
    assert [row[3] for row in rows][1] == "2.0 to 2.0"  # one of 11 censored: the median is known all the same
    assert [row[4] for row in rows][1] == "> 2000.0"
    assert [row[5] for row in rows] == ["104", "0"]
    assert [row[6] for row in rows] == ["12 of 12", "10 of 11"]
    assert all(len(row) == len(header) for row in rows)


def test_rows_of_aggregation(tmp_path: Path) -> None:
    header, rows = case_rows(synthetic.aggregation(tmp_path / "run"))
    assert header == ["mode", "members", "n", "goodput Mbit/s", "ideal Mbit/s", "of ideal", "Jain index", "retransmits"]
    assert len(rows) == 16
    assert ["802.3ad", "4", "3 (1 failed)"] in [row[:3] for row in rows]
    assert [row[4] for row in rows if row[0] == "active-backup"] == ["941.5"] * 4


def test_a_single_case_is_named_by_its_mode(tmp_path: Path) -> None:
    metrics = {"goodput_mbps": 900.0, "ideal_mbps": 941.48, "goodput_ratio": 0.956, "retransmits": 1}
    one = synthetic.record(1, "aggregation", {"mode": "802.3ad", "members": 1}, metrics)
    run = synthetic.write(
        tmp_path / "run", synthetic.manifest("aggregation", {"mode": ["802.3ad"], "members": [1]}, []), [one]
    )
    header, rows = case_rows(run)
    assert (header[0], rows[0][0]) == ("mode", "802.3ad")
    (verdict,) = verdicts(run)
    assert verdict.case == "mode 802.3ad"
    assert verdict.text == "Goodput is 95.6 % of the ideal."
    assert verdict.holds is False


def test_verdicts_of_failover(tmp_path: Path) -> None:
    held, broken = verdicts(synthetic.failover(tmp_path / "run"))
    assert held.holds is True
    assert re.fullmatch(
        r"Every outage is within the bound of 104 ms and its tolerance; the longest is \d+\.\d ms\.", held.text
    )
    assert broken.holds is False
    assert broken.text == (
        "1 of 11 outages exceed the bound of 0 ms. In 1 of 12 trials traffic did not resume before the repair."
        " 1 of 12 trials failed and do not count."
    )


def test_a_fault_that_is_not_detected_has_no_verdict(tmp_path: Path) -> None:
    first, _ = verdicts(synthetic.failover(tmp_path / "run", fault="silent_loss"))
    assert first.holds is None
    assert first.text == "Theory gives no bound: this fault is not noticed in this mode."


def test_random_placement_is_compared_with_the_band_and_each_trial_with_its_own_placement(tmp_path: Path) -> None:
    found = {verdict.case: verdict for verdict in verdicts(synthetic.aggregation(tmp_path / "run"))}
    # 16 flows hashed twice over 8 links: 5.53 of them on average, and 4.5 to 6.5 in 90 % of all placements.
    text = found["mode 802.3ad, members 8"].text
    assert "the expected mean is 69.1 %, and 90 % of all placements give 56.2 to 81.2 %." in text
    assert "3 of 3 trials have what their own placement allows" in text
    assert found["mode 802.3ad, members 8"].holds is True
    assert found["mode balance-rr, members 8"].holds is True


@pytest.mark.parametrize(("links", "holds"), [(2.9, False), (3.0, True), (3.3, True), (4.0, True), (4.1, False)])
def test_a_goodput_outside_what_its_placement_allows_is_not_right(tmp_path: Path, links: float, holds: bool) -> None:
    case = {"mode": "802.3ad", "members": 4, "placement": "random", "flows": 16}
    allowed = {"placement_mbps": 3 * 941.48, "placement_most_mbps": 4 * 941.48}
    metrics = {"goodput_mbps": links * 941.48, "ideal_mbps": 4 * 941.48, "goodput_ratio": links / 4, **allowed}
    factors = {"mode": ["802.3ad"], "placement": ["random"]}
    one = synthetic.record(1, "aggregation", case, metrics)
    (verdict,) = verdicts(synthetic.write(tmp_path / "run", synthetic.manifest("aggregation", factors, []), [one]))
    assert verdict.holds is holds


def test_lost_and_changed_raw_files_are_reported(tmp_path: Path) -> None:
    run = synthetic.transfers(tmp_path / "run")
    assert problems(run) == []
    (run.path / "raw/001/timeline.jsonl").unlink()
    (run.path / "raw/002/member_rates.csv").write_text("t_s\n")
    text = html.unescape(write_report(run).read_text())
    assert "Raw files are not as they were written: raw/001/timeline.jsonl is missing" in text
    assert re.search(r"raw/002/member_rates.csv has 4 octets; it had \d+", text)
    assert 'href="raw/001/member_rates.csv"' in text and 'href="raw/001/timeline.jsonl"' not in text


def test_trials_on_a_machine_that_did_not_keep_up_are_named(tmp_path: Path) -> None:
    warned = ["fidelity: the processor was busy 99 % of the time in 3 of 9 periods of 0.5 s; wanted at most 95 %"]
    records = [
        synthetic.record(n, "failover", {"mode": "802.3ad"}, {"outage_s": 0.1}, warnings=warned if n == 2 else [])
        for n in (1, 2)
    ]
    manifest = synthetic.manifest("failover", {"mode": ["802.3ad"]}, [], repetitions=2)
    assert problems(synthetic.write(tmp_path / "run", manifest, records)) == [
        "The machine did not keep up in 1 of 2 trials, so do not trust their times: 2"
    ]


def test_a_precision_that_was_not_reached_and_cases_left_out_are_reported(tmp_path: Path) -> None:
    until = {"relative": 0.05, "metric": "outage_s", "least": 2, "most": 4, "widest": 0.2, "reached": False}
    more = {"until_ci": until, "left_out": ["mode=802.3ad fault=flood: no"], "repetitions": 4, "order": ""}
    run = synthetic.failover(tmp_path / "whole", repetitions=4)
    manifest = {**{key: value for key, value in run.manifest.items() if key != "format"}, **more}
    again = synthetic.write(tmp_path / "run", manifest, [*run.records])
    sentence = "The median of outage_s is not known to 5 % in every case after 4 repetitions."
    assert problems(again) == [sentence]
    text = write_report(again).read_text()
    assert sentence in text and "Left out: mode=802.3ad fault=flood: no" in text


def test_detection_times_are_compared_with_their_distribution(tmp_path: Path) -> None:
    for found in verdicts(synthetic.noticed(tmp_path / "even")):
        assert found.holds is True
        assert re.search(r"200 detection times from .*; by theory they are uniform over \(0, \d+\] ms", found.text)
        # The largest of 200 is that far below the end at most, with 95 %: 0.05^(-1/200) = 1.0151.
        least, most = (float(end) for end in re.search(r"is ([\d.]+) to ([\d.]+) ms", found.text).groups())
        assert most / least == pytest.approx(1.0151, abs=3e-4)
    for found in verdicts(synthetic.noticed(tmp_path / "skewed", evenly=False)):
        assert found.holds is False
        assert "A Kolmogorov-Smirnov test rejects that" in found.text


@pytest.mark.parametrize(
    ("latest", "holds"), [(0.6094, True), (0.6103, True), (0.6104, False), (0.6093, False), (None, False)]
)
def test_a_law_of_one_time_holds_up_to_the_tick(tmp_path: Path, latest: float | None, holds: bool) -> None:
    # RFC 5798, 6.1: after an orderly stop the other router waits the skew, (256 - 100) / 256 of the interval: one time.
    skew = 156 / 256
    metrics = {"detections_s": [skew, latest], "low_s": skew, "expected_s": skew, "bound_s": skew}
    one = synthetic.record(1, "gateway", {"fault": "service_stop"}, metrics)
    run = synthetic.write(tmp_path / "run", synthetic.manifest("gateway", {"fault": ["service_stop"]}, []), [one])
    (found,) = verdicts(run)
    assert "by theory each is 609.375 ms" in found.text and found.holds is holds


def test_an_experiment_with_other_metrics_has_a_table_of_these(tmp_path: Path) -> None:
    metrics = {"shuffled_ratio": 0.25, "kept": True, "name": "x", "many": [1]}
    one = synthetic.record(1, "reordering", {"mode": "balance-rr"}, metrics)
    run = synthetic.write(tmp_path / "run", synthetic.manifest("any", {"mode": ["balance-rr"]}, []), [one])
    header, rows = case_rows(run)
    assert (header, rows) == (["mode", "n", "shuffled_ratio", "kept"], [["balance-rr", "1", "0.25", "1 of 1"]])


def test_a_median_beyond_every_observed_value(tmp_path: Path) -> None:
    case = {"mode": "active-backup"}
    records = [synthetic.record(n, "failover", case, {"outage_s": 3.0}, status="censored") for n in range(1, 9)]
    run = synthetic.write(tmp_path / "run", synthetic.manifest("failover", {"mode": ["active-backup"]}, []), records)
    header, rows = case_rows(run)
    row = dict(zip(header, rows[0], strict=True))
    assert (row["outage ms"], row["longest ms"], row["95 % interval"]) == ("beyond", "> 3000.0", "beyond to beyond")


def test_the_spread_has_only_percentiles_with_enough_trials(tmp_path: Path) -> None:
    records = [
        synthetic.record(n, "failover", {"mode": "active-backup"}, {"outage_s": n / 1e3, "within_bound": True})
        for n in range(1, 22)
    ]
    run = synthetic.write(tmp_path / "run", synthetic.manifest("failover", {"mode": ["active-backup"]}, []), records)
    header, rows = spread_rows(run)
    (row,) = rows
    # 1, 2, ... 21 ms: the quartiles are the 6th and the 16th, the 95th percentile the 20th value; 99 wants 100 of them.
    assert dict(zip(header, row, strict=True)) == {
        **{"mode": "active-backup", "of": "outage, ms", "n": "21", "least": "1.0", "1st quartile": "6.0"},
        **{"median": "11.0", "3rd quartile": "16.0", "95th": "20.0", "99th": "-", "most": "21.0"},
    }
    assert '<h2 id="spread">' in write_report(run).read_text()


def test_a_spread_counts_censored_trials_and_every_detection(tmp_path: Path) -> None:
    outages = [
        synthetic.record(n, "any", {"mode": "a"}, {"outage_s": 1.0}, status="ok" if n < 5 else "censored")
        for n in range(1, 9)
    ]
    times = [synthetic.record(9, "any", {"mode": "b"}, {"detections_s": [0.1 * n for n in range(100)]})]
    manifest = synthetic.manifest("any", {"mode": ["a", "b"]}, [])
    header, (first, second) = spread_rows(synthetic.write(tmp_path / "run", manifest, [*outages, *times]))
    assert first[header.index("n")] == "8 (4 censored)"
    assert first[header.index("3rd quartile")] == "beyond"
    assert second[header.index("n")] == "100"
    assert float(second[header.index("99th")]) == 9801.0


def test_detections_of_a_failed_trial_do_not_count(tmp_path: Path) -> None:
    good, bad = [0.001 * n for n in range(1, 11)], [7.0] * 10
    records = [
        synthetic.record(1, "any", {"mode": "a"}, {"detections_s": good, "detection_max_s": 0.01}),
        synthetic.record(2, "any", {"mode": "a"}, {"detections_s": bad}, status="failed", reason="no link"),
    ]
    run = synthetic.write(tmp_path / "run", synthetic.manifest("any", {"mode": ["a"]}, []), records)
    header, (row,) = spread_rows(run)
    assert (row[header.index("n")], row[header.index("most")]) == ("10", "10.0")
    columns, (cells,) = case_rows(run)
    assert (cells[columns.index("detections")], cells[columns.index("longest ms")]) == ("10", "10.0")


@pytest.mark.parametrize(("ends", "counts"), [(1, {"faults": "5"}), (2, {"faults": "5", "detections": "10"})])
def test_a_fault_that_two_ends_detect_is_one_fault(tmp_path: Path, ends: int, counts: dict[str, str]) -> None:
    metrics = {"faults": 5, "detections_s": [0.1] * 5 * ends}
    run = synthetic.write(
        tmp_path / "run", synthetic.manifest("any", {}, []), [synthetic.record(1, "any", {}, metrics)]
    )
    columns, (cells,) = case_rows(run)
    shown = dict(zip(columns, cells, strict=True))
    assert {name: shown[name] for name in ("faults", "detections") if name in shown} == counts


def test_few_trials_have_no_spread(tmp_path: Path) -> None:
    run = synthetic.failover(tmp_path / "run", repetitions=2)
    assert spread_rows(run)[1] == []
    assert '<h2 id="spread">' not in write_report(run).read_text()


def test_stalls_are_compared_with_tcps_timers_and_goodput_with_the_members_left(tmp_path: Path) -> None:
    run = synthetic.tcp_failover(tmp_path / "run")
    (verdict,) = verdicts(run)
    assert verdict.holds is True
    assert "No flow stalled for longer than TCP's timers explain" in verdict.text
    assert "100.0 % before the fault, 99.9 % while it lasted, 100.0 % after the repair" in verdict.text
    worse = [
        synthetic.record(n, "tcp_failover", r.case, {**r.metrics, "within_bound": n > 1, "goodput_during_mbps": 700.0})
        for n, r in enumerate(run.records, 1)
    ]
    (verdict,) = verdicts(dataclasses.replace(run, records=tuple(worse)))
    assert verdict.holds is False
    assert "In 1 of 4 trials a flow stalled for longer" in verdict.text


def test_a_bound_that_was_kept_is_no_agreement_with_a_law(tmp_path: Path) -> None:
    metrics = {"outage_s": 0.05, "bound_s": 0.104, "within_bound": True}
    one = synthetic.record(1, "failover", {"mode": "active-backup"}, metrics)
    manifest = synthetic.manifest("failover", {"mode": ["active-backup"]}, [])
    text = write_report(synthetic.write(tmp_path / "bound", manifest, [one])).read_text()
    assert "✓ within the bound (n = 1)" in text and "agrees<" not in text
    text = write_report(synthetic.noticed(tmp_path / "law")).read_text()
    assert text.count("✓ agrees") == 2 and "✓ within" not in text


def test_the_pair_is_shown_and_trials_whose_flows_were_not_hit_are_named(tmp_path: Path) -> None:
    """What no measured flow crossed shows no outage, however short the table's numbers are."""
    case = {"mode": "active-backup"}
    records = [
        synthetic.record(number, "failover", case, {"outage_s": 0.0, "exposed_flows": flows})
        for number, flows in ((1, []), (2, ["h1>h3"]), (3, []))
    ]
    made = synthetic.manifest("failover", {"mode": ["active-backup"]}, [], pairs=["h1+h3"])
    run = synthetic.write(tmp_path / "run", made, records)
    (told,) = [text for text in problems(run) if text.startswith("Not exposed: ")]
    assert "in 2 of 3 trials no measured flow crossed what failed" in told and ": 1, 3. " in told
    page = write_report(run).read_text()
    assert "h1+h3" in page and "Not exposed: " in page


def test_sessions_that_survived_are_counted_over_all_trials(tmp_path: Path) -> None:
    case = {"firewall_sync": "none"}
    metrics = [{"sessions": 10, "survivors": 0, "stall_s": None}, {"sessions": 10, "survivors": 3, "stall_s": 0.7}]
    records = [synthetic.record(n, "stateful_failover", case, each) for n, each in enumerate(metrics, start=1)]
    factors = {"firewall_sync": ["none"]}
    run = synthetic.write(tmp_path / "run", synthetic.manifest("stateful_failover", factors, []), records)
    header, (row,) = case_rows(run)
    assert row[header.index("survivors")] == "3 of 20"


GATEWAY = load(Path(__file__).parents[2] / "results" / "reference" / "gateway")


def test_outages_have_a_bound_of_their_own_beside_that_of_detections() -> None:
    """A router that stops in order is noticed after VRRP's skew, 609.375 ms, and costs no packet (RFC 5798)."""
    found = {verdict.case: verdict for verdict in verdicts(GATEWAY)}
    text = found["fault service_stop, vrrp_advert_ms 1000"].text
    assert text.startswith("Every outage is within the bound of 0 ms and its tolerance; the longest is 0.0 ms.")
    assert "by theory each is 609.375 ms" in text
    header, _ = case_rows(GATEWAY)
    assert {"outage bound ms", "detected from ms", "detected by ms"} <= set(header) and "bound ms" not in header


def test_an_experiments_own_laws_decide_where_no_sentence_does() -> None:
    found = verdicts(load(Path(__file__).parents[2] / "results" / "reference" / "stateful_failover"))
    assert found and all(verdict.holds is True for verdict in found)


@pytest.mark.parametrize(("connected", "why"), [(False, "are not connected before the repair"), (None, "does not say")])
def test_an_audit_without_a_bound_says_why(tmp_path: Path, connected: bool | None, why: str) -> None:
    metrics = {"outage_s": 1.0, "bound_s": None, "within_bound": None, "expected_connected": connected}
    record = synthetic.record(
        1, "audit", {"element": "f1+f2"}, metrics, status="censored", reason="not before the repair"
    )
    manifest = synthetic.manifest("audit", {"element": ["f1+f2"]}, [])
    (verdict,) = verdicts(synthetic.write(tmp_path / "run", manifest, [record]))
    assert why in verdict.text


@pytest.mark.parametrize(
    ("outages_s", "said"),
    [
        ((0.3, 0.2), "1 of 2 outages exceed the bound of 250 ms."),
        ((0.01, 0.2), "In 1 of 2 trials no outage exceeds the bound of 250 ms, but theory says otherwise: "),
    ],
)
def test_an_outage_below_its_bound_does_not_exceed_it(
    tmp_path: Path, outages_s: tuple[float, float], said: str
) -> None:
    """A law from 100 to 250 ms: an outage of 300 ms exceeds it, one of 10 ms is shorter than its least."""
    records = [
        synthetic.record(
            number,
            "gateway",
            {"fault": "router_crash"},
            {"outage_s": each, "outage_bound_s": 0.25, "bound_s": 0.25, "within_bound": 0.1 <= each <= 0.25},
        )
        for number, each in enumerate(outages_s, start=1)
    ]
    manifest = synthetic.manifest("gateway", {"fault": ["router_crash"]}, [])
    (verdict,) = verdicts(synthetic.write(tmp_path / "run", manifest, records))
    assert verdict.holds is False and verdict.text.startswith(said)
    assert ("exceed the" in verdict.text) is (max(outages_s) > 0.25)


def test_what_other_tenants_felt_is_in_the_table(tmp_path: Path) -> None:
    """Only where there are others: without them the two metrics are null."""
    reference = Path(__file__).parents[2] / "results" / "reference"
    header, rows = case_rows(load(reference / "gateway_tenants"))
    others = [row[header.index("other tenants' longest ms")] for row in rows if row[0] == "carrier_loss"]
    assert others == ["0.0", "0.0"] and {row[header.index("packets across tenants")] for row in rows} == {"0"}
    assert "packets across tenants" not in case_rows(load(reference / "gateway"))[0]
