"""The program of the separate process in which callers' policy texts are read and tried.

It answers calls from its standard input, one after the other, and ends when that is closed. Only
`isolation` starts it.
"""

from __future__ import annotations

import math
import os
import pickle
import resource
import signal
import sys
from typing import IO, Any, Final

from underpaint.contract.errors import UnderpaintError

MEMORY_MIB: Final = 512  # of address space; the interpreter and the libraries take 60
HEADER_BYTES: Final = 8  # at the start of each message: the number of bytes that follow
_MEMORY: Final = MEMORY_MIB * 1024 * 1024


class TooMuchMemory(Exception):
    """Sent to the parent instead of an answer."""


def main() -> None:
    """Answers calls until the input ends."""
    bound_memory()
    # Send the output of libraries to stderr, so that it does not mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while message := receive(sys.stdin.buffer):
        limit_s, function, arguments = pickle.loads(message)  # noqa: S301 -- from our parent
        # Ends this process even inside a library call, and even if the parent has died.
        signal.alarm(math.ceil(limit_s) + 1)
        answer = answered(function, arguments)
        signal.alarm(0)
        answers.write(len(answer).to_bytes(HEADER_BYTES, "big") + answer)
        answers.flush()


def answered(function: Any, arguments: tuple[Any, ...]) -> bytes:
    """The result or the error of a call, pickled."""
    try:
        try:
            return pickle.dumps((function(*arguments), None))
        except UnderpaintError as error:
            return pickle.dumps((None, error))
    except MemoryError:
        return pickle.dumps((None, TooMuchMemory()))


def bound_memory() -> None:
    """Limits the memory of this process; not possible on macOS."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no core dump when it runs out of memory


def receive(source: IO[bytes]) -> bytes:
    """Reads the next message; empty at the end of the input."""
    header = source.read(HEADER_BYTES)
    return source.read(int.from_bytes(header, "big")) if len(header) == HEADER_BYTES else b""
