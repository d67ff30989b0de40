"""What a policy decides."""

from __future__ import annotations

from dataclasses import replace

import pytest
from underpaint.contract.drafts import Privacy
from underpaint.contract.errors import PolicyRefused, PrivacyViolation
from underpaint.orchestrator.policy import decide, facts, load
from underpaint.orchestrator.settings import POLICY as SHIPPED_POLICY

from tests.unit.orchestrator.policy.scenes import AT, at, by_the_step, decided, read, rule
from tests.unit.orchestrator.samples import promotion_request

POLICY = """
rules:
  - name: private
    when: draft.privacy in ['device', 'structure']
    refuse: it stays
  - name: too-dear
    when: quote.max_usd_micros > 100000
    refuse: too dear
  - name: large
    when: request.pixels > 0 && (request.width > 512 || request.height > 512)
    route: big
  - name: rest
    route: small
"""
SHIPPED = load(SHIPPED_POLICY, {"full"})


def test_the_first_rule_that_matches_decides_and_all_up_to_it_are_told() -> None:
    decision = decided(read(POLICY, "big", "small"), at("big"), at("small"))
    assert (decision.engine, decision.rule, decision.refusal) == ("big", "large", None)
    told = [(v.rule, v.matched, v.decided, v.reason) for v in decision.verdicts]
    assert told == [
        ("private", False, False, 'draft.privacy is "full"'),
        ("too-dear", False, False, "quote.max_usd_micros is 100000 ($0.10)"),
        ("large", True, True, "goes to big"),
    ]
    assert decision.verdicts[2].saw == {
        "request.pixels": "1048576",
        "request.width": "1024",
        "request.height": "1024",
    }


def test_a_ceiling_is_exact_to_the_micro_dollar() -> None:
    rules = read(POLICY, "big", "small")
    assert decided(rules, at("big", 100_000)).refusal is None
    assert isinstance(decided(rules, at("big", 100_001)).refusal, PolicyRefused)


def test_it_is_not_too_dear_while_one_engine_is_cheap_enough() -> None:
    rules = read(POLICY, "big", "small")
    small = {"width": 256, "height": 256}
    assert decided(rules, at("big", 200_000, **small), at("small", **small)).engine == "small"
    both = decided(rules, at("big", 200_000), at("small", 100_001))
    assert "too dear (rule too-dear)" in str(both.refusal)


def test_an_engine_that_was_asked_for_is_not_replaced() -> None:
    rules = read(POLICY, "big", "small")
    decision = decided(rules, at("small"))
    assert decision.engine == "small"
    assert decision.verdicts[2].reason == "another engine was asked for than big"
    nothing = decided(rules, at("big", width=256, height=256))
    assert isinstance(nothing.refusal, PolicyRefused)
    assert not any(verdict.decided for verdict in nothing.verdicts)


@pytest.mark.parametrize("privacy", [Privacy.DEVICE, Privacy.STRUCTURE])
def test_what_must_stay_is_refused_as_such(privacy: Privacy) -> None:
    for rules in (read(POLICY, "big", "small"), SHIPPED):
        decision = decided(rules, at(rules.engines[0]), privacy=privacy)
        assert isinstance(decision.refusal, PrivacyViolation)


def test_the_shipped_policy_routes_refuses_dear_and_refuses_large() -> None:
    assert decided(SHIPPED, at()).engine == "full"
    assert decided(SHIPPED, at(usd_micros=1_000_000)).engine == "full"
    dear = str(decided(SHIPPED, at(usd_micros=1_000_001)).refusal)
    assert dear == (
        "one picture may cost at most $1.00; ask for fewer steps or a smaller picture "
        "(rule too-dear)"
    )
    assert decided(SHIPPED, at(width=1536, height=1536)).engine == "full"
    assert "1536 x 1536" in str(decided(SHIPPED, at(width=2048, height=2048)).refusal)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("request.at.getHours() >= 18", True),
        ("request.at < timestamp('2026-11-21T20:00:00Z')", False),
        ("budget.limited && budget.left_usd_micros < quote.max_usd_micros * 2", True),
        ("quote.engine in engines.healthy", False),
        ("\"'lead' in user.roles && user.team == 'default'\"", True),
        ("user.roles.exists(role, role.startsWith('le'))", True),
        ("draft.count == 8 && draft.width == 128 && draft.model == 'lite'", True),
        ("request.strength < 0.5 || request.guidance_scale > 2.5", True),
        ("request.engine == ''", True),
    ],
)
def test_conditions_see_what_they_are_told(when: str, holds: bool) -> None:
    told = {
        "budget_limited": True,
        "budget_left_usd_micros": 150_000,
        "engines_healthy": ["other"],
        "user_roles": ["artist", "lead"],
    }
    decision = decided(read(rule(when, refuse="no")), **told)
    assert bool(decision.refusal) is holds
    assert decision.verdicts[0].saw


