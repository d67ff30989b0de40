"""The exit codes of the command line.

0   success
1   any other failure, such as an engine that failed or a picture that is not delivered
2   wrong input: change the request
3   refused by role, policy, privacy or budget
4   a service is out of reach
5   the work is done and paid, but its result could not be written, for example to a full disk
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
    (errors.ResultWithheld, FAILED),
)


def exit_code(error: UnderpaintError) -> int:
    """The exit code of an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
