"""Callers are added and revoked in a file that people may have written."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidRequest
from underpaint.orchestrator.callers import load
from underpaint.orchestrator.callers_file import add, listed, main, revoke

ANN, BEN = (hashlib.sha256(name.encode()).hexdigest() for name in ("ann", "ben"))
WRITTEN = f"""# Ours.
callers:
  # She draws.
  - name: ann
    token_sha256: {ANN}
    roles: [artist,
      operator]
  # He does not.
  - name: ben
    token_sha256: {BEN}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "callers.yaml"


def test_a_token_opens_until_it_is_revoked(file: Path) -> None:
    token = add(file, "ann", organisation="acme", team="growth", roles=["artist", "operator@*"])
    kept = add(file, "ben", organisation="acme", project="*")
    callers = load(file)
    ann = callers.caller(f"Bearer {token}")
    assert ann
    assert (ann.identity, ann.team) == ("acme/ann", "growth")
    assert sorted(map(str, ann.grants)) == ["artist@acme", "operator@*"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert token not in file.read_text()
    revoke(file, "ann", organisation="acme")
    assert callers.caller(f"Bearer {token}") is None
    assert callers.caller(f"Bearer {kept}")


def test_what_people_wrote_stays(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(WRITTEN)
    add(file, "cat")
    assert file.read_text().startswith(WRITTEN)
    revoke(file, "cat")
    assert file.read_text() == WRITTEN
    revoke(file, "ann")
    assert file.read_text() == (
        "# Ours.\ncallers:\n  # She draws.\n  # He does not.\n"
        f"  - name: ben\n    token_sha256: {BEN}\n"
    )
    assert [each.name for each in listed(file)] == ["ben"]


def test_a_link_stays_and_what_it_leads_to_is_changed(file: Path, tmp_path: Path) -> None:
    add(file, "ann")
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    add(link, "ben")
    assert link.is_symlink()
    assert [each.name for each in listed(file)] == ["ann", "ben"]


def test_who_could_read_the_file_still_can(file: Path) -> None:
    """The orchestrator may run as somebody else than the one who adds callers."""
    add(file, "ann")
    file.chmod(0o640)
    add(file, "ben")
    assert file.stat().st_mode & 0o777 == 0o640
    if os.geteuid() == 0:
        os.chown(file, 1234, 1235)
        revoke(file, "ben")
        assert (file.stat().st_uid, file.stat().st_gid) == (1234, 1235)


def test_many_who_add_at_once_lose_nobody(file: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        tokens = list(threads.map(lambda number: add(file, f"user-{number}"), range(24)))
    callers = load(file)
    assert len({callers.caller(f"Bearer {token}") for token in tokens}) == 24


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (lambda file: add(file, "ann"), "is default/ann, which is listed already"),
        (lambda file: add(file, "a b"), "'a b' is not valid"),
        (lambda file: add(file, "cat", roles=["a role"]), "'a role'; use 1 to 64"),
        (lambda file: revoke(file, "cat"), "has no caller default/cat"),
        (lambda file: revoke(file, "ann", organisation="acme"), "has no caller acme/ann"),
    ],
)
def test_what_does_not_do_changes_nothing(file: Path, what: object, told: str) -> None:
    file.parent.mkdir()
    file.write_text(WRITTEN)
    with pytest.raises(InvalidRequest, match=told) as error:
        what(file)  # type: ignore[operator]
    assert str(file) in str(error.value)
    assert file.read_text() == WRITTEN
    assert sorted(each.name for each in file.parent.iterdir() if each.suffix != ".lock") == [
        "callers.yaml"
    ]


def test_the_last_caller_is_not_revoked_into_a_house_that_is_open_to_all(file: Path) -> None:
    add(file, "ann")
    with pytest.raises(InvalidRequest, match="default/ann is the last caller"):
        revoke(file, "ann")


def test_a_list_in_one_line_is_told_to_be_cut(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(f"callers: [{{name: ann, token_sha256: {ANN}}}]\n")
    with pytest.raises(InvalidRequest, match="each caller on its own lines"):
        revoke(file, "ann")


def test_the_module_answers_in_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add", str(file), "--name", "ann", "--role", "lead"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"token"}
    assert main(["list", str(file)]) == 0
    (one,) = json.loads(capsys.readouterr().out)["callers"]
    assert (one["name"], one["roles"]) == ("ann", ["lead@default"])
    assert main(["revoke", str(file), "--name", "ben"]) == 2
    assert capsys.readouterr().err.startswith("underpaint callers: ")
