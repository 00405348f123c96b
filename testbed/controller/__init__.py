"""Our OpenFlow controller: LACP, and forwarding for bonded hosts.

The two ports are those at which the testbed starts a controller.
"""

#: The variable of a controller's environment with the instant at which it begins, in nanoseconds since the epoch.
START_VARIABLE = "TESTBED_CONTROLLER_START"

#: Where a controller listens for switches (IANA's service name: openflow).
OPENFLOW_PORT = 6653
#: Where ours shows its state over HTTP, on the loopback address (see web and client).
HTTP_PORT = 6654
