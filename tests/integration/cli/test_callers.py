"""Callers on the command line: a token is shown once, and taken away by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from underpaint.orchestrator.callers import load

from tests.integration.cli.conftest import Cli


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "callers.yaml"


def test_a_token_is_made_listed_and_revoked(cli: Cli, file: Path) -> None:
    assert "no callers are told apart" in cli("callers", "list", "--file", str(file)).out
    more = ("--organisation", "acme", "--team", "growth", "--role", "operator@acme/growth")
    added = cli("callers", "add", "ann", *more, "--file", str(file))
    assert added.code == 0
    assert "from now on everybody needs a token" in added.err
    token = added.out.splitlines()[1].strip()
    caller = load(file).caller(f"Bearer {token}")
    assert caller
    assert (caller.identity, caller.team) == ("acme/ann", "growth")
    again = cli("callers", "add", "ben", "--file", str(file), "--json")
    assert load(file).caller(f"Bearer {again.json['token']}")
    assert "from now on" not in again.err
    listed = cli("callers", "list", "--file", str(file))
    assert "acme/ann" in listed.out
    assert "operator@acme/growth" in listed.out
    assert token not in listed.out
    revoked = cli("callers", "revoke", "ann", "--organisation", "acme", "--file", str(file))
    assert revoked.code == 0
    assert "acme/ann may no longer call" in revoked.out
    assert load(file).caller(f"Bearer {token}") is None


def test_what_does_not_do_is_one_line_and_exit_code_2(cli: Cli, file: Path) -> None:
    cli("callers", "add", "ann", "--file", str(file))
    for arguments, told in (
        (("add", "ann"), "default/ann, which is listed already"),
        (("add", "a b"), "'a b' is not valid"),
        (("add", "ben", "--role", "a role"), "'a role'; use 1 to 64"),
        (("revoke", "ben"), "has no caller default/ben"),
        (("revoke", "ann"), "is the last caller"),
    ):
        ended = cli("callers", *arguments, "--file", str(file))
        assert ended.code == 2
        assert told in ended.err
        assert ended.err.count("\n") == 1


def test_without_a_file_it_is_that_of_up(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERPAINT_DATA_DIR", str(tmp_path))
    assert cli("callers", "add", "ann").code == 0
    assert (tmp_path / "orchestrator" / "callers.yaml").exists()
