"""What pytest-xdist starts as the interpreter of a worker: one is forked, and waited for.

``python worker_client.py SOCKET ...`` passes its standard input and output on. It imports next to
nothing, and is no module of a package.
"""

import os
import signal
import socket
import sys

_LONGEST_ANSWER_BYTES = 32


def main() -> int:
    """Return the exit code of the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker ends, and tells
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(sys.argv[1])
    socket.send_fds(connection, [b"worker"], [0, 1])
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):  # their end is the worker's end
        os.dup2(nothing, stream)
    connection.recv(_LONGEST_ANSWER_BYTES)
    return int(connection.recv(_LONGEST_ANSWER_BYTES) or 1)


if __name__ == "__main__":
    sys.exit(main())
