"""The framework that the application runs on: os-ken or Ryu 4.34. Only this module knows both.

They have one API under two names; os-ken is OpenStack's maintained fork of Ryu. Ryu is used where its manager has
already loaded it (``ryu-manager testbed/controller/app.py``), or where os-ken is not installed.

- Threads: os-ken uses the system's threads, Ryu uses eventlet's. ``ryu.cmd.manager`` patches the standard library for
  eventlet when it is imported, so it is imported before everything else here, as Ryu's own program does.
- ``Event`` is the standard library's. A ``wait`` of os-ken's own does not end at its timeout (4.2.2, native threads);
  under eventlet the standard library's yields to the other threads, as Ryu's own does.
- Ryu's web server uses a name that eventlet has dropped (0.33); it is defined before the import.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys

from testbed.backends.instant import wait_until_ns
from testbed.controller import START_VARIABLE

if "ryu" not in sys.modules and importlib.util.find_spec("os_ken") is not None:
    from os_ken import cfg
    from os_ken.base.app_manager import AppManager
    from os_ken.base.app_manager import OSKenApp as Application
    from os_ken.controller import event, ofp_event
    from os_ken.controller.handler import CONFIG_DISPATCHER, DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
    from os_ken.lib import hub
    from os_ken.ofproto import ofproto_v1_5

    NAME = "os-ken"
else:
    import eventlet.wsgi

    if not hasattr(eventlet.wsgi, "ALREADY_HANDLED"):
        eventlet.wsgi.ALREADY_HANDLED = object()

    import ryu.cmd.manager
    from ryu.base.app_manager import RyuApp as Application
    from ryu.controller import event, ofp_event
    from ryu.controller.handler import CONFIG_DISPATCHER, DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
    from ryu.lib import hub
    from ryu.ofproto import ofproto_v1_5

    NAME = "ryu"

from threading import Event

__all__ = [
    "CONFIG_DISPATCHER",
    "DEAD_DISPATCHER",
    "MAIN_DISPATCHER",
    "NAME",
    "Application",
    "Event",
    "event",
    "hub",
    "ofp_event",
    "ofproto_v1_5",
    "run",
    "set_ev_cls",
]


def run(application: str, port: int) -> None:
    """Run the application of that module. It listens for switches on ``port`` until it is terminated.

    The environment variable TESTBED_CONTROLLER_LISTEN gives the address to listen at; the default is 127.0.0.1.
    TESTBED_CONTROLLER_START gives the instant to begin at, in nanoseconds since the epoch; the default is now.
    """
    host = os.environ.get("TESTBED_CONTROLLER_LISTEN", "127.0.0.1")
    importlib.import_module(application)  # what it takes to load it comes before the start
    importlib.import_module(ofp_event.__name__.replace("ofp_event", "ofp_handler"))
    wait_until_ns(int(os.environ.get(START_VARIABLE, 0)))
    listen = ["--ofp-listen-host", host, "--ofp-tcp-listen-port", str(port)]
    if NAME == "os-ken":
        logging.basicConfig(level=logging.WARNING)
        cfg.CONF(args=listen, project="os_ken")
        AppManager.run_apps([application, "os_ken.controller.ofp_handler"])
    else:
        ryu.cmd.manager.main(args=[*listen, application])
