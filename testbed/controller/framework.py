"""What the application runs on: os-ken, or Ryu 4.34 where that is what there is. The one place that knows of both.

Both have one API under two names; os-ken is Ryu as OpenStack maintains it. Ryu is taken where its manager has
loaded it already (``ryu-manager testbed/controller/app.py``), or where there is no os-ken.

- Threads: os-ken's are the system's, Ryu's are eventlet's, which ``ryu.cmd.manager`` puts under the standard
  library when it is imported: before everything else here, as Ryu's own program does.
- ``Event``: the standard library's. os-ken's own does not end a ``wait`` when its time is up (4.2.2, native threads),
  and under eventlet the standard library's gives way to the other threads as Ryu's own does.
- Ryu's web server asks eventlet for a name that eventlet has dropped (0.33); it is defined before the import.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys

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
    """Run the application of that module, listening for switches until terminated.

    It listens at the address that the environment variable TESTBED_CONTROLLER_LISTEN gives; else at 127.0.0.1.
    """
    host = os.environ.get("TESTBED_CONTROLLER_LISTEN", "127.0.0.1")
    listen = ["--ofp-listen-host", host, "--ofp-tcp-listen-port", str(port)]
    if NAME == "os-ken":
        logging.basicConfig(level=logging.WARNING)
        cfg.CONF(args=listen, project="os_ken")
        AppManager.run_apps([application, "os_ken.controller.ofp_handler"])
    else:
        ryu.cmd.manager.main(args=[*listen, application])
