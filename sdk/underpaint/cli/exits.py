"""Exit codes of the command line: one number for each kind of ending.

0   done
1   anything else, such as an engine that failed
2   wrong input: change what was asked
3   refused by policy, privacy or budget
4   a service is out of reach
5   done, and not to be paid again, but its result could not be written: a full disk or output
130 interrupted
"""

from __future__ import annotations

from typing import Final

from underpaint.contract import errors
from underpaint.contract.errors import UnderpaintError

DONE: Final = 0
FAILED: Final = 1
WRONG_INPUT: Final = 2
REFUSED: Final = 3
OUT_OF_REACH: Final = 4
NOT_WRITTEN: Final = 5
INTERRUPTED: Final = 130

_CODES: Final[tuple[tuple[type[UnderpaintError], int], ...]] = (
    (errors.InvalidRequest, WRONG_INPUT),
    (errors.NotFound, WRONG_INPUT),
    (errors.PromotionConflict, WRONG_INPUT),
    (errors.Refused, REFUSED),
    (errors.Unavailable, OUT_OF_REACH),
    (errors.DeadlineExceeded, OUT_OF_REACH),
    (errors.Unauthenticated, OUT_OF_REACH),
    (errors.EngineFailed, FAILED),
)


def exit_code(error: UnderpaintError) -> int:
    """The exit code an error ends a command with."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
