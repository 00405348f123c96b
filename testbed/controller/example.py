"""Ryu 4.34's own LACP example, ryu.app.simple_switch_lacp_13, with the LAGs of our configuration. Runs on Ryu only.

Only the LAGs differ from the original. Its source adds one LAG, ports 1 and 2 of datapath 1, by a call of
``LacpLib.add``, and its documentation asks the user to change that call. Here that entry is removed, and ``add`` is
called for each LAG of the configuration that has LACP. Its LACP, learning, flows and flooding are unchanged.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from testbed.controller.config import load
from testbed.controller.framework import NAME

if NAME != "ryu":
    raise ImportError("Ryu's example runs on Ryu only; this is os-ken")

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
