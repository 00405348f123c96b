"""The one owner of each interface's clsact, on a kernel that only records its requests."""

from __future__ import annotations

import errno
import os
import threading
from typing import Any

import pytest

from testbed.emulation.clsact import COUNTING, DROPPING, EGRESS, INGRESS, Clsact


class Kernel:
    """The requests of one namespace; a second clsact, or the removal of one that is not there, is an error."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, int, int]] = []
        self.there: set[int] = set()
        self.filters: list[int] = []

    def tc(self, command: str, kind: str | None = None, index: int = 0, info: int = 0, **_: Any) -> None:
        """As pyroute2's."""
        self.requests.append((command, index, info >> 16))
        if command == "add":
            if index in self.there:
                raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
            self.there.add(index)
        elif command == "del":
            self.there.remove(index)

    def get_filters(self, index: int, parent: int) -> list[dict[str, int]]:
        """As pyroute2's: the filters of this hook, each with its priority in the upper half of ``info``."""
        del index, parent
        return [{"info": priority << 16 | 3} for priority in self.filters]


@pytest.fixture
def kernels() -> dict[str, Kernel]:
    """By node; the two switches share a namespace."""
    switches = Kernel()
    return {"h1": Kernel(), "h2": Kernel(), "s1": switches, "s2": switches}


@pytest.fixture
def clsact(kernels: dict[str, Kernel]) -> Clsact:
    return Clsact(kernels.__getitem__, {"h1", "h2"})


def test_the_first_user_adds_it_and_the_last_one_removes_it(clsact: Clsact, kernels: dict[str, Kernel]) -> None:
    first = clsact.priorities("h1", 7, EGRESS, COUNTING, 2)
    second = clsact.priorities("h1", 7, EGRESS, DROPPING)
    counting = first.__enter__()
    dropping = second.__enter__()
    assert kernels["h1"].requests == [("add", 7, 0)]
    kernels["h1"].filters = [*counting, *dropping]
    first.__exit__(None, None, None)
    assert kernels["h1"].requests[1:] == [("del-filter", 7, priority) for priority in counting]
    assert kernels["h1"].there == {7}
    second.__exit__(None, None, None)
    assert kernels["h1"].requests[3:] == [("del", 7, 0)]
    assert max(dropping) < min(counting), "what is dropped is not counted"


def test_no_two_filters_of_an_interface_have_one_priority(clsact: Clsact, kernels: dict[str, Kernel]) -> None:
    wanted = [(EGRESS, DROPPING, 1), (EGRESS, COUNTING, 3), (INGRESS, COUNTING, 3), (EGRESS, DROPPING, 2)]
    found: list[int] = []
    opened = [clsact.priorities("h1", 7, hook, stage, count) for hook, stage, count in wanted]
    for each in opened:
        found += each.__enter__()
    assert len(set(found)) == len(found) == 9
    kernels["h1"].filters = found[1:3]  # the third was not added
    opened[1].__exit__(None, None, None)
    assert kernels["h1"].requests[1:] == [("del-filter", 7, priority) for priority in found[1:3]]
    kernels["h1"].filters = []
    with clsact.priorities("h1", 7, EGRESS, COUNTING, 3) as again:
        assert set(again) == set(found[1:4]), "those that are free again"
    for each in (opened[0], *opened[2:]):
        each.__exit__(None, None, None)


def test_switches_share_a_namespace_and_hosts_do_not(clsact: Clsact, kernels: dict[str, Kernel]) -> None:
    with clsact.priorities("s1", 1, EGRESS, DROPPING), clsact.priorities("s2", 1, EGRESS, DROPPING):
        with clsact.priorities("h1", 1, EGRESS, DROPPING), clsact.priorities("h2", 1, EGRESS, DROPPING):
            assert [kernels[node].there for node in ("h1", "h2", "s1")] == [{1}] * 3
        assert kernels["s1"].requests == [("add", 1, 0)]
    assert kernels["s1"].there == kernels["h1"].there == kernels["h2"].there == set()


def test_an_error_of_the_block_or_of_the_kernel_leaves_nothing(clsact: Clsact, kernels: dict[str, Kernel]) -> None:
    with pytest.raises(ZeroDivisionError), clsact.priorities("h1", 7, EGRESS, DROPPING):
        _ = 1 / 0
    assert kernels["h1"].there == set()
    kernels["h1"].there = {7}  # another program's
    with pytest.raises(FileExistsError), clsact.priorities("h1", 7, EGRESS, DROPPING):
        pass
    assert kernels["h1"].there == {7}
    kernels["h1"].there = set()
    with clsact.priorities("h1", 7, EGRESS, DROPPING):
        assert kernels["h1"].there == {7}


def test_more_filters_than_priorities_are_refused(clsact: Clsact, kernels: dict[str, Kernel]) -> None:
    with (
        clsact.priorities("h1", 7, EGRESS, range(1, 4), 2),
        pytest.raises(ValueError, match="interface 7 of h1 has 1 filter priorities left; wanted 2"),
        clsact.priorities("h1", 7, EGRESS, range(1, 4), 2),
    ):
        pass
    assert kernels["h1"].there == set()


def test_threads_use_it_at_the_same_time(clsact: Clsact, kernels: dict[str, Kernel]) -> None:
    start, errors = threading.Barrier(8), []

    def work() -> None:
        try:
            start.wait()
            for _ in range(200):
                with clsact.priorities("h1", 7, EGRESS, DROPPING), clsact.priorities("h1", 7, EGRESS, COUNTING, 2):
                    assert kernels["h1"].there == {7}
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert kernels["h1"].there == set()
