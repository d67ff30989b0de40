"""Who calls, and for which account."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidRequest, PolicyRefused
from underpaint.contract.promotion import Account
from underpaint.orchestrator.callers import NOBODY, Caller, load

DIGEST = hashlib.sha256(b"sesame").hexdigest()
ONE = f"{{name: ana, token_sha256: {DIGEST}, team: comics, roles: [lead, artist]}}"
ANA = Caller(name="ana", team="comics", roles=frozenset({"lead", "artist"}))


def written(tmp_path: Path, *callers: str) -> Path:
    file = tmp_path / "callers.yaml"
    file.write_text("callers:\n" + "".join(f"  - {each}\n" for each in callers))
    return file


def test_a_token_tells_who_calls(tmp_path: Path) -> None:
    callers = load(written(tmp_path, ONE), "shared")
    assert callers.caller("Bearer sesame") == ANA
    assert callers.caller(b"Bearer sesame") == ANA
    assert callers.caller("Bearer shared") == NOBODY
    for wrong in (None, "", "Bearer ", "Bearer open", f"Bearer {DIGEST}"):
        assert callers.caller(wrong) is None
        assert callers.refusal(wrong)
    assert callers.refusal("Bearer sesame") is None
    assert callers.roles == {"lead", "artist"}


def test_without_callers_and_token_everybody_is_nobody() -> None:
    callers = load(None)
    assert callers.caller(None) == callers.caller("Bearer any") == NOBODY
    assert not NOBODY.roles
    assert load(None, "sesame").caller(None) is None
    assert load(None, "sesame").caller("Bearer sesame") == NOBODY


def test_a_caller_s_own_levels_stand_for_what_is_left_open() -> None:
    assert ANA.bind(Account()) == Account(team="comics", user="ana")
    assert ANA.bind(Account(project="book", team="comics")).project == "book"
    assert NOBODY.bind(Account(user="x")) == Account(user="x")
    for other in (Account(user="ben"), Account(team="films")):
        with pytest.raises(PolicyRefused, match=r"ana may not promote for (user:ben|team:films)"):
            ANA.bind(other)


@pytest.mark.parametrize(
    ("callers", "told"),
    [
        ((ONE, ONE.replace("ana", "ben")), r"yaml:3: .*has the token of another caller"),
        (("{name: ana, token_sha256: abc}",), r"yaml:2: .*64 lower-case hex digits"),
        ((ONE.replace("lead", "'a lead'"),), r"yaml:2: .*'a lead'; use 1 to 64"),
        ((ONE.replace("ana", "'a b'"),), r"yaml:2: .*'user:a b' does not do"),
        ((ONE.replace("roles", "rules"),), r"yaml:2: .*rules is unknown"),
        ((f"{{token_sha256: {DIGEST}}}",), r"yaml:2: .*lacks name"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(
    tmp_path: Path, callers: tuple[str, ...], told: str
) -> None:
    with pytest.raises(InvalidRequest, match=told):
        load(written(tmp_path, *callers))
