"""What other people write reaches nobody's terminal as anything but characters."""

from __future__ import annotations

import dataclasses
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from underpaint.cli.main import app
from underpaint.contract.accounting import LedgerEntry
from underpaint.contract.errors import PolicyRefused
from underpaint.contract.outbox import OutboxItem, OutboxState
from underpaint.contract.policy import PolicyProblem
from underpaint.contract.promotion import Approval, PromotionState

from tests.integration.cli.conftest import Cli
from tests.integration.sdk.script import NOW
from tests.integration.sdk.stubs import Stubs

# A window's title, a cleared screen, C1, turned text, a bell, a line of its own, markup.
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\u2066\r\n\u2028[bold]bold[/] [/oops] :bomb: \x7f"
BAD = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))} - {"\n"}
BAD |= set("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

# Each command of the command line, and how it gets to show the words of others.
COMMANDS: dict[str, list[str]] = {
    "draft": ["a fox", "-n", "1", "--out", "drafts"],
    "drafts": [],
    "show": ["evil-draft", "--out", "shown.png"],
    "quote": ["evil-draft"],
    "promote": ["evil-draft", "--yes", "--promotion-id", "new", "--out", "final.png"],
    "watch": ["evil"],
    "cancel": ["evil"],
    "promotions": [],
    "promotions approve": ["evil"],
    "promotions deny": ["evil", "--because", EVIL],
    "promotions dead": [],
    "promotions retry": ["evil", "--yes"],
    "outbox list": [],
    "outbox send": [],
    "outbox drop": ["evil"],
    "budget set": ["project:x", "5"],
    "budget show": [],
    "budget remove": [EVIL],
    "spend": ["--by", "team", "--png", "spend.png"],
    "ledger verify": [],
    "ledger thaw": ["--because", "the cause is found"],
    "ledger export": ["--output", "ledger.csv"],
    "policy show": [],
    "policy check": ["bad.yaml"],
    "policy explain": ["evil"],
    "policy replay": ["good.yaml"],
    "demo": ["a fox", "-n", "1", "--out", "demo"],
    "models inspect": ["somebodys"],
    "models card": ["somebodys", "--steps", "2"],
}
# These show nothing but this machine's own.
ALONE = {
    "callers add",
    "callers revoke",
    "callers list",
    "up",
    "down",
    "doctor",
    "models show",
    "models verify",
    "models eval",
    "models families",
    "certs init",
    "certs issue",
    "certs show",
}


def commands(of: typer.Typer, prefix: str = "") -> Iterator[str]:
    for command in of.registered_commands:
        yield f"{prefix}{command.name}"
    for group in of.registered_groups:
        inner = group.typer_instance
        assert inner is not None
        if inner.registered_callback is not None:
            yield str(group.name)
        yield from commands(inner, f"{group.name} ")


def poisoned(value: Any) -> Any:
    """The value with the evil words at the end of every text that a service may choose."""
    if isinstance(value, str):
        return value + EVIL
    if isinstance(value, tuple):
        return tuple(map(poisoned, value))
    if isinstance(value, dict):
        return {poisoned(key): poisoned(item) for key, item in value.items()}
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    kept = ("sha256", "media_type", "day", "kind", "retried_as")
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
    return dataclasses.replace(
        value, **{name: item if name in kept else poisoned(item) for name, item in fields.items()}
    )


@pytest.fixture
def evil(cli: Cli, stubs: Stubs, tmp_path: Path) -> Cli:
    """The command line, where everything that services tell is poisoned."""
    cli("draft", "a fox", "-n", 1, "--seed", 7)
    cli("promote", "00000000", "--yes", "--promotion-id", "evil")
    orchestrator, edge = stubs.orchestrator, stubs.edge
    ((draft, data),) = edge.drafts.values()
    edge.drafts = {"evil-draft": (poisoned(draft), data)}
    edge.warnings = (poisoned("never taught: "),)
    edge.outbox = [
        OutboxItem(
            promotion_id=poisoned("evil"),
            draft_id=poisoned("draft"),
            prompt=poisoned("a fox"),
            state=OutboxState.ASKS,
            reason=poisoned("it costs more"),
            accepted_usd_micros=0,
            quoted_usd_micros=9,
            kept_at=NOW,
        )
    ]
    stored = orchestrator.promotions["evil"]
    quote = dataclasses.replace(stored.quote, approval=Approval(role="lead", within_s=60))
    stored = dataclasses.replace(stored, quote=quote, dead=True, reason="no memory")
    orchestrator.promotions["evil"] = poisoned(stored)
    orchestrator.promotions["waits"] = poisoned(
        dataclasses.replace(stored, id="waits", state=PromotionState.WAITING)
    )
    orchestrator.events["evil"] = [poisoned(event) for event in orchestrator.events["evil"]]
    orchestrator.verification = dataclasses.replace(
        orchestrator.verification, mismatches=(poisoned("user:u"),), frozen=poisoned("a hole")
    )
    orchestrator.policy = dataclasses.replace(
        orchestrator.policy,
        text=poisoned("rules:\n"),
        file=poisoned("policy.yaml"),
        problems=(PolicyProblem(line=1, told=poisoned("bad")),),
    )
    orchestrator.entries = [
        LedgerEntry(id="1-1", number=1, at=NOW, kind="freeze", note=poisoned("noted"))
    ]
    cli("budget", "set", "project:a", 5)
    orchestrator.budgets = {key: poisoned(one) for key, one in orchestrator.budgets.items()}
    orchestrator.altered, orchestrator.spender = poisoned, poisoned("a")
    (tmp_path / "bad.yaml").write_text("bad")
    (tmp_path / "good.yaml").write_text("good")
    model = tmp_path / "somebodys"
    (model / "scheduler").mkdir(parents=True)
    (model / "scheduler" / "scheduler_config.json").write_text("{}")
    index = {"_class_name": poisoned("Pipeline"), "scheduler": ["diffusers", poisoned("Euler")]}
    (model / "model_index.json").write_text(json.dumps(index))
    return cli


def test_every_command_is_tried_with_hostile_words() -> None:
    assert set(commands(app)) - ALONE == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_shows_hostile_words_as_characters(evil: Cli, stubs: Stubs, name: str) -> None:
    line = [*name.split(), *COMMANDS[name]]
    shown = evil(*line)
    assert shown.code in (0, 1, 2, 3), shown.err
    assert "UNDERPAINT_DEBUG=1" not in shown.err
    assert BAD.isdisjoint(shown.out + shown.err), ascii(shown.out + shown.err)


@pytest.mark.parametrize("name", COMMANDS)
def test_json_holds_hostile_words_escaped_and_whole(evil: Cli, name: str) -> None:
    shown = evil(*name.split(), *COMMANDS[name], "--json")
    assert shown.out.isascii()
    assert BAD.isdisjoint(shown.out + shown.err), ascii(shown.out + shown.err)
    document = json.loads(shown.out)
    if name == "drafts":
        assert document["drafts"][0]["request"]["prompt"] == "a fox" + EVIL


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_an_error_shows_hostile_words_as_characters(
    evil: Cli, stubs: Stubs, as_json: tuple[str, ...]
) -> None:
    stubs.orchestrator.script.errors["Quote"] = [PolicyRefused("no" + EVIL)]
    refused = evil("quote", "evil-draft", *as_json)
    assert refused.code == 3
    assert refused.err.startswith("error: no\\x1b]0;owned\\x07")
    assert refused.err.count("\n") == 1
    assert BAD.isdisjoint(refused.out + refused.err)


def test_what_is_spelled_out_is_all_there_and_brackets_stay_brackets(evil: Cli) -> None:
    shown = evil("promotions", "dead").out
    assert "no memory\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\u202eevil" in shown
    assert "[bold]bold[/] [/oops] :bomb:" in shown


def test_a_bar_that_moves_shows_hostile_words_as_characters(
    evil: Cli, stubs: Stubs, tmp_path: Path
) -> None:
    """In a real terminal, where codes of our own do reach it."""
    ours, theirs = pty.openpty()
    environ = {k: v for k, v in os.environ.items() if k not in ("TMUX", "KITTY_WINDOW_ID")}
    with subprocess.Popen(
        [sys.executable, "-m", "underpaint.cli", "watch", "evil"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LC_ALL": "C.UTF-8"},
        cwd=tmp_path,
    ) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                said += os.read(ours, 65_536)
            except OSError:  # the other end is closed
                break
        assert process.wait(60) == 0
    os.close(ours)
    told = said.decode()
    assert "\x1b[" in told  # the bar moves
    assert "▀" in told  # its preview is drawn
    assert "\\x1b]0;owned" in told
    assert "\x1b]0;" not in told
    assert "\x07" not in told
    assert "\x1b[2J" not in told
    assert BAD.isdisjoint(set(told) - {"\x1b", "\r"})


LONG = "a very long prompt about a fox " * 30


def test_one_long_prompt_leaves_every_other_column_its_room(
    cli: Cli, stubs: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    cli("draft", "a fox", "-n", 2, "--seed", 7)
    cli("promote", "00000000", "--yes", "--promotion-id", "promotion-short")
    cli("promote", "00000001", "--yes", "--promotion-id", "promotion-long")
    edge, orchestrator = stubs.edge, stubs.orchestrator
    for kept, (draft, data) in edge.drafts.items():
        request = dataclasses.replace(draft.request, prompt=LONG)
        edge.drafts[kept] = (dataclasses.replace(draft, request=request), data)
    for kept, stored in orchestrator.promotions.items():
        request = dataclasses.replace(stored.quote.request, prompt=LONG)
        quote = dataclasses.replace(stored.quote, request=request)
        orchestrator.promotions[kept] = dataclasses.replace(
            stored, quote=quote, dead=True, reason="no memory"
        )
    edge.outbox = [
        OutboxItem(
            promotion_id="promotion-long",
            draft_id="d",
            prompt=LONG,
            state=OutboxState.REFUSED,
            reason="no memory",
            accepted_usd_micros=0,
            quoted_usd_micros=0,
            kept_at=NOW,
        )
    ]
    lines = cli("promotions").out.splitlines()
    assert len(lines) == 3
    for line in lines[1:]:
        for told in ("promotion-", "11-21 06:00", "settled", "$0.0125", "$0.0094", "a very long"):
            assert told in line
        assert len(line) <= 90
    told = cli("drafts").out.splitlines()[1]
    for column in ("0000000", "11-21 06:00", "128 x 128", "full", "0.42 s", "a very"):
        assert column in told
    dead = cli("promotions", "dead").out.splitlines()[1]
    outbox = cli("outbox", "list").out.splitlines()[1]
    for column in ("promotion-long", "11-21 06:00", "no memory", "a very long"):
        assert column in dead
        assert column in outbox
