"""Callers: each token belongs to a user with an account and roles.

Identity comes from the token alone. Without a callers file everybody is the same caller, the
"house", which may do everything.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import grpc
from underpaint.contract.errors import InvalidRequest, NotAllowed, Unauthenticated
from underpaint.contract.promotion import Account
from underpaint.contract.rim import check_token
from underpaint.orchestrator.documents import Entry, read
from underpaint.orchestrator.names import ROLE, below, check_name

log = logging.getLogger(__name__)

ANY: Final = "*"  # as a team or project: the caller may name any; as a role's path: everywhere
DEFAULT: Final = "default"  # the name of a level that is not given
ARTIST: Final = "artist"
APPROVER: Final = "approver"
OPERATOR: Final = "operator"
ADMINISTRATOR: Final = "administrator"
BUILT_IN: Final = (ARTIST, APPROVER, OPERATOR, ADMINISTRATOR)
_LEVELS: Final = ("organisation", "team", "project")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NO_TOKEN: Final = hashlib.sha256(b"").hexdigest()  # would match callers without a token


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Grant:
    """A role at a path such as "acme/growth" and everywhere below it; "" is everywhere."""

    role: str
    path: str

    def __str__(self) -> str:
        return f"{self.role}@{self.path or ANY}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One user of one organisation. With team or project "*", its requests may name any."""

    name: str
    organisation: str = DEFAULT
    team: str = DEFAULT
    project: str = DEFAULT
    grants: frozenset[Grant] = frozenset()
    of_house: bool = False  # there is no callers file: requests may name any user, too

    @property
    def identity(self) -> str:
        """Such as "acme/ann". A quote is valid only for the identity that asked for it."""
        return f"{self.organisation}/{self.name}"

    @property
    def account(self) -> Account:
        """The account of its requests that name none."""
        own = {level: getattr(self, level) for level in _LEVELS}
        return Account(
            **{level: DEFAULT if mine == ANY else mine for level, mine in own.items()},
            user=DEFAULT if self.of_house else self.name,
        )

    @property
    def party(self) -> str:
        """The party that its work belongs to when parties take turns: its team, else the user."""
        if self.of_house or self.team in (ANY, DEFAULT):
            return f"user:{self.identity}"
        return f"team:{self.organisation}/{self.team}"

    def roles_at(self, path: str) -> frozenset[str]:
        """The caller's roles at a path such as "acme/growth/web/ann"."""
        return frozenset(grant.role for grant in self.grants if below(path, grant.path))

    def may(self, path: str, *roles: str) -> bool:
        """Whether the caller has one of some roles at a path; "" means everywhere."""
        return any(grant.role in roles and below(path, grant.path) for grant in self.grants)

    def has(self, *roles: str) -> bool:
        """Whether the caller has one of some roles at any path."""
        return any(grant.role in roles for grant in self.grants)

    def owns(self, account: Account) -> bool:
        """Whether an account is this caller's own."""
        if account.organisation != self.organisation:
            return False
        return self.of_house or account.user == self.name

    def bind(self, account: Account) -> Account:
        """The account of a request, with missing levels taken from this caller.

        Raises:
            NotAllowed: it names a level, such as a user or team, that this caller may not name.
        """
        own = self.account
        open_levels = {level for level in _LEVELS if getattr(self, level) == ANY}
        if self.of_house:
            open_levels.add("user")
        for level in (*_LEVELS, "user"):
            named, mine = getattr(account, level), getattr(own, level)
            if level not in open_levels and named not in (mine, DEFAULT):
                raise NotAllowed(
                    f"{self.name} may not promote for {level} {named}, only for {level} {mine}; "
                    "an administrator can change that in the callers file"
                )
        return replace(
            account,
            **{
                level: getattr(own, level)
                for level in (*_LEVELS, "user")
                if level not in open_levels
            },
        )


HOUSE: Final = Caller(
    name="house",
    team=ANY,
    project=ANY,
    grants=frozenset(Grant(role=role, path="") for role in BUILT_IN),
    of_house=True,
)


class Callers:
    """Finds the caller of a token. The file holds only digests of tokens, so it is no secret."""

    def __init__(
        self, by_digest: Mapping[str, Caller], token: str = "", *, reread: _Reread | None = None
    ) -> None:
        """Sets the known callers.

        Args:
            by_digest: callers by the SHA-256 of their token; without any, everybody is the house.
            token: what everybody must send if there are no callers; "" asks for none.
            reread: returns the callers again if their file has changed.
        """
        self._by_digest = by_digest
        self._token = token
        self._reread = reread

    @property
    def roles(self) -> frozenset[str]:
        """Every role that at least one caller has."""
        everybody = self._known().values() or (HOUSE,)
        return frozenset(grant.role for each in everybody for grant in each.grants)

    def caller(self, authorization: str | bytes | None) -> Caller | None:
        """The caller with this authorization metadata; None if the token is unknown."""
        sent = authorization or ""
        given = sent.decode(errors="replace") if isinstance(sent, bytes) else sent
        by_digest = self._known()
        if by_digest:
            token = given.removeprefix("Bearer ")
            return by_digest.get(hashlib.sha256(token.encode()).hexdigest())
        return HOUSE if check_token(self._token, given) is None else None

    def of(self, context: grpc.aio.ServicerContext[Any, Any]) -> Caller:
        """The caller of an RPC. Raises Unauthenticated if the token is missing or unknown."""
        metadata = dict(context.invocation_metadata() or ())
        caller = self.caller(metadata.get("authorization"))
        if caller is None:
            raise _nobody()
        return caller

    def refusal(self, authorization: str | bytes | None) -> Unauthenticated | None:
        """The error for a call without a valid token; None if the token is valid."""
        return _nobody() if self.caller(authorization) is None else None

    def _known(self) -> Mapping[str, Caller]:
        if self._reread is not None:
            self._by_digest = self._reread(self._by_digest)
        return self._by_digest


