"""Work in the background of a block: it is asked to end, it is waited for, and its error is not lost."""

from __future__ import annotations

import threading

import pytest

from testbed.background import in_background


def test_it_is_asked_to_end_and_waited_for() -> None:
    done: list[str] = []

    def work(ended: threading.Event) -> None:
        ended.wait()
        done.append("ended")

    with in_background("work", work):
        assert done == []
    assert done == ["ended"]


def test_its_error_is_raised_at_the_end_of_the_block() -> None:
    def work(ended: threading.Event) -> None:
        raise OSError("the counters are gone")

    done = []
    with pytest.raises(OSError, match="the counters are gone"), in_background("work", work):
        done.append("all of the block")
    assert done == ["all of the block"]


def test_the_error_of_the_block_comes_first() -> None:
    def work(ended: threading.Event) -> None:
        raise OSError("the counters are gone")

    with pytest.raises(KeyboardInterrupt), in_background("work", work):
        raise KeyboardInterrupt
