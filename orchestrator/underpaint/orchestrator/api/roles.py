"""Who may do what: RPC by role, in one table.

A role holds at a path such as "acme/growth" and below it, or for all. Every RPC first asks
whether the caller has one of its roles anywhere; what it then touches must be the caller's own,
or lie where one of the roles in `others` holds. What does not is answered as what does not exist.
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

# Who looks after others' work may see it; who decides about money must see what it is for.
WATCHERS: Final = (APPROVER, OPERATOR, ADMINISTRATOR)
KEEPERS: Final = (OPERATOR, ADMINISTRATOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The roles of one RPC."""

    own: tuple[str, ...] = ()  # for what is the caller's own
    others: tuple[str, ...] = ()  # for what is somebody else's, where the role holds
    everything: tuple[str, ...] = ()  # it is about all organisations: the role must hold for all
    by_policy: bool = False  # or the role that the policy named when it asked for an approval


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
    """The row of an RPC, if the caller has one of its roles anywhere.

    Raises:
        NotAllowed: it has none.
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
    """Whether it has a role of the house's own making, which only a policy can name."""
    return any(grant.role not in BUILT_IN for grant in caller.grants)


def not_allowed(caller: Caller, rpc: str, path: str = "") -> NotAllowed:
    """The error for a caller without the role, at a path if it is about one."""
    row = TABLE[rpc]
    roles = " or ".join(dict.fromkeys((*row.own, *row.others, *row.everything)))
    where = " for all organisations" if row.everything else f" at {path}" if path else ""
    has = ", ".join(sorted(map(str, caller.grants))) or "no role"
    return NotAllowed(
        f"{rpc} needs the role {roles}{where}; {caller.identity} has {has}. "
        "An administrator gives it with `underpaint callers add`"
    )
