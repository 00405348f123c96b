"""The selection logic: partners and keys, standby, min_links, wait-to-restore, fallback, loopback."""

from __future__ import annotations

import json

import pytest

from testbed.lacp import Distribute, LagConfig, LagId, PortConfig, System, SystemId, Transmit
from testbed.lacp.config import Fallback
from tests.lacp.wire import GAP_S, MACS, Lab, config, distributes, pair, star


def test_two_keys_of_a_partner_never_share_an_aggregator() -> None:
    lab = Lab()
    lab.add("A", config())
    lab.add("B", config(1, name="one"), config(2, name="two"))
    for number, far in ((1, "one"), (2, "two")):
        lab.plug(PortConfig(number, "lag", number), "A", PortConfig(number, far, number), "B")
    lab.all_up()
    lab.run(10.0)
    assert lab.distributing["A", "lag"] == (1,)
    assert (lab.distributing["B", "one"], lab.distributing["B", "two"]) == ((1,), ())


def test_a_port_that_changes_partner_detaches_first() -> None:
    lab = star()
    for cable in lab.cables[:2]:
        lab.carrier(cable, True)
    lab.run(5.0)
    from_c = next(e for e in lab.systems["C"].set_carrier(3, True, lab.now) if isinstance(e, Transmit))
    lab.deliver("A", 1, from_c.payload)
    assert lab.port("A", 1)["machines"]["mux"] == "DETACHED"
    assert lab.distributing["A", "lag"] == (2,)


def test_a_multi_chassis_partner_is_one_partner() -> None:
    """Two chassis share a system identifier and key, and number their ports differently."""
    lab = Lab()
    lab.add("A", config())
    lab.add("B", config(), system=MACS["B"])
    lab.add("C", config(), system=MACS["B"])
    lab.plug(PortConfig(1, "lag", 1), "A", PortConfig(1, "lag", 0x0101), "B")
    lab.plug(PortConfig(2, "lag", 2), "A", PortConfig(1, "lag", 0x0201), "C")
    lab.all_up()
    assert lab.run_until(3.0, lambda: distributes(lab, 1, 2, ends="A"))


def test_individual_links_do_not_aggregate() -> None:
    """A partner whose Aggregation bit is clear offers individual links: the aggregator takes one."""
    lab = pair(config(), LagConfig("lag", 1, aggregation=False))
    lab.all_up()
    lab.run(10.0)
    assert lab.distributing["A", "lag"] == (1,)
    assert distributes(lab, 1)


def test_a_lag_is_not_aggregated_with_itself() -> None:
    lab = Lab()
    lab.add("A", config())
    lab.plug(PortConfig(1, "lag", 1), "A", PortConfig(2, "lag", 2), "A")
    lab.all_up()
    lab.run(20.0)
    assert lab.distributing["A", "lag"] == ()
    assert lab.port("A", 1)["reason"] == "loopback: the partner is this LAG"


def test_two_lags_of_a_system_may_be_joined() -> None:
    lab = Lab()
    lab.add("A", config(1, name="one"), config(2, name="two"))
    for number in (1, 2):
        lab.plug(PortConfig(number, "one", number), "A", PortConfig(10 + number, "two", 10 + number), "A")
    lab.all_up()
    assert lab.run_until(3.0, lambda: len(lab.distributing["A", "one"]) == 2 == len(lab.distributing["A", "two"]))


# --- max_active ---------------------------------------------------------------------------------------------------


def four_of_which_two() -> Lab:
    """Four cables; A (which decides) prefers 4 and 3, B would prefer 1 and 2. B takes any number."""
    lab = Lab()
    lab.add("A", config(max_active=2))
    lab.add("B", config())
    for number in range(1, 5):
        lab.plug(PortConfig(number, "lag", number, 100 - number), "A", PortConfig(number, "lag", number), "B")
    return lab


def test_standby_by_the_priorities_of_the_lower_system() -> None:
    lab = four_of_which_two()
    lab.all_up()
    lab.run(3.0)
    assert distributes(lab, 3, 4)
    assert lab.lag("A")["standby"] == [1, 2]
    assert lab.port("A", 1)["reason"] == "max_active is 2"
    assert lab.port("A", 1)["machines"]["mux"] == "WAITING"


def test_the_higher_system_follows_the_priorities_of_the_lower() -> None:
    lab = Lab()
    lab.add("A", config())
    lab.add("B", config(max_active=2))
    for number in range(1, 5):
        lab.plug(PortConfig(number, "lag", number, 100 - number), "A", PortConfig(number, "lag", number), "B")
    lab.all_up()
    lab.run(3.0)
    assert distributes(lab, 3, 4)


def test_a_standby_port_takes_over_at_once() -> None:
    lab = four_of_which_two()
    lab.all_up()
    lab.run(10.0)
    lab.carrier(lab.cables[3], False)
    assert lab.run_until(lab.now + GAP_S, lambda: distributes(lab, 2, 3)), "it has waited already"


