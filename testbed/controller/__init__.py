"""The OpenFlow controller: LACP spoken for the switches, and forwarding that a bonded network needs."""
