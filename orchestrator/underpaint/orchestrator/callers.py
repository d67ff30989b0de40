"""Who calls: tokens, each with a user, an account and roles."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import grpc
from underpaint.contract.errors import InvalidRequest, PolicyRefused, Unauthenticated
from underpaint.contract.promotion import Account
from underpaint.contract.rim import check_token
from underpaint.orchestrator.documents import Entry, read
from underpaint.orchestrator.names import ROLE, check_scope

_LEVELS: Final = ("organisation", "team", "project")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One user; an empty level of the account may be any."""

    name: str = ""
    organisation: str = ""
    team: str = ""
    project: str = ""
    roles: frozenset[str] = frozenset()

    def bind(self, account: Account) -> Account:
        """The account with this caller's own levels in place of what was left open.

        Raises:
            PolicyRefused: it names another user, or a level that is not this caller's.
        """
        own = {"user": self.name} | {level: getattr(self, level) for level in _LEVELS}
        for level, mine in own.items():
            named = getattr(account, level)
            if mine and named not in (mine, "default"):
                raise PolicyRefused(
                    f"{self.name} may not promote for {level}:{named}, only for {level}:{mine}"
                )
        return replace(account, **{level: mine for level, mine in own.items() if mine})


NOBODY: Final = Caller()  # where callers are not told apart: no name and no roles


class Callers:
    """Whose token is whose; the file holds digests, so that it is no secret."""

    def __init__(self, by_digest: Mapping[str, Caller], token: str = "") -> None:
        """Without callers and without a token that all may bring, none is asked for."""
        self._by_digest = by_digest
        self._token = token

    @property
    def roles(self) -> frozenset[str]:
        """Every role that somebody has."""
        return frozenset(role for each in self._by_digest.values() for role in each.roles)

    def caller(self, authorization: str | bytes | None) -> Caller | None:
        """Who brings this metadata; None for a token that is nobody's."""
        given = authorization.decode() if isinstance(authorization, bytes) else authorization or ""
        token = given.removeprefix("Bearer ")
        known = self._by_digest.get(hashlib.sha256(token.encode()).hexdigest())
        if known:
            return known
        open_to_all = not self._by_digest and not self._token
        shared = self._token and check_token(self._token, given) is None
        return NOBODY if open_to_all or shared else None

    def of(self, context: grpc.aio.ServicerContext[Any, Any]) -> Caller:
        """Who makes this call; who is nobody was not let in."""
        metadata = dict(context.invocation_metadata() or ())
        return self.caller(metadata.get("authorization")) or NOBODY

    def refusal(self, authorization: str | bytes | None) -> Unauthenticated | None:
        """Why a call is not let in; None if it is."""
        if self.caller(authorization) is not None:
            return None
        return Unauthenticated("the token is missing or wrong; set UNDERPAINT_TOKEN_FILE")


def load(file: Path | None, token: str = "") -> Callers:
    """Reads and checks who may call.

    Args:
        file: YAML; None tells no callers apart.
        token: that anybody may bring besides.

    Raises:
        InvalidRequest: names the line and the field.
    """
    if file is None:
        return Callers({}, token)
    by_digest: dict[str, Caller] = {}
    for entry in read(file).fields(required=frozenset({"callers"}))["callers"]:
        digest, caller = _caller(entry)
        if digest in by_digest:
            raise entry.wrong("has the token of another caller")
        by_digest[digest] = caller
    if not by_digest:
        raise InvalidRequest(f"{file} names no caller")
    return Callers(by_digest, token)


def _caller(entry: Entry) -> tuple[str, Caller]:
    fields = entry.fields(
        required=frozenset({"name", "token_sha256"}), optional=frozenset({*_LEVELS, "roles"})
    )
    digest = fields["token_sha256"].text()
    if not _DIGEST.fullmatch(digest):
        raise fields["token_sha256"].wrong(
            "must be 64 lower-case hex digits; make them with: printf %s TOKEN | sha256sum"
        )
    roles = []
    for each in fields.get("roles", ()):
        if not ROLE.fullmatch(each.text()):
            raise each.wrong(f"is {each.text()!r}; use 1 to 64 of A-Z a-z 0-9 . _ -")
        roles.append(each.text())
    levels = {level: _owner(fields[level], level) for level in _LEVELS if level in fields}
    name = _owner(fields["name"], "user")
    return digest, Caller(name=name, roles=frozenset(roles), **levels)


def _owner(entry: Entry, level: str) -> str:
    try:
        return check_scope(f"{level}:{entry.text()}").partition(":")[2]
    except InvalidRequest as error:
        raise entry.wrong(str(error)) from None
