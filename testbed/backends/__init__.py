"""Where a trial runs: in a guest kernel or in this machine's own. Also what both need from the machine."""
