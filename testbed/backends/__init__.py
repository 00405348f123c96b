"""Where a trial runs: in a guest kernel, or in this machine's own. And what both need of the machine."""
