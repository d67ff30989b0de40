"""A child process that ends Ray's processes after this process was killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

from underpaint.cloud import processes


class Leftovers:
    """Ends the processes that it was told about as soon as this process has ended.

    Linux ends what Ray starts along with its starter, save two agents that wait a minute for
    a control store that is gone, and the workers, which notice after seconds and hold the
    port meanwhile.
    """

    def __init__(self) -> None:
        """Forks. Create it early, while this process has one thread and little memory."""
        reading, self._writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            # Above all the lock of the data directory, which would otherwise stay locked.
            os.closerange(3, reading)
            os.closerange(reading + 1, 1024)
            _watch(reading)
        os.close(reading)

    def tell(self, pids: Iterable[int]) -> None:
        """Adds processes to end, by id."""
        lines = "".join(f"{pid}\n" for pid in pids if pid != self.pid)
        os.write(self._writing, lines.encode())

    def dismiss(self) -> None:
        """Ends the child, which first ends those of its processes that are still running."""
        os.close(self._writing)
        os.waitpid(self.pid, 0)


def _watch(reading: int) -> None:
    """Reads process ids until the parent has ended, then ends these; never returns."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    told = b""
    while part := os.read(reading, 65_536):
        told += part
    processes.end((int(line) for line in told.split()), patience_s=0)
    os._exit(0)
