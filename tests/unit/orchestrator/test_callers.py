"""Who calls, for which account, and where their roles hold."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidRequest, NotAllowed
from underpaint.contract.promotion import Account
from underpaint.orchestrator.callers import HOUSE, Caller, Grant, load

DIGEST = hashlib.sha256(b"sesame").hexdigest()
EMPTY = hashlib.sha256(b"").hexdigest()
OTHER = hashlib.sha256(b"open").hexdigest()
ONE = (
    f"{{name: ana, token_sha256: {DIGEST}, organisation: acme, team: comics, "
    'roles: [lead, artist, "operator@acme/comics", "approver@*"]}'
)
ANA = Caller(
    name="ana",
    organisation="acme",
    team="comics",
    grants=frozenset(
        {
            Grant(role="lead", path="acme"),
            Grant(role="artist", path="acme"),
            Grant(role="operator", path="acme/comics"),
            Grant(role="approver", path=""),
        }
    ),
)


def written(tmp_path: Path, *callers: str) -> Path:
    file = tmp_path / "callers.yaml"
    file.write_text("callers:\n" + "".join(f"  - {each}\n" for each in callers))
    return file


def test_a_token_tells_who_calls(tmp_path: Path) -> None:
    callers = load(written(tmp_path, ONE))
    assert callers.caller("Bearer sesame") == ANA
    assert callers.caller(b"Bearer sesame") == ANA
    for wrong in (None, "", "Bearer ", "Bearer open", f"Bearer {DIGEST}", b"Bearer \xff"):
        assert callers.caller(wrong) is None
        assert callers.refusal(wrong)
    assert callers.refusal("Bearer sesame") is None
    assert callers.roles == {"lead", "artist", "operator", "approver"}


def test_without_callers_everybody_who_is_let_in_is_the_house() -> None:
    callers = load(None)
    assert callers.caller(None) == callers.caller("Bearer any") == HOUSE
    assert load(None, "sesame").caller(None) is None
    assert load(None, "sesame").caller("Bearer sesame") == HOUSE
    for role in ("artist", "approver", "operator", "administrator"):
        assert HOUSE.may("", role)


def test_one_token_for_all_and_one_for_each_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="use only one of the two"):
        load(written(tmp_path, ONE), "shared")


def test_a_role_holds_where_it_was_given_and_below() -> None:
    assert ANA.roles_at("acme/comics/book/ben") == {"lead", "artist", "operator", "approver"}
    assert ANA.roles_at("acme/films") == {"lead", "artist", "approver"}
    assert ANA.roles_at("acmeous") == {"approver"}  # no path below acme, though it begins alike
    assert ANA.may("acme/comics", "operator")
    assert not ANA.may("acme", "operator")
    assert not ANA.may("", "operator")


def test_a_caller_s_own_levels_stand_for_what_is_left_open() -> None:
    own = Account(organisation="acme", team="comics", user="ana")
    assert ANA.bind(Account()) == ANA.bind(own) == own
    for other in (
        Account(user="ben"),
        Account(team="films"),
        Account(project="book"),
        Account(organisation="x"),
    ):
        with pytest.raises(NotAllowed, match="ana may not promote for"):
            ANA.bind(other)


def test_a_level_that_is_open_may_be_named() -> None:
    free = Caller(name="ben", organisation="acme", team="*", project="*")
    named = free.bind(Account(team="films", project="noir"))
    assert named == Account(organisation="acme", team="films", project="noir", user="ben")
    assert free.bind(Account()) == Account(organisation="acme", user="ben")


def test_the_house_has_one_organisation_and_names_its_users() -> None:
    assert HOUSE.bind(Account(user="x", project="y")) == Account(user="x", project="y")
    with pytest.raises(NotAllowed, match="organisation x"):
        HOUSE.bind(Account(organisation="x"))


@pytest.mark.parametrize(
    ("caller", "party"),
    [
        (ANA, "team:acme/comics"),
        (Caller(name="ben", organisation="acme"), "user:acme/ben"),
        (Caller(name="ben", organisation="acme", team="*"), "user:acme/ben"),
        (HOUSE, "user:default/house"),
    ],
)
def test_turns_are_those_of_the_credential_whatever_a_message_names(
    caller: Caller, party: str
) -> None:
    assert caller.party == party


def test_a_changed_file_is_taken_at_the_next_call_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    file = written(tmp_path, ONE)
    callers = load(file)
    written(tmp_path, ONE, f"{{name: ben, token_sha256: {OTHER}, organisation: acme}}")
    ben = callers.caller("Bearer open")
    assert ben
    assert ben.identity == "acme/ben"
    file.write_text("callers: [oops]\n")
    assert callers.caller("Bearer sesame") == ANA
    written(tmp_path, ONE)
    assert callers.caller("Bearer open") is None
    file.unlink()
    assert callers.caller("Bearer sesame") == ANA
    assert callers.caller(None) is None


def test_callers_may_come_later(tmp_path: Path) -> None:
    callers = load(tmp_path / "callers.yaml", required=False)
    assert callers.caller(None) == HOUSE
    written(tmp_path, ONE)
    assert callers.caller(None) is None
    assert callers.caller("Bearer sesame") == ANA


def test_a_link_to_nowhere_lets_nobody_in(tmp_path: Path) -> None:
    """Such as a secret that is not mounted yet: it is no wish to let everybody in."""
    link = tmp_path / "link.yaml"
    link.symlink_to(tmp_path / "callers.yaml")
    with pytest.raises(InvalidRequest, match="cannot be read"):
        load(link, required=False)
    written(tmp_path, ONE)
    assert load(link, required=False).caller("Bearer sesame") == ANA


def test_a_link_that_leads_elsewhere_is_read_again(tmp_path: Path) -> None:
    """So are secrets exchanged that an orchestrator of containers mounts."""
    link = tmp_path / "link.yaml"
    link.symlink_to(written(tmp_path, ONE))
    callers = load(link)
    (tmp_path / "later").mkdir()
    later = written(tmp_path / "later", ONE.replace(DIGEST, OTHER))
    (tmp_path / "new").symlink_to(later)
    (tmp_path / "new").replace(link)
    assert callers.caller("Bearer sesame") is None
    assert callers.caller("Bearer open") == ANA


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    """As copying with times kept makes it; a revoked token must not live on by it."""
    file = written(tmp_path, ONE)
    callers = load(file)
    before = file.stat()
    file.write_text(file.read_text().replace(DIGEST, OTHER))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert callers.caller("Bearer sesame") is None
    assert callers.caller("Bearer open") == ANA


@pytest.mark.parametrize(
    ("callers", "told"),
    [
        ((ONE, ONE.replace("ana", "ben")), r"yaml:3: .*has the token of another caller"),
        ((ONE, ONE.replace(DIGEST, OTHER)), r"yaml:3: .*is acme/ana, which is listed already"),
        ((ONE.replace(DIGEST, EMPTY),), r"yaml:2: .*is the digest of an empty token"),
        (("{name: ana, token_sha256: abc}",), r"yaml:2: .*64 lower-case hex digits"),
        ((ONE.replace("lead", "'a lead'"),), r"yaml:2: .*'a lead'; use 1 to 64"),
        ((ONE.replace("@acme/comics", "@acme/a b"),), r"yaml:2: .*'a b' is not valid"),
        ((ONE.replace("ana", "'a b'"),), r"yaml:2: .*'a b' is not valid"),
        ((ONE.replace("acme, team", "'*', team"),), r"yaml:2: .*'\*' is not valid"),
        ((ONE.replace("roles", "rules"),), r"yaml:2: .*rules is unknown"),
        ((f"{{token_sha256: {DIGEST}}}",), r"yaml:2: .*lacks name"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(
    tmp_path: Path, callers: tuple[str, ...], told: str
) -> None:
    with pytest.raises(InvalidRequest, match=told):
        load(written(tmp_path, *callers))
