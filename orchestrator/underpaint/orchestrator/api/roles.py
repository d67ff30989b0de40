"""Which roles each RPC needs, in one table.

A caller has a role at a path such as "acme/growth" and everywhere below it, or for all
organisations. An RPC is refused to a caller that has none of its roles anywhere. Beyond that, the
caller may reach its own things, and those of others where it has one of the roles in `others`.
Anything else is answered as if it did not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from underpaint.contract.errors import NotAllowed
from underpaint.orchestrator.callers import (
    ADMINISTRATOR,
    APPROVER,
    ARTIST,
    BUILT_IN,
    OPERATOR,
    Caller,
)

# May see others' work: operators look after it, approvers must see what the money is for.
WATCHERS: Final = (APPROVER, OPERATOR, ADMINISTRATOR)
# May change others' work.
KEEPERS: Final = (OPERATOR, ADMINISTRATOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The roles that may call one RPC."""

    own: tuple[str, ...] = ()  # about the caller's own things
    others: tuple[str, ...] = ()  # about others' things, at the path where the caller has the role
    everything: tuple[str, ...] = ()  # the RPC is about all organisations: so must the role be
    by_policy: bool = False  # also the role that the policy named when it asked for an approval


TABLE: Final[Mapping[str, Row]] = MappingProxyType(
    {
        "Quote": Row(own=(ARTIST,)),
        "Promote": Row(own=(ARTIST,)),
        "Watch": Row(own=(ARTIST,), others=WATCHERS, by_policy=True),
        "GetPromotion": Row(own=(ARTIST,), others=WATCHERS, by_policy=True),
        "ListPromotions": Row(own=(ARTIST,), others=WATCHERS, by_policy=True),
        "GetArtifact": Row(own=(ARTIST,), others=WATCHERS, by_policy=True),
        "Cancel": Row(own=(ARTIST,), others=KEEPERS),
        "QuoteRetry": Row(own=(ARTIST,), others=KEEPERS),
        "RetryPromotion": Row(own=(ARTIST,), others=KEEPERS),
        "ApprovePromotion": Row(others=(APPROVER, ADMINISTRATOR), by_policy=True),
        "DenyPromotion": Row(others=(APPROVER, ADMINISTRATOR), by_policy=True),
        "SetBudget": Row(others=(ADMINISTRATOR,)),
        "ListBudgets": Row(own=(ARTIST,), others=WATCHERS),
        "GetSpend": Row(own=(ARTIST,), others=WATCHERS),
        "ReadLedger": Row(others=KEEPERS),
        "VerifyLedger": Row(everything=KEEPERS),
        "ThawLedger": Row(everything=(ADMINISTRATOR,)),
        "GetPolicy": Row(others=WATCHERS),
        "CheckPolicy": Row(others=WATCHERS),
        "ExplainPromotion": Row(own=(ARTIST,), others=WATCHERS, by_policy=True),
        "ReplayPolicy": Row(others=KEEPERS),
    }
)


def admit(caller: Caller, rpc: str) -> Row:
    """The row of an RPC, for a caller that has one of its roles anywhere.

    Raises:
        NotAllowed: the caller has none of them.
    """
    row = TABLE[rpc]
    if row.everything:
        admitted = caller.may("", *row.everything)
    else:
        admitted = caller.has(*row.own, *row.others) or (row.by_policy and has_own_roles(caller))
    if not admitted:
        raise not_allowed(caller, rpc)
    return row


def has_own_roles(caller: Caller) -> bool:
    """Whether the caller has a role that is not built in, which only a policy can ask for."""
    return any(grant.role not in BUILT_IN for grant in caller.grants)


def not_allowed(caller: Caller, rpc: str, path: str = "") -> NotAllowed:
    """The error for a caller that lacks the RPC's role, at a path if one is given."""
    row = TABLE[rpc]
    roles = " or ".join(dict.fromkeys((*row.own, *row.others, *row.everything)))
    where = " for all organisations" if row.everything else f" at {path}" if path else ""
    has = ", ".join(sorted(map(str, caller.grants))) or "no role"
    return NotAllowed(
        f"{rpc} needs the role {roles}{where}; {caller.identity} has {has}. "
        "An administrator gives it with `underpaint callers add`"
    )
