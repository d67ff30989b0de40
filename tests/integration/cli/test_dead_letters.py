"""The command line of dead promotions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from underpaint.contract.errors import BudgetExceeded, NotDead
from underpaint.contract.promotion import PromotionState

from tests.integration.cli.conftest import Cli
from tests.integration.cli.test_commands import draft
from tests.integration.sdk.stubs import Stubs


@pytest.fixture
def dead(cli: Cli, stubs: Stubs) -> str:
    """A promotion that failed for good."""
    stubs.orchestrator.outcome = PromotionState.RELEASED
    promotion_id = str(cli("promote", draft(cli), "--yes", "--json").json["id"])
    stored = stubs.orchestrator.promotions[promotion_id]
    stubs.orchestrator.promotions[promotion_id] = replace(
        stored, dead=True, attempts=3, reason="given up after 3 attempts: out of [memory]"
    )
    return promotion_id


def test_the_dead_are_listed_with_why_and_what_to_do(cli: Cli, dead: str) -> None:
    listed = cli("promotions", "dead")
    assert listed.code == 0
    for told in (dead, "3", "given up after 3 attempts: out of [memory]", "a red fox"):
        assert told in listed.out
    assert f"underpaint promotions retry {dead}" in listed.out
    (one,) = cli("promotions", "dead", "--json").json["promotions"]
    assert (one["id"], one["dead"], one["attempts"]) == (dead, True, 3)


def test_a_retry_says_the_price_of_today_and_the_new_promotion(cli: Cli, dead: str) -> None:
    retried = cli("promotions", "retry", dead, "--yes")
    assert retried.code == 0, retried.err
    assert "in all, at most" in retried.out
    assert "$0.013" in retried.out
    assert "the dead one was quoted $0.0125; nothing was charged" in retried.out
    assert f"promotion {dead}-again retries {dead}" in retried.out
    assert "no dead promotions" in cli("promotions", "dead").out
    done = cli("promotions", "retry", dead, "--yes", "--wait", "--json")
    assert (done.code, done.json["state"]) == (0, "settled")
    assert done.json["promotion"]["retry_of"] == dead


def test_nothing_is_retried_unasked(cli: Cli, stubs: Stubs, dead: str) -> None:
    refused = cli("promotions", "retry", dead)
    assert (refused.code, "--yes" in refused.err) == (2, True)
    assert "RetryPromotion" not in stubs.orchestrator.script.calls


@pytest.mark.parametrize(
    ("rpc", "error"),
    [("QuoteRetry", NotDead("it is settled")), ("RetryPromotion", BudgetExceeded("no room"))],
)
def test_a_refusal_is_one_line(
    cli: Cli, stubs: Stubs, dead: str, rpc: str, error: NotDead | BudgetExceeded
) -> None:
    stubs.orchestrator.script.errors[rpc] = [error]
    refused = cli("promotions", "retry", dead, "--yes")
    assert (refused.code, refused.err) == (3, f"error: {error}\n")
