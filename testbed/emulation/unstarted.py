"""Mininet for a file that is only read: its classes for a network and its nodes raise, so that a script starts none."""

from __future__ import annotations

from typing import Any

import mininet.net
import mininet.node


def forbid() -> None:
    """From now on, in this process, making a network or a node raises an error that says what to do."""
    mininet.net.Mininet.__init__ = _refuse
    mininet.node.Node.__init__ = _refuse


def _refuse(*_: Any, **__: Any) -> None:
    raise RuntimeError(
        "Mininet starts a network or a host here, but the file is only read: put this below if __name__ == '__main__',"
        " and give the network as a Topo in topos"
    )
