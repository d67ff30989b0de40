"""Checks names, ids and scopes that become keys in the store."""

from __future__ import annotations

import re
from typing import Final

from underpaint.contract.accounting import Period, check_day
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.promotion import SCOPE_KINDS, Account, check_promotion_id

ENGINE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
ROLE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
RETRY: Final = ".retry"  # ending of some retries' ids; a client cannot choose such an id
_NAME: Final = re.compile(r"[A-Za-z0-9._@+-]{1,64}")
_EVENT_ID: Final = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")


def check_named_id(promotion_id: str) -> str:
    """Returns the id if a promotion can have it: one chosen by a client, or that of a retry.

    Raises:
        InvalidRequest: no promotion can have this id.
    """
    check_promotion_id(promotion_id.removesuffix(RETRY))
    return promotion_id


def bare(promotion_id: str) -> str:
    """A stored promotion id without the organisation in front of it, as its client chose it."""
    return promotion_id.rpartition("/")[2]


def is_of(promotion_id: str, organisation: str) -> bool:
    """Whether a stored promotion id is of an organisation; every one is of ""."""
    return not organisation or promotion_id.startswith(f"{organisation}/")


def check_name(name: str) -> str:
    """Returns the name if an organisation, team, project or user may have it.

    Raises:
        InvalidRequest: not 1 to 64 of A-Z a-z 0-9 . _ @ + -.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"name {name[:80]!r} is not valid; use 1 to 64 of A-Z a-z 0-9 . _ @ + -"
        )
    return name


def check_account(account: Account) -> Account:
    """Returns the account if all its names are valid.

    Raises:
        InvalidRequest: the name of a level is not valid.
    """
    for kind in SCOPE_KINDS:
        try:
            check_name(getattr(account, kind))
        except InvalidRequest as error:
            raise InvalidRequest(f"{kind}: {error}") from None
    return account


def complete_scope(scope: str, account: Account) -> str:
    """A scope with its whole path; missing upper levels are taken from an account.

    Args:
        scope: such as "project:web" or "project:acme/growth/web".
        account: the caller's account.

    Raises:
        InvalidRequest: an unknown kind, a wrong name, or more levels than its kind has.
    """
    kind, _, path = scope.partition(":")
    levels = path.split("/")
    if kind not in SCOPE_KINDS or len(levels) > SCOPE_KINDS.index(kind) + 1:
        raise _no_scope(scope)
    try:
        for level in levels:
            check_name(level)
    except InvalidRequest:
        raise _no_scope(scope) from None
    above = account.path.split("/")[: SCOPE_KINDS.index(kind) + 1 - len(levels)]
    return f"{kind}:{'/'.join((*above, *levels))}"


def path_of(scope: str) -> str:
    """The path of a scope: "acme/growth" of "team:acme/growth"."""
    return scope.partition(":")[2]


def below(path: str, top: str) -> bool:
    """Whether a path is `top` or below it; everything is below ""."""
    return not top or path == top or path.startswith(f"{top}/")


def check_days(period: Period, from_day: str, until_day: str) -> tuple[str, str]:
    """Returns the first and last day if they are allowed.

    Raises:
        InvalidRequest: not days, the last is before the first, or the period is no campaign.
    """
    if (from_day or until_day) and period is not Period.CAMPAIGN:
        raise InvalidRequest("only a campaign has days; leave out the first and the last")
    if check_day(until_day) and until_day < check_day(from_day):
        raise InvalidRequest(f"a campaign cannot end on {until_day}, before {from_day}")
    return check_day(from_day), until_day


def check_event_id(event_id: str) -> str:
    """Returns the event id if it is valid; "" means the beginning.

    Raises:
        InvalidRequest: it cannot be the id of an event.
    """
    if event_id and not _EVENT_ID.fullmatch(event_id):
        raise InvalidRequest(
            f"event id {event_id[:40]!r} is not valid; send the id of the last event seen, or none"
        )
    return event_id


def _no_scope(scope: str) -> InvalidRequest:
    return InvalidRequest(
        f"scope {scope[:100]!r} is not valid; write it like project:web or "
        f"project:acme/growth/web, with one of {', '.join(SCOPE_KINDS)} and names of 1 to 64 of "
        "A-Z a-z 0-9 . _ @ + -"
    )
