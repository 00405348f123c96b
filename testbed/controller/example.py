"""Ryu 4.34's own example of LACP, ryu.app.simple_switch_lacp_13, told of our LAGs. Runs on Ryu only.

What differs from the example as it comes: which LAGs there are. Its source names one, the ports 1 and 2 of datapath 1,
by a call of ``LacpLib.add``, which its documents ask the user to change. Here that entry is taken away again, and
``add`` is called for each LAG of the configuration that has LACP. Nothing of its LACP, its learning, its flows and
its flooding is touched.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from testbed.controller.config import load
from testbed.controller.framework import NAME

if NAME != "ryu":
    raise ImportError("this is Ryu's example: os-ken has no part in it")

from ryu.app.simple_switch_lacp_13 import SimpleSwitchLacp13


class Example(SimpleSwitchLacp13):
    """The example with the LAGs of the file that the environment variable TESTBED_CONTROLLER names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lacp._bonds.clear()
        configuration = load(Path(os.environ["TESTBED_CONTROLLER"]))
        for lag in configuration.lags:
            if lag.lacp != "off":
                (dpid,) = {owner for owner, _ in configuration.ports[lag.name]}
                self._lacp.add(dpid=dpid, ports=list(configuration.port_numbers(lag.name, dpid)))
