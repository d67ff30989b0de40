"""What another policy would have done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from underpaint.contract.generation import GenerationRequest
from underpaint.contract.policy import ReplayLine
from underpaint.contract.promotion import Approval, Promotion, PromotionState, Receipt
from underpaint.orchestrator.policy.explaining import explain
from underpaint.orchestrator.policy.replaying import Replayer

from tests.unit.orchestrator.policy.scenes import AT, at, decided, read, rule
from tests.unit.orchestrator.samples import open_quote, promotion_request


def bound(request: GenerationRequest) -> int:
    return 1_000 * request.num_inference_steps


def promotion(charged: int = 14_000, promotion_id: str = "promotion-1", **quote: Any) -> Promotion:
    request = promotion_request()
    facts = {"user.roles": '["artist"]', "budget.left_usd_micros": "70000"}
    quoted = replace(open_quote(request, 28_000).quote, facts=facts, **quote)
    return Promotion(
        id=promotion_id,
        state=PromotionState.SETTLED,
        promotion=request,
        quote=quoted,
        created_at=AT,
        updated_at=AT,
        receipt=Receipt(
            quoted_usd_micros=28_000,
            charged_usd_micros=charged,
            cloud_only_usd_micros=0,
            price_table_version="test",
            gpu_seconds=1.0,
            settled_at=AT,
        )
        if charged
        else None,
    )


def replayed(text: str, *promotions: Promotion, engine: str = "full") -> Replayer:
    replayer = Replayer(policy=read(text, engine), bounds={engine: bound})
    for each in promotions:
        replayer.add(each)
    return replayer


def after(replayer: Replayer) -> dict[str, int]:
    return {each.outcome: each.after for each in replayer.result().lines if each.after}


def test_the_same_policy_changes_nothing() -> None:
    result = replayed(rule(), promotion(), promotion(charged=0)).result()
    assert (result.changed, result.changes) == (0, ())
    assert (result.before_usd_micros, result.after_usd_micros) == (14_000, 14_000)
    assert result.lines[0] == ReplayLine(outcome="routed", before=2, after=2)


def test_what_would_have_been_refused_would_not_have_been_spent() -> None:
    replayer = replayed(rule("quote.max_usd_micros > 9000", refuse="dear"), promotion())
    (change,) = replayer.result().changes
    assert (change.before, change.after) == ("routed", "refused")
    assert (change.before_usd_micros, change.after_usd_micros) == (14_000, 0)
    assert change.reason == "one: dear"


def test_a_downgrade_is_charged_in_proportion() -> None:
    replayer = replayed(rule(downgrade="{engine: full, ceiling_usd: 0.007}"), promotion())
    assert after(replayer) == {"downgraded": 1}
    assert replayer.result().after_usd_micros == 3_500  # 7 steps for 28


def test_approvals_are_counted_and_taken_to_be_given() -> None:
    text = rule(require_approval="{engine: full, role: lead, within: 1h}")
    replayer = replayed(text, promotion(), promotion(approval=Approval(role="x", within_s=1)))
    assert after(replayer) == {"approval": 2}
    assert replayer.before == {"routed": 1, "approval": 1}
    assert replayer.result().after_usd_micros == 28_000
    assert replayer.result().changed == 1


def test_it_sees_what_was_found_out_at_the_time() -> None:
    for when in (
        "budget.left_usd_micros < 80000 && 'artist' in user.roles",
        "request.at.getHours() == 20",
    ):
        assert after(replayed(rule(when, refuse="no"), promotion())) == {"refused": 1}


def test_what_was_not_found_out_is_unknown_and_said_so() -> None:
    replayer = replayed(rule("quote.engine in engines.healthy"), promotion())
    assert after(replayer) == {"unknown": 1}
    (change,) = replayer.result().changes
    assert "engines.healthy is not known" in change.reason
    assert change.after_usd_micros == 14_000


def test_an_engine_without_a_price_today_is_unknown() -> None:
    asked = promotion()
    asked = replace(asked, quote=replace(asked.quote, facts={"request.engine": '"gone"'}))
    assert after(replayed(rule(), asked)) == {"unknown": 1}


def test_a_downgraded_promotion_is_judged_as_it_was_asked() -> None:
    asked = promotion_request().request
    small = replace(asked, num_inference_steps=7)
    was = promotion(charged=3_500, asked=asked, request=small)
    replayer = replayed(rule(), was)
    (change,) = replayer.result().changes
    assert (change.before, change.after, change.after_usd_micros) == (
        "downgraded",
        "routed",
        14_000,
    )
    same = replayed(rule(downgrade="{engine: full, ceiling_usd: 0.007}"), was)
    assert same.result().changed == 0


def test_an_explanation_has_every_rule_and_what_it_saw() -> None:
    rules = read(
        "rules:\n  - {name: dear, when: quote.max_usd_micros > 200000, refuse: dear}\n"
        "  - {name: small, when: request.width < 2000, route: {engine: full, ceiling_usd: 0.5}}\n"
        "  - name: rest\n    require_approval: {engine: full, role: lead, within: 4h}\n"
    )
    verdicts = decided(rules, at(usd_micros=100_000)).verdicts
    quote = replace(promotion().quote, verdicts=verdicts)
    dear, small, rest = explain(quote, rules.rules)
    assert (dear.line, dear.when, dear.outcome) == (
        2,
        "quote.max_usd_micros > 200000",
        "refuse: dear",
    )
    assert dear.verdict.saw == {"quote.max_usd_micros": "100000"}
    assert (small.verdict.decided, small.outcome) == (True, "route: full, up to $0.50")
    assert (rest.reached, rest.when) == (False, "")
    assert rest.outcome == "require_approval: full, by lead within 4h"
    lost = explain(quote, ())
    assert [each.verdict for each in lost] == list(verdicts)