def test_a_text_with_a_nul_in_it_is_not_taken_for_what_stands_before() -> None:
    request = replace(promotion_request(), draft_model="lite\0or not")
    told = facts.of_request(request, "", AT)
    assert decide(read(rule("draft.model == 'lite'", refuse="no")), told, [at()]).refusal is None


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("quote.max_usd_micros / (request.width - 1024) > 1", "divide by zero"),
        ("budget.left_usd_micros > 5", "budget.left_usd_micros is not known"),
        ("user.roles[3] == 'lead'", "index=3"),
        ("user.roles.all(a, user.roles.all(b, a + b != ''))", "iteration budget exceeded"),
    ],
)
def test_a_condition_without_an_answer_refuses(when: str, told: str) -> None:
    roles = ["artist"] * (150 if "budget" in told else 1)  # more than anybody is taken to have
    decision = decided(read(rule(when)), user_roles=roles)
    assert isinstance(decision.refusal, PolicyRefused)
    assert told in str(decision.refusal)
    assert decision.verdicts[0].decided


def test_a_route_passes_by_what_is_beyond_its_limits_or_its_ceiling() -> None:
    rules = read(
        "rules:\n"
        "  - name: quick\n"
        "    route: {engine: full, most: {num_inference_steps: 20, width: 1024}}\n"
        "  - name: cheap\n"
        "    route: {engine: full, ceiling_usd: 0.10}\n"
    )
    assert decided(rules, at(num_inference_steps=20)).rule == "quick"
    cheap = decided(rules, at(num_inference_steps=21))
    assert cheap.rule == "cheap"
    assert cheap.verdicts[0].reason == "num_inference_steps is 21, and it takes at most 20"
    assert decided(rules, at(num_inference_steps=20, width=1032)).rule == "cheap"
    dear = decided(rules, at(usd_micros=100_001))
    assert isinstance(dear.refusal, PolicyRefused)
    assert (dear.verdicts[1].matched, dear.verdicts[1].decided) == (True, False)
    assert dear.verdicts[1].reason == "costs $0.100001 at most, and it takes up to $0.10"


def test_a_promotion_that_needs_approval_says_whose() -> None:
    rules = read(rule(require_approval="{engine: full, role: lead, within: 4h}"))
    decision = decided(rules)
    assert decision.approval
    assert (decision.approval.role, decision.approval.within_s) == ("lead", 14_400)
    assert decision.engine == "full"
    assert decision.verdicts[0].reason == "goes to full once somebody with role lead approves"


def test_a_downgrade_changes_the_request_until_it_fits() -> None:
    rules = read(rule(downgrade="{engine: full, ceiling_usd: 0.010240}"))
    decision = decided(rules, by_the_step())
    assert decision.request
    assert decision.request.num_inference_steps == 10
    assert decision.verdicts[0].reason == "goes to full with 10 steps for 28"
    untouched = decided(rules, by_the_step(num_inference_steps=9))
    assert untouched.request == by_the_step(num_inference_steps=9).request
    assert untouched.verdicts[0].reason == "goes to full"


def test_a_downgrade_that_cannot_fit_passes_by() -> None:
    rules = read(
        rule(downgrade="{engine: full, ceiling_usd: 0.001, least: {width: 512, height: 512}}")
    )
    assert decided(rules, by_the_step()).request != by_the_step().request
    decision = decided(rules, at())
    assert decision.rule == "rest"
    assert decision.verdicts[0].reason == "cannot be made to fit for $0.001 at full"
