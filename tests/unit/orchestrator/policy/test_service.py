"""A promotion is explained by the policy of its time, whatever has become of that."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import Page, Promotion, PromotionState
from underpaint.orchestrator import pricing
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.policy import InForce
from underpaint.orchestrator.policy.isolation import Isolation
from underpaint.orchestrator.policy.service import PolicyService
from underpaint.orchestrator.settings import POLICY, PRICES

from tests.unit.orchestrator.policy.scenes import AT, at, decided, read, rule
from tests.unit.orchestrator.samples import open_quote, promotion_request

LATER_REFUSED = rule("\"['x']" + ".map(a, a + a)" * 20 + '[0].size() > 5"', refuse="no")
VERDICTS = decided(read(rule("quote.max_usd_micros > 5000000", refuse="dear")), at()).verdicts


class OnePromotion:
    """A history."""

    def __init__(self, policy_version: str) -> None:
        request = promotion_request()
        quote = replace(
            open_quote(request, 28_000).quote, policy_version=policy_version, verdicts=VERDICTS
        )
        self.promotion = Promotion(
            id="promotion-1",
            state=PromotionState.RESERVED,
            promotion=request,
            quote=quote,
            created_at=AT,
            updated_at=AT,
        )

    async def get(self, promotion_id: str) -> Promotion:
        return self.promotion

    async def page(self, size: int, token: str) -> Page:
        return Page(promotions=(self.promotion,))


async def serving(text: str, tmp_path: Path, isolation: Isolation | None = None) -> PolicyService:
    """With a promotion that was quoted by a policy of former times."""
    artifacts, prices = Artifacts(str(tmp_path)), pricing.load(PRICES)
    await artifacts.put(text.encode(), Digest.of(text.encode(), "application/yaml"))
    return PolicyService(
        history=OnePromotion(hashlib.sha256(text.encode()).hexdigest()),
        artifacts=artifacts,
        policies=InForce(POLICY, prices.engines),
        prices=prices,
        isolation=isolation or Isolation(),
    )


async def test_one_of_former_times_shows_its_rules_even_for_an_engine_that_is_gone(
    tmp_path: Path,
) -> None:
    text = rule("quote.max_usd_micros > 5000000", route="gone")
    explanation = await (await serving(text, tmp_path)).explain("promotion-1")
    assert not explanation.in_force
    (one,) = explanation.rules
    assert (one.when, one.outcome) == ("quote.max_usd_micros > 5000000", "route: gone")


@pytest.mark.parametrize(
    ("text", "call_s", "why"),
    [(LATER_REFUSED, 20.0, "steps"), (rule("quote.max_usd_micros > 5"), 0.001, "too much time")],
)
async def test_one_that_may_not_be_read_any_more_shows_what_it_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, call_s: float, why: str
) -> None:
    service = await serving(text, tmp_path, Isolation(call_s=call_s))
    explanation = await service.explain("promotion-1")
    assert [each.verdict for each in explanation.rules] == list(VERDICTS)
    assert [each.when for each in explanation.rules] == ["", ""]
    assert why in caplog.text


async def test_a_replay_that_takes_too_long_says_what_to_do(tmp_path: Path) -> None:
    service = await serving(rule(), tmp_path, Isolation(call_s=0.001))
    since = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(InvalidRequest, match=r"too much time .* use fewer rules"):
        await service.replay(rule(), since, reached=lambda _: True)
    with pytest.raises(InvalidRequest, match=r"too much time .* use fewer rules"):
        await service.check(rule())
