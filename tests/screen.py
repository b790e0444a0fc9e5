"""A program on a terminal of 80 columns, and what is to be seen there."""

import fcntl
import os
import pty
import select
import struct
import termios
import time

import pyte

COLUMNS, ROWS = 80, 24


def watch(arguments, environment, until=None, keys=b"\x03"):
    """Run a program on a terminal of its own.

    Args:
        arguments: The program and its arguments.
        environment: Its environment variables.
        until: Says of the lines of a screen whether it is time to type the keys; None for never.
        keys: What is typed then, by default Ctrl-C.

    Returns:
        The exit code, the lines of all screens that were seen, and those that are left at the end, from the first.
    """
    process, terminal = pty.fork()
    if not process:
        os.execvpe(arguments[0], list(arguments), {**environment, "TERM": "xterm-256color"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    screen = pyte.HistoryScreen(COLUMNS, ROWS, history=10_000)
    stream, seen, end = pyte.ByteStream(screen), [], time.monotonic() + 300
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            stream.feed(os.read(terminal, 1 << 16))
        except OSError:  # the program has ended
            break
        seen.append([line.rstrip() for line in screen.display])
        if until is not None and until(seen[-1]):
            os.write(terminal, keys)
            until = None
    _, status = os.waitpid(process, 0)
    before = ["".join(line[column].data for column in range(COLUMNS)).rstrip() for line in screen.history.top]
    return os.waitstatus_to_exitcode(status), seen, before + [line.rstrip() for line in screen.display]
