"""The files that a trial left: the only code that reads, writes, lists or removes them outside.

A trial writes its raw directory from inside, and may leave anything there: links to the caller's files, pipes, sparse
files of a terabyte, names with terminal escapes, trees without end. So a file is found by directory handles that follow
no link (openat(2), O_NOFOLLOW), is opened only if it is an ordinary one, is read up to a limit, and is written under a
new name that then takes its place. When the trial has ended, `accept` removes what no trial may leave.
"""

from testbed.rawfiles.acceptance import accept
from testbed.rawfiles.files import excess, exists, names, opened, read, read_text, size, tail, write
from testbed.rawfiles.removal import remove
from testbed.rawfiles.text import loads, printable, shown_name

__all__ = [
    "accept",
    "excess",
    "exists",
    "loads",
    "names",
    "opened",
    "printable",
    "read",
    "read_text",
    "remove",
    "shown_name",
    "size",
    "tail",
    "write",
]
