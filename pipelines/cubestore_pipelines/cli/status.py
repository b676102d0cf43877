"""Exit statuses of the program."""

DONE = 0
FAILED = 1
"""A known error, said in one line."""

USAGE = 2
IN_PART = 3
"""Some could not be used, or was found wrong."""

INTERRUPTED = 130