class _Reread:
    """Reads a callers file again when it has changed; a faulty file is logged and ignored."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = _state(file)

    def __call__(self, known: Mapping[str, Caller]) -> Mapping[str, Caller]:
        state = _state(self._file)
        if state == self._seen:
            return known
        self._seen = state
        try:
            fresh = read_callers(self._file)
        except InvalidRequest as error:
            # Keep the callers as they were: a typing error must not let in everybody, or nobody.
            log.error("the callers file was not reloaded: %s", error)
            return known
        log.info("the callers file was reloaded: %d callers", len(fresh))
        return fresh


def load(file: Path | None, token: str = "", *, required: bool = True) -> Callers:
    """Reads and checks the callers file; later changes take effect at the next call.

    Args:
        file: YAML; None for no callers file.
        token: what everybody must send if there is no callers file; "" asks for none.
        required: whether the file must exist; if not, it may be created later.

    Raises:
        InvalidRequest: names the line and the field.
    """
    if file is None:
        return Callers({}, token)
    reread = _Reread(file)
    # A broken link is an error: treating it as "no callers file" would let everybody in.
    if not required and not os.path.lexists(file):
        return Callers({}, token, reread=reread)
    if token:
        raise InvalidRequest(
            f"{file} gives each caller a token, and --token-file gives all the same one; "
            "use only one of the two"
        )
    return Callers(read_callers(file), reread=reread)


def _nobody() -> Unauthenticated:
    return Unauthenticated("the token is missing or wrong; set UNDERPAINT_TOKEN_FILE")


def _state(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    # ctime, too: it changes when an unreadable file becomes readable by a change of its mode.
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def read_callers(file: Path) -> dict[str, Caller]:
    """Callers by the digest of their token, in the order of the file.

    Raises:
        InvalidRequest: names the line and the field.
    """
    by_digest: dict[str, Caller] = {}
    identities: set[str] = set()
    for entry in read(file).fields(required=frozenset({"callers"}))["callers"]:
        digest, caller = _caller(entry)
        if digest in by_digest:
            raise entry.wrong("has the token of another caller")
        if caller.identity in identities:
            raise entry.wrong(f"is {caller.identity}, which is listed already")
        by_digest[digest] = caller
        identities.add(caller.identity)
    if not by_digest:
        raise InvalidRequest(f"{file} names no caller; add one with `underpaint callers add`")
    return by_digest


def _caller(entry: Entry) -> tuple[str, Caller]:
    fields = entry.fields(
        required=frozenset({"name", "token_sha256"}), optional=frozenset({*_LEVELS, "roles"})
    )
    digest = fields["token_sha256"].text()
    if not _DIGEST.fullmatch(digest):
        raise fields["token_sha256"].wrong(
            "must be 64 lower-case hex digits; make them with: printf %s TOKEN | sha256sum"
        )
    if digest == _NO_TOKEN:
        raise fields["token_sha256"].wrong("is the digest of an empty token; make a new one")
    levels = {level: _level(fields[level], level) for level in _LEVELS if level in fields}
    organisation = levels.get("organisation", DEFAULT)
    grants = frozenset(_grant(each, organisation) for each in fields.get("roles", ()))
    caller = Caller(
        name=_named(fields["name"]),
        organisation=organisation,
        team=levels.get("team", DEFAULT),
        project=levels.get("project", DEFAULT),
        grants=grants,
    )
    return digest, caller


def _level(entry: Entry, level: str) -> str:
    if entry.text() == ANY and level != "organisation":
        return ANY
    return _named(entry)


def _grant(entry: Entry, organisation: str) -> Grant:
    """A role such as "operator@acme/growth"; without a path, in the caller's organisation."""
    role, _, where = entry.text().partition("@")
    if not ROLE.fullmatch(role):
        raise entry.wrong(f"is {role!r}; use 1 to 64 of A-Z a-z 0-9 . _ -")
    if where == ANY:
        return Grant(role=role, path="")
    for level in where.split("/") if where else ():
        _checked(entry, level, check_name)
    return Grant(role=role, path=where or organisation)


def _named(entry: Entry) -> str:
    return _checked(entry, entry.text(), check_name)


def _checked(entry: Entry, name: str, check: Callable[[str], str]) -> str:
    try:
        return check(name)
    except InvalidRequest as error:
        raise entry.wrong(str(error)) from None
