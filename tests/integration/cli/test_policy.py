"""The command line of policy and approvals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from underpaint.contract.errors import NotWaiting, PolicyRefused
from underpaint.contract.promotion import Approval, PromotionState

from tests.integration.cli.conftest import Cli, run_cli
from tests.integration.cli.test_commands import draft
from tests.integration.sdk.stubs import Stubs

BAD = """rules:
  - {name: a, when: draft.privcy == 'full', route: full}
  - {name: b, route: huge}
"""


@pytest.fixture
def waiting(cli: Cli, stubs: Stubs) -> str:
    """A promotion that waits for its approval."""
    promoted = cli("promote", draft(cli), "--yes", "--json")
    promotion_id = str(promoted.json["id"])
    promotions = stubs.orchestrator.promotions
    stored = promotions[promotion_id]
    promotions[promotion_id] = replace(
        stored,
        state=PromotionState.WAITING,
        reason="waiting for somebody with role lead to approve it",
        quote=replace(stored.quote, approval=Approval(role="lead", within_s=3_600)),
        receipt=None,
        artifact=None,
        lineage=None,
    )
    return promotion_id


def test_the_list_says_what_waits_for_whom(cli: Cli, waiting: str) -> None:
    listed = cli("promotions")
    assert "waiting" in listed.out
    assert f"{waiting} waits for role lead: underpaint promotions approve {waiting}" in listed.out
    (one,) = cli("promotions", "--limit", 5, "--json").json["promotions"]
    assert (one["state"], one["quote"]["approval"]["role"]) == ("waiting", "lead")


def test_approve_and_deny(cli: Cli, stubs: Stubs, waiting: str) -> None:
    approved = cli("promotions", "approve", waiting)
    assert approved.code == 0
    assert "approved by ana, for at most $0.0125: reserved" in approved.out
    denied = cli("promotions", "deny", waiting, "--because", "[not] for this book")
    assert "is denied by ana: [not] for this book" in denied.out
    assert cli("promotions", "approve", waiting, "--json").json["approved_by"] == "ana"
    missing = cli("promotions", "deny", waiting)
    assert missing.code == 2
    assert "--because" in missing.err
    for error, rpc in (
        (PolicyRefused("only somebody with role lead"), "ApprovePromotion"),
        (NotWaiting("its time is over"), "ApprovePromotion"),
    ):
        stubs.orchestrator.script.errors[rpc] = [error]
        refused = cli("promotions", "approve", waiting)
        assert (refused.code, refused.err) == (3, f"error: {error}\n")


def test_show_says_what_is_in_force_and_what_is_not(cli: Cli) -> None:
    shown = cli("policy", "show")
    assert shown.code == 0
    assert "{name: polish, route: full}" in shown.out
    assert "policy efefefefefef is in force since" in shown.out
    assert "/etc/policy.yaml:3: draft.privcy is unknown" in shown.err
    assert "not in force" in shown.err


def test_check_lists_every_problem_with_its_line(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("good")
    sound = cli("policy", "check", file)
    assert (sound.code, sound.out) == (0, f"{file} is sound: 3 rules, version abababababab\n")
    file.write_text("bad")
    wrong = cli("policy", "check", file)
    assert wrong.code == 2
    assert wrong.err.splitlines() == [
        f"{file}:3: draft.privcy is unknown",
        f"{file}:9: rule 'rest' can never decide",
        "2 problems; it would not be loaded",
    ]
    told = cli("policy", "check", file, "--json")
    assert [each["line"] for each in told.json["problems"]] == [3, 9]
    absent = cli("policy", "check", tmp_path / "none.yaml")
    assert (absent.code, absent.err.count("\n")) == (2, 1)


def test_check_needs_nothing_running_when_it_is_given_prices(tmp_path: Path) -> None:
    prices = Path("orchestrator/underpaint/orchestrator/pricing/prices.yaml").resolve()
    file = tmp_path / "mine.yaml"
    file.write_text(BAD)
    data = ("--data-dir", tmp_path / "data")
    wrong = run_cli("policy", "check", file, "--prices", prices, *data)
    assert wrong.code == 2
    first, second, total = wrong.err.splitlines()
    assert first.startswith(f"{file}:2: ")
    assert "did you mean draft.privacy?" in first
    assert second.startswith(f"{file}:3: ")
    assert "'huge', which has no price" in second
    assert total == "2 problems; it would not be loaded"
    file.write_text("rules:\n  - {name: b, route: full}\n")
    assert run_cli("policy", "check", file, "--prices", prices, *data).code == 0
    nothing_runs = run_cli("policy", "check", file, *data)
    assert nothing_runs.code == 4
    assert "--prices FILE" in nothing_runs.err
    none = run_cli("policy", "check", file, "--prices", tmp_path / "none", *data)
    assert (none.code, none.err.count("\n")) == (2, 1)
    assert "cannot be read" in none.err


def test_explain_shows_rules_and_what_they_saw(cli: Cli, waiting: str) -> None:
    told = cli("policy", "explain", waiting)
    assert told.code == 0
    lines = told.out.splitlines()
    assert "too-dear" in lines[1]
    assert "quote.max_usd_micros = 12500" in lines[1]
    assert "→ polish" in lines[2]
    assert "goes to full" in lines[2]
    document = cli("policy", "explain", waiting, "--json").json
    assert document["rules"][0]["verdict"]["saw"] == {"quote.max_usd_micros": "12500"}
    assert cli("policy", "explain", "promotion-9").code == 2


def test_replay_compares(cli: Cli, stubs: Stubs, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("good")
    told = cli("policy", "replay", file, "--since", "3d")
    assert told.code == 0, told.err
    table = [line.split() for line in told.out.splitlines()]
    assert ["routed", "3", "2"] in table
    assert ["refused", "0", "1"] in table
    assert ["spent", "$0.0282", "$0.0188"] in table
    assert "strict: too dear" in told.out
    (since,) = stubs.orchestrator.replayed_since
    assert abs(datetime.now(UTC) - timedelta(days=3) - since) < timedelta(minutes=2)
    wrong = cli("policy", "replay", file, "--since", "yesterday")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "write it like 30s, 15m, 4h or 7d" in wrong.err
    file.write_text("bad")
    assert cli("policy", "replay", file).code == 2
    assert stubs.orchestrator.script.calls.count("ReplayPolicy") == 1
