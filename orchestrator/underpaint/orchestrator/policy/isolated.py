"""The process of its own in which a policy text of somebody else is read and tried.

It answers calls on its standard input, one after the other, and ends with it. Only
`isolation` starts it and talks to it.
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

MEMORY_MIB: Final = 512  # addresses, of which the interpreter and the libraries take 60
HEADER_BYTES: Final = 8  # of each message: how many bytes follow
_MEMORY: Final = MEMORY_MIB * 1024 * 1024


class TooMuchMemory(Exception):
    """Told to the parent instead of an answer."""


def main() -> None:
    """Answers until the input ends."""
    bound_memory()
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while message := receive(sys.stdin.buffer):
        limit_s, function, arguments = pickle.loads(message)  # noqa: S301 -- from our parent
        # Ends this process, whatever the library is at: also where the parent has died.
        signal.alarm(math.ceil(limit_s) + 1)
        answer = answered(function, arguments)
        signal.alarm(0)
        answers.write(len(answer).to_bytes(HEADER_BYTES, "big") + answer)
        answers.flush()


def answered(function: Any, arguments: tuple[Any, ...]) -> bytes:
    """What a call returns or raises, packed."""
    try:
        try:
            return pickle.dumps((function(*arguments), None))
        except UnderpaintError as error:
            return pickle.dumps((None, error))
    except MemoryError:
        return pickle.dumps((None, TooMuchMemory()))


def bound_memory() -> None:
    """Bounds what this process may take; macOS does not let itself be told."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # running out of memory may abort it


def receive(source: IO[bytes]) -> bytes:
    """The next message; empty at the end."""
    header = source.read(HEADER_BYTES)
    return source.read(int.from_bytes(header, "big")) if len(header) == HEADER_BYTES else b""
