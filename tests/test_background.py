"""Work beside a block: it is told to end, waited for, and what goes wrong in it is not lost."""

from __future__ import annotations

import threading

import pytest

from testbed.background import beside


def test_it_is_told_to_end_and_waited_for() -> None:
    told: list[str] = []

    def work(ended: threading.Event) -> None:
        ended.wait()
        told.append("ended")

    with beside("work", work):
        assert told == []
    assert told == ["ended"]


def test_its_error_comes_out_when_the_block_is_left() -> None:
    def work(ended: threading.Event) -> None:
        raise OSError("the counters are gone")

    done = []
    with pytest.raises(OSError, match="the counters are gone"), beside("work", work):
        done.append("all of the block")
    assert done == ["all of the block"]


def test_the_error_of_the_block_comes_first() -> None:
    def work(ended: threading.Event) -> None:
        raise OSError("the counters are gone")

    with pytest.raises(KeyboardInterrupt), beside("work", work):
        raise KeyboardInterrupt
