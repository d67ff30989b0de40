"""Standard streams that never raise when they are closed, full or of a limited encoding."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO, cast

from underpaint.cli.output.legible import ERRORS

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Outlet(io.RawIOBase):
    """A stream's bytes. What cannot be written is dropped, and the error is kept.

    A command goes on with its work: it may have paid for it. Its end says what was lost.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__()
        self._raw = raw
        self.lost: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int | None:
        """Writes, or drops all from the first failure on."""
        if self.lost is None:
            try:
                return self._raw.write(data)
            except OSError as error:
                self.lost = error
        return memoryview(data).nbytes

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """That of the stream."""
        return self._raw.fileno()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._raw.isatty()


def replace() -> Outlet:
    """Replaces the standard streams; returns the outlet of standard output."""
    if sys.stdin is None:  # it was closed before this process started
        sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - a stream for the whole process
    sys.stdout, outlet = _unfailing(sys.stdout)
    sys.stderr, _ = _unfailing(sys.stderr)
    return outlet


def _unfailing(stream: TextIO | None) -> tuple[TextIO, Outlet]:
    """A stream that writes what it can, and spells out characters that its encoding lacks."""
    if stream is None:
        # Taken, or the next file that is opened gets its number and what is printed.
        raw, encoding = io.FileIO(os.devnull, "w"), "utf-8"
    else:
        stream.flush()
        raw, encoding = io.FileIO(stream.fileno(), "w", closefd=False), stream.encoding
    outlet = Outlet(raw)
    text = io.TextIOWrapper(
        io.BufferedWriter(outlet), encoding=encoding, errors=ERRORS, line_buffering=True
    )
    return cast(TextIO, text), outlet
