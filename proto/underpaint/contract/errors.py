"""The domain errors: every way in which a call can fail.

UnderpaintError
├── InvalidRequest          the caller must change the request
│   └── InvalidModel        a model directory is missing, incomplete or unsafe
├── NotFound
│   ├── DraftNotFound
│   ├── PromotionNotFound
│   └── ArtifactNotFound
├── PromotionConflict       the promotion id is used for other content
├── Refused                 the request is valid but not allowed
│   ├── NotAllowed          the caller lacks the role
│   ├── PolicyRefused
│   ├── PrivacyViolation
│   ├── BudgetExceeded
│   ├── QuoteExpired
│   ├── ReservationExpired
│   ├── NotWaiting          the promotion no longer waits for an approval
│   ├── NotDead             only dead promotions can be retried
│   └── LedgerFrozen        the ledger does not add up: no new spending
├── Unauthenticated
├── Unavailable             the only kind that may be retried
│   ├── EngineBusy
│   ├── LedgerUnavailable
│   └── ServiceUnreachable
├── DeadlineExceeded
├── EngineFailed
└── ResultWithheld          a picture was made and is not delivered; the same seed makes it again
    ├── ResultFlagged       a safety checker flagged it
    └── ResultUnusable      it is not finite, or has only one colour

A message is one line. It says what is wrong and what to do about it, and may be shown to the
caller.
"""


class UnderpaintError(Exception):
    """The base of all domain errors; never raised itself."""


class InvalidRequest(UnderpaintError):
    """The request can never succeed as it is."""


class InvalidModel(InvalidRequest):
    """A model directory cannot be loaded, or must not be."""


class NotFound(UnderpaintError):
    """The named thing does not exist, or the caller may not see it."""


class DraftNotFound(NotFound):
    """No such draft on this node."""


class PromotionNotFound(NotFound):
    """No such promotion."""


class ArtifactNotFound(NotFound):
    """No artifact has this digest."""


class PromotionConflict(UnderpaintError):
    """The promotion id is already used for other content."""


class Refused(UnderpaintError):
    """The request is valid but not allowed."""


class NotAllowed(Refused):
    """The caller has no role that allows this."""


class PolicyRefused(Refused):
    """A rule of the policy forbids it."""


class PrivacyViolation(Refused):
    """The draft's privacy class keeps it on its device."""


class BudgetExceeded(Refused):
    """A budget has no room for the quote."""


class QuoteExpired(Refused):
    """The quote has expired, is unknown, was used, or is for other content."""


class ReservationExpired(Refused):
    """The money is no longer reserved."""


class LedgerFrozen(Refused):
    """The ledger does not add up, so nothing is reserved until an operator allows it again."""


class NotWaiting(Refused):
    """The promotion can no longer be approved or denied."""


class NotDead(Refused):
    """The promotion is not dead, so it cannot be retried."""


class Unauthenticated(UnderpaintError):
    """The token is missing or wrong."""


class Unavailable(UnderpaintError):
    """Not possible now; the same call may succeed later."""


class EngineBusy(Unavailable):
    """All engines are busy or still loading."""


class LedgerUnavailable(Unavailable):
    """The store of the ledger and the work queue is out of reach."""


class ServiceUnreachable(Unavailable):
    """Nothing answers at the address."""


class DeadlineExceeded(UnderpaintError):
    """The call did not finish before its deadline."""


class EngineFailed(UnderpaintError):
    """The engine or the service failed; the request was not at fault."""


class ResultWithheld(UnderpaintError):
    """The engine made a picture that is not delivered.

    It is never retried as it is, because the same request with the same seed gives the same
    picture. The attributes say what it took to make it, where that is known.
    """

    def __init__(self, message: str = "", *, model: str = "", gpu_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.model = model
        self.gpu_seconds = gpu_seconds


class ResultFlagged(ResultWithheld):
    """A safety checker flagged the picture; other words or another seed may help."""


class ResultUnusable(ResultWithheld):
    """The picture is not finite or has only one colour; another seed or size may help."""
