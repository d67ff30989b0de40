"""What may be called what: names that become keys, and are refused if they could not."""

from __future__ import annotations

import re
from typing import Final

from underpaint.contract.accounting import Period, check_day
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.promotion import SCOPE_KINDS, Account

ENGINE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
_PROMOTION_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")
ROLE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OWNER: Final = re.compile(r"[A-Za-z0-9._@+-]{1,64}")
_EVENT_ID: Final = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")


def check_promotion_id(promotion_id: str) -> str:
    """The same id.

    Raises:
        InvalidRequest: not 8 to 64 of A-Z a-z 0-9 - _.
    """
    if not _PROMOTION_ID.fullmatch(promotion_id):
        raise InvalidRequest(
            f"promotion id {promotion_id[:80]!r} does not do; use 8 to 64 of A-Z a-z 0-9 - _"
        )
    return promotion_id


def check_account(account: Account) -> Account:
    """The same account.

    Raises:
        InvalidRequest: a level is not 1 to 64 of A-Z a-z 0-9 . _ @ + -.
    """
    for scope in account.scopes:
        check_scope(scope)
    return account


def check_scope(scope: str) -> str:
    """The same scope.

    Raises:
        InvalidRequest: not like "project:catalogue".
    """
    kind, _, name = scope.partition(":")
    if kind not in SCOPE_KINDS or not _OWNER.fullmatch(name):
        raise InvalidRequest(
            f"scope {scope[:100]!r} does not do; write it like project:catalogue, with one of "
            f"{', '.join(SCOPE_KINDS)} and 1 to 64 of A-Z a-z 0-9 . _ @ + -"
        )
    return scope


def check_days(period: Period, from_day: str, until_day: str) -> tuple[str, str]:
    """The same days.

    Raises:
        InvalidRequest: no days, the last before the first, or not those of a campaign.
    """
    if (from_day or until_day) and period is not Period.CAMPAIGN:
        raise InvalidRequest("only a campaign has days; leave out the first and the last")
    if check_day(until_day) and until_day < check_day(from_day):
        raise InvalidRequest(f"a campaign cannot end on {until_day}, before {from_day}")
    return check_day(from_day), until_day


def check_event_id(event_id: str) -> str:
    """The same id; empty stands for the beginning.

    Raises:
        InvalidRequest: no id that Watch ever gave.
    """
    if event_id and not _EVENT_ID.fullmatch(event_id):
        raise InvalidRequest(
            f"event id {event_id[:40]!r} does not do; send the id of the last event seen, or none"
        )
    return event_id
