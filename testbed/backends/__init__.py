"""Where a trial runs.

In a guest kernel (guest), or in this machine's own (native). Also what both need from the machine.
"""