def test_a_standby_port_takes_over_on_silent_loss() -> None:
    lab = four_of_which_two()
    lab.all_up()
    lab.run(10.0)
    lab.cables[3].loses = {"A", "B"}
    assert lab.run_until(lab.now + 3.0 + GAP_S, lambda: distributes(lab, 2, 3)), "as soon as it is EXPIRED"
    lab.cables[3].loses = set()
    assert lab.run_until(lab.now + 4.0, lambda: distributes(lab, 3, 4))


def test_a_better_port_returns_without_an_outage() -> None:
    lab = pair(config(max_active=1), config())
    lab.all_up()
    lab.run(5.0)
    lab.carrier(lab.cables[0], False)
    lab.run(5.0)
    assert distributes(lab, 2)
    lab.carrier(lab.cables[0], True)
    start = len(lab.forwarding)
    lab.run(5.0)
    assert distributes(lab, 1)
    moves = [(at, e.ports) for at, end, e in lab.forwarding[start:] if end == "A" and isinstance(e, Distribute)]
    assert [ports for _at, ports in moves] == [(), (1,)]
    assert moves[1][0] - moves[0][0] <= GAP_S


# --- min_links ----------------------------------------------------------------------------------------------------


def test_min_links_holds_back_the_first_link() -> None:
    lab = pair(config(min_links=2), config())
    lab.carrier(lab.cables[0], True)
    lab.run(10.0)
    assert distributes(lab), "B, for which one link is enough, is notified that A is not in sync"
    lab.carrier(lab.cables[1], True)
    assert lab.run_until(lab.now + 3.0, lambda: distributes(lab, 1, 2))


def test_with_fewer_than_min_links_the_lag_goes_down() -> None:
    lab = pair(config(min_links=2), config())
    lab.all_up()
    lab.run(10.0)
    assert lab.lag("A")["up"]
    lab.carrier(lab.cables[0], False)
    assert lab.distributing["A", "lag"] == ()
    assert lab.run_until(lab.now + GAP_S, lambda: distributes(lab)), "B does not send to a LAG that does not collect"
    assert not lab.lag("A")["up"]
    assert lab.port("A", 2)["reason"] == "1 of 2 min_links"


def test_min_links_counts_links_in_sync() -> None:
    """Silent loss: at EXPIRED there is one link in sync, too few, though both are still selected."""
    lab = pair(config(min_links=2), config(min_links=2))
    lab.all_up()
    lab.run(10.0)
    lab.cables[0].loses = {"A", "B"}
    lab.run(3.1)
    assert lab.lag("A")["selected"] == [1, 2]
    assert distributes(lab)


# --- wait-to-restore and hold -------------------------------------------------------------------------------------


def test_wait_to_restore() -> None:
    lab = pair(config(wait_to_restore_s=30.0), config())
    lab.all_up()
    assert lab.run_until(3.0, lambda: distributes(lab, 1, 2)), "a port that never failed does not wait"
    lab.carrier(lab.cables[0], False)
    lab.run(5.0)
    lab.carrier(lab.cables[0], True)
    lab.run(20.0)
    assert lab.port("A", 1)["reason"] == "wait to restore"
    lab.carrier(lab.cables[0], False)
    lab.run(0.5)
    lab.carrier(lab.cables[0], True)
    back = lab.now
    assert lab.run_until(back + 60.0, lambda: distributes(lab, 1, 2))
    assert 30.0 <= lab.now - back <= 33.5, "a new failure starts the wait anew"


def test_wait_to_restore_after_silent_loss() -> None:
    lab = pair(config(wait_to_restore_s=30.0), config())
    lab.all_up()
    lab.run(5.0)
    lab.cables[0].loses = {"A", "B"}
    lab.run(20.0)
    lab.cables[0].loses = set()
    lab.run(29.0)
    assert distributes(lab, 2)
    lab.run(6.0)
    assert distributes(lab, 1, 2)


def test_a_held_port_sends_lacpdus_but_does_not_join() -> None:
    lab = pair(config(), config())
    lab.act("A", lab.systems["A"].set_held(1, True, 0.0))
    lab.all_up()
    lab.run(10.0)
    assert distributes(lab, 2)
    assert lab.port("B", 1)["machines"]["receive"] == "CURRENT"
    lab.act("A", lab.systems["A"].set_held(1, False, lab.now))
    assert lab.run_until(lab.now + 2.0 + GAP_S, lambda: distributes(lab, 1, 2))


