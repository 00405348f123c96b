"""How much a trial may leave."""

#: What a raw directory may hold: octets in one file and in all, files and directories, directories below each other.
FILE_BYTES, ALL_BYTES, ENTRIES, DEPTH = 2 << 30, 4 << 30, 10_000, 8
#: The longest name of a file or directory, in octets.
NAME_BYTES = 200
#: The largest file that is read whole, and the largest value in JSON: far beyond those of any experiment, and what a
#: machine's memory bears.
READ_BYTES, JSON_BYTES = 256 << 20, 64 << 20
#: The most digits of an integer: those of a 64-bit counter, and a sign.
DIGITS = 21
