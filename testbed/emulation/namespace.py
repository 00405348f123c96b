"""Network namespaces: entering that of an emulated host, for as long as it takes to open a socket in it."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyroute2 import IPRoute

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000  # linux/sched.h


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def loopback_up() -> None:
    """Set the loopback interface of this process's own namespace up."""
    with IPRoute() as netlink:
        netlink.link("set", index=netlink.link_lookup(ifname="lo")[0], state="up")


@contextlib.contextmanager
def inside(pid: int) -> Iterator[None]:
    """This thread is in the network namespace of process ``pid`` while the block runs (setns(2)).

    A socket that is opened inside stays there: that is how one process speaks in many namespaces.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        away = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(away)
        finally:
            os.close(away)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def set_kernel(pid: int, settings: Iterable[tuple[str, str]], *, may_lack: bool = False) -> None:
    """Write settings of the kernel in the network namespace of process ``pid``: files below /proc/sys/net, and text.

    One that the kernel does not have is left out if it ``may_lack`` some, as IPv6's; else: FileNotFoundError.
    """
    with inside(pid):
        for name, text in settings:
            place = Path("/proc/sys/net") / name
            if not may_lack or place.exists():
                place.write_text(text)