def test_a_removal_notifies_the_partner() -> None:
    lab = pair(config(), config())
    lab.all_up()
    lab.run(10.5)
    lab.cables[0].loses = {"B"}
    lab.act("A", lab.systems["A"].remove_port(1, lab.now))
    assert lab.run_until(lab.now + GAP_S, lambda: distributes(lab, 2))
    lab.cables[1].loses = {"B"}
    lab.act("A", lab.systems["A"].remove_lag("lag", lab.now))
    assert lab.run_until(lab.now + GAP_S, lambda: distributes(lab))
    assert lab.systems["A"].next_timer() is None
    with pytest.raises(KeyError):
        lab.systems["A"].set_carrier(1, True, lab.now)


# --- fallback -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fallback", "forwarding"), [("none", ()), ("individual", (1,)), ("static", (1, 2, 3))])
def test_no_partner_responds(fallback: Fallback, forwarding: tuple[int, ...]) -> None:
    """By default no port carries traffic while no partner responds. Then the partner starts to send LACPDUs."""
    lab = star(fallback)
    for cable in lab.cables:
        cable.loses = {"B", "C"}
    lab.all_up()
    lab.run(20.0)
    assert lab.distributing["A", "lag"] == forwarding
    for cable in lab.cables:
        cable.loses = set()
    lab.run(10.0)
    assert lab.distributing["A", "lag"] == (1, 2), "a partner that responds has precedence over the fallback"


def test_the_individual_fallback_moves_to_another_link() -> None:
    lab = star("individual")
    for cable in lab.cables:
        cable.loses = {"B", "C"}
    lab.all_up()
    lab.run(20.0)
    lab.carrier(lab.cables[0], False)
    lab.run(3.0)
    assert lab.distributing["A", "lag"] == (2,)


def test_min_links_exempts_the_individual_fallback() -> None:
    lab = pair(config(min_links=2, fallback="individual"), config(mode="passive"))
    for cable in lab.cables:
        cable.loses = {"B"}
    lab.all_up()
    lab.run(20.0)
    assert lab.distributing["A", "lag"] == (1,)


# --- names, configuration, snapshot -------------------------------------------------------------------------------


def test_lag_id_in_the_notation_of_the_standard() -> None:
    """Clause 6.3.6.2 writes (S, MAC, K, P, port) for both ends, zeros where links aggregate, lower system first."""
    one, other = SystemId(0x8000, "02:00:00:00:00:0b"), SystemId(0x1000, "02:00:00:00:00:0c")
    text = "[(1000,02:00:00:00:00:0c,0002,00,0000),(8000,02:00:00:00:00:0b,0001,00,0000)]"
    assert str(LagId(one, 1, other, 2)) == text == str(LagId(other, 2, one, 1))
    assert not LagId(one, 1, other, 2).actor_decides


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LagConfig("lag", 0), "LAG 'lag': key is 0; it must be 1 to 65535"),
        (lambda: LagConfig("lag", 1, mode="on"), "mode is 'on'; choose one of active, passive"),  # type: ignore[arg-type]
        (lambda: LagConfig("lag", 1, min_links=3, max_active=2), "max_active is 2; it must be 3 to 65535"),
        (lambda: LagConfig("lag", 1, wait_to_restore_s=-1.0), "wait_to_restore_s is -1.0; give seconds, 0 or more"),
        (lambda: PortConfig("p", "lag", 0), "port 'p': number is 0; it must be 1 to 65535"),
        (lambda: System("02:00"), "write six octets"),
        (lambda: System("02:00:00:00:00:01", 65536), "system priority is 65536"),
    ],
)
def test_configuration_errors(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


def test_names_keys_and_numbers_are_unique() -> None:
    system = System("02:00:00:00:00:01")
    system.add_lag(LagConfig("one", 1))
    for lag, message in ((LagConfig("one", 2), "exists already"), (LagConfig("two", 1), "key 1 is that of LAG 'one'")):
        with pytest.raises(ValueError, match=message):
            system.add_lag(lag)
    system.add_port(PortConfig("p", "one", 1), 0.0)
    for port, message in (
        (PortConfig("p", "one", 2), "exists already"),
        (PortConfig("q", "one", 1), "number 1 is that of port 'p'"),
        (PortConfig("q", "six", 2), "there is no LAG 'six'"),
    ):
        with pytest.raises(ValueError, match=message):
            system.add_port(port, 0.0)


def test_snapshot_is_json() -> None:
    system = System("02:00:00:00:00:01")
    system.add_lag(config())
    system.add_port(PortConfig((1, 2), "lag", 1), 0.0)
    system.set_carrier((1, 2), True, 0.0)
    read = json.loads(json.dumps(system.snapshot()))
    assert read == system.snapshot()
    (port,) = read["lags"]["lag"]["ports"]
    assert port["port"] == [1, 2]
    assert port["timers"]["current_while_timer"] == 3.0
    assert port["sent"]["actor"]["state_names"] == [
        "LACP_ACTIVITY",
        "LACP_TIMEOUT",
        "AGGREGATION",
        "DEFAULTED",
        "EXPIRED",
    ]
