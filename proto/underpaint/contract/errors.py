"""Every way a call can end badly, in the project's own words.

UnderpaintError
├── InvalidRequest          the caller must change what it asked
│   └── InvalidModel        a model directory is missing, half-written or unsafe
├── NotFound
│   ├── DraftNotFound
│   ├── PromotionNotFound
│   └── ArtifactNotFound
├── PromotionConflict       the same promotion id, other content
├── Refused                 understood, and not done
│   ├── NotAllowed          the caller lacks the role
│   ├── PolicyRefused
│   ├── PrivacyViolation
│   ├── BudgetExceeded
│   ├── QuoteExpired
│   ├── ReservationExpired
│   ├── NotWaiting          for an approval, any more
│   ├── NotDead             so it cannot be retried
│   └── LedgerFrozen        its balances do not add up: nothing new is spent
├── Unauthenticated
├── Unavailable             the only kind that may be retried
│   ├── EngineBusy
│   ├── LedgerUnavailable
│   └── ServiceUnreachable
├── DeadlineExceeded
└── EngineFailed

Messages are one line, say what is wrong and what to do about it, and are safe
to show to whoever asked.
"""


class UnderpaintError(Exception):
    """The root; never raised itself."""


class InvalidRequest(UnderpaintError):
    """The request can never succeed as it stands."""


class InvalidModel(InvalidRequest):
    """A model directory cannot be loaded, or must not be."""


class NotFound(UnderpaintError):
    """What was named does not exist."""


class DraftNotFound(NotFound):
    """No such draft on this node."""


class PromotionNotFound(NotFound):
    """No such promotion."""


class ArtifactNotFound(NotFound):
    """No artifact has this digest."""


class PromotionConflict(UnderpaintError):
    """The promotion id is taken by other content."""


class Refused(UnderpaintError):
    """The request was understood and is not allowed."""


class NotAllowed(Refused):
    """The caller is known, and has no role that may do this."""


class PolicyRefused(Refused):
    """A rule of the policy says no."""


class PrivacyViolation(Refused):
    """The draft's privacy class keeps it on its device."""


class BudgetExceeded(Refused):
    """A budget has no room for the quote."""


class QuoteExpired(Refused):
    """The quote is too old, unknown, or for other content."""


class ReservationExpired(Refused):
    """The money is no longer held."""


class LedgerFrozen(Refused):
    """The ledger does not add up, so nothing new is reserved until someone has looked."""


class NotWaiting(Refused):
    """The promotion can be approved or denied no more."""


class NotDead(Refused):
    """The promotion has not failed, so there is nothing to retry."""


class Unauthenticated(UnderpaintError):
    """The token is missing or wrong."""


class Unavailable(UnderpaintError):
    """Not now: the same call may succeed later."""


class EngineBusy(Unavailable):
    """Every engine is at work, or still loading."""


class LedgerUnavailable(Unavailable):
    """The store of money and work is out of reach."""


class ServiceUnreachable(Unavailable):
    """Nothing answers at the address."""


class DeadlineExceeded(UnderpaintError):
    """The caller's time was up."""


class EngineFailed(UnderpaintError):
    """The engine broke; the caller did nothing wrong."""
