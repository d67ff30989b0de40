"""Who calls: tokens, each with a user, an account and roles.

Identity comes from the credential alone. Where no callers are told apart, everybody who is let
in is the house: one organisation, whose caller may do everything.
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

ANY: Final = "*"  # a level that its caller may choose, or a role's reach over everything
DEFAULT: Final = "default"  # the name of a level that nobody named
ARTIST: Final = "artist"
APPROVER: Final = "approver"
OPERATOR: Final = "operator"
ADMINISTRATOR: Final = "administrator"
BUILT_IN: Final = (ARTIST, APPROVER, OPERATOR, ADMINISTRATOR)
_LEVELS: Final = ("organisation", "team", "project")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NO_TOKEN: Final = hashlib.sha256(b"").hexdigest()  # what whoever brings none would be known by


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Grant:
    """A role and where it holds: a path such as "acme/growth", and what is below; "" for all."""

    role: str
    path: str

    def __str__(self) -> str:
        return f"{self.role}@{self.path or ANY}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One user of one organisation; a team or project of "*" may be named by the message."""

    name: str
    organisation: str = DEFAULT
    team: str = DEFAULT
    project: str = DEFAULT
    grants: frozenset[Grant] = frozenset()
    of_house: bool = False  # nobody is told apart: any user may be named, too

    @property
    def identity(self) -> str:
        """Such as "acme/ann": what quotes are bound to."""
        return f"{self.organisation}/{self.name}"

    @property
    def account(self) -> Account:
        """Its own, where the message names nothing."""
        own = {level: getattr(self, level) for level in _LEVELS}
        return Account(
            **{level: DEFAULT if mine == ANY else mine for level, mine in own.items()},
            user=DEFAULT if self.of_house else self.name,
        )

    @property
    def party(self) -> str:
        """Who takes turns with others, by the credential: its team, else the user."""
        if self.of_house or self.team in (ANY, DEFAULT):
            return f"user:{self.identity}"
        return f"team:{self.organisation}/{self.team}"

    def roles_at(self, path: str) -> frozenset[str]:
        """The roles that hold at a path such as "acme/growth/web/ann"."""
        return frozenset(grant.role for grant in self.grants if below(path, grant.path))

    def may(self, path: str, *roles: str) -> bool:
        """Whether one of some roles holds at a path; "" stands for everything."""
        return any(grant.role in roles and below(path, grant.path) for grant in self.grants)

    def has(self, *roles: str) -> bool:
        """Whether one of some roles holds anywhere."""
        return any(grant.role in roles for grant in self.grants)

    def owns(self, account: Account) -> bool:
        """Whether what was made for an account is this caller's own."""
        if account.organisation != self.organisation:
            return False
        return self.of_house or account.user == self.name

    def bind(self, account: Account) -> Account:
        """The account with this caller's own levels in place of what was left open.

        Raises:
            NotAllowed: it names another user, or a level that is not this caller's.
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
                    "an administrator gives callers what they may name"
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
    """Whose token is whose; the file holds digests, so that it is no secret."""

    def __init__(
        self, by_digest: Mapping[str, Caller], token: str = "", *, reread: _Reread | None = None
    ) -> None:
        """Without callers everybody is the house, who brings the token if there is one."""
        self._by_digest = by_digest
        self._token = token
        self._reread = reread

    @property
    def roles(self) -> frozenset[str]:
        """Every role that somebody has."""
        everybody = self._known().values() or (HOUSE,)
        return frozenset(grant.role for each in everybody for grant in each.grants)

    def caller(self, authorization: str | bytes | None) -> Caller | None:
        """Who brings this metadata; None for a token that is nobody's."""
        sent = authorization or ""
        given = sent.decode(errors="replace") if isinstance(sent, bytes) else sent
        by_digest = self._known()
        if by_digest:
            token = given.removeprefix("Bearer ")
            return by_digest.get(hashlib.sha256(token.encode()).hexdigest())
        return HOUSE if check_token(self._token, given) is None else None

    def of(self, context: grpc.aio.ServicerContext[Any, Any]) -> Caller:
        """Who makes this call. Raises Unauthenticated for nobody."""
        metadata = dict(context.invocation_metadata() or ())
        caller = self.caller(metadata.get("authorization"))
        if caller is None:
            raise _nobody()
        return caller

    def refusal(self, authorization: str | bytes | None) -> Unauthenticated | None:
        """Why a call is not let in; None if it is."""
        return _nobody() if self.caller(authorization) is None else None

    def _known(self) -> Mapping[str, Caller]:
        if self._reread is not None:
            self._by_digest = self._reread(self._by_digest)
        return self._by_digest


class _Reread:
    """Reads a callers file again once it has changed; a wrong one is told and not taken."""

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
            # Whoever was known stays known: a slip must not let everybody in, or nobody.
            log.error("the callers stay as they were: %s", error)
            return known
        log.info("%d callers are known now", len(fresh))
        return fresh


def load(file: Path | None, token: str = "", *, required: bool = True) -> Callers:
    """Reads and checks who may call; a changed file is taken at the next call.

    Args:
        file: YAML; None tells no callers apart.
        token: that everybody must bring, where callers are not told apart.
        required: whether the file must be there; one that is not may come later.

    Raises:
        InvalidRequest: names the line and the field.
    """
    if file is None:
        return Callers({}, token)
    reread = _Reread(file)
    # A link to nowhere is a mistake, not an absence: that would let everybody in.
    if not required and not os.path.lexists(file):
        return Callers({}, token, reread=reread)
    if token:
        raise InvalidRequest(
            f"{file} gives each caller a token and --token-file one to all; give only one of them"
        )
    return Callers(read_callers(file), reread=reread)


def _nobody() -> Unauthenticated:
    return Unauthenticated("the token is missing or wrong; set UNDERPAINT_TOKEN_FILE")


def _state(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    # The time of change, too: it tells when a file that could not be read may be read again.
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
            raise entry.wrong(f"is {caller.identity}, who is there already")
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
    """A role, in the caller's organisation unless it says where: "operator@acme/growth"."""
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
