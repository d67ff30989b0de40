"""A rule that can never decide is an error; one that may is not."""

from __future__ import annotations

import itertools

import pytest
from underpaint.orchestrator.policy import check

from tests.unit.orchestrator.policy.scenes import FILE

ONE = ("full",)
TWO = ("full", "small")


def dead(*rules: tuple[str, str], priced: tuple[str, ...] = ONE) -> dict[int, str]:
    """Which of the rules (condition, outcome) can never decide, and why, by their index."""
    lines = ["rules:"]
    for index, (when, outcome) in enumerate(rules):
        lines.append(f"  - name: r{index}")
        lines.append(f'    when: "{when}"' if when else "    # always")
        lines.append(f"    {outcome}")
    _, problems = check("\n".join(lines), FILE, priced)
    assert all("can never decide" in each.told for each in problems), problems
    return {(each.line - 2) // 3: each.told for each in problems}


NO, FULL, SMALL = "refuse: no", "route: full", "route: small"


@pytest.mark.parametrize(
    "when",
    [
        "false",
        "1 > 2",
        "draft.privacy == 'devise'",
        "draft.privacy == 'full' && draft.privacy == 'device'",
        "request.width > 2048",
        "request.width < 64 || request.strength > 1.0",
        "request.width > 512 && request.width < 513",
        "quote.max_usd_micros < 0",
        "budget.limited && !budget.limited",
        "'lead' in user.roles && !('lead' in user.roles)",
        "user.name == 'a' && user.name in ['b', 'c']",
        "1 / 0 > 2",
    ],
)
def test_a_condition_that_is_never_true(when: str) -> None:
    assert list(dead((when, NO), ("", FULL))) == [0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("", "quote.max_usd_micros > 5"),
        ("true", "quote.max_usd_micros > 5"),
        ("quote.max_usd_micros > 50", "quote.max_usd_micros > 100"),
        ("quote.max_usd_micros > 50", "quote.max_usd_micros >= 51 && draft.privacy == 'full'"),
        ("request.width * request.height > 9", "request.width * request.height > 9"),
        ("draft.privacy in ['device', 'structure']", "draft.privacy == 'device'"),
        ("!('lead' in user.roles)", "!('lead' in user.roles || 'head' in user.roles)"),
        ("request.strength < 0.5", "request.strength < 0.25"),
    ],
)
def test_a_rule_behind_one_that_takes_all_it_would(first: str, second: str) -> None:
    last = ("request.at.getHours() > 3", FULL)
    found = dead((first, NO), (second, NO), last)
    assert 1 in found
    assert "'r0' in line 2" in found[1]


def test_a_rule_behind_several_that_together_take_all_it_would() -> None:
    found = dead(
        ("draft.privacy == 'device'", NO),
        ("quote.max_usd_micros > 10", NO),
        ("draft.privacy != 'device' && quote.max_usd_micros <= 20", FULL),
        ("request.width > 100", NO),
    )
    assert list(found) == [3]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("quote.max_usd_micros > 100", "quote.max_usd_micros > 50"),
        ("quote.max_usd_micros > 100", "quote.max_usd_micros >= 100"),
        ("draft.privacy == 'device'", "draft.privacy in ['device', 'structure']"),
        ("request.width * request.height > 9", "request.width * request.height > 10"),
        ("request.strength < 0.5", "request.strength <= 0.5"),
        ("'lead' in user.roles", "'head' in user.roles"),
        ("request.at.getHours() > 3", "request.width > 64"),
        ("user.name == 'a'", "user.name != 'b'"),
        ("request.width > request.height", "request.width > 512"),
    ],
)
def test_a_rule_with_something_left_to_it_is_alive(first: str, second: str) -> None:
    assert dead((first, NO), (second, NO), ("", FULL)) == {}


@pytest.mark.parametrize(
    "outcome",
    [
        "route: {engine: full, ceiling_usd: 1}",
        "route: {engine: full, most: {num_inference_steps: 9}}",
        "downgrade: {engine: full, ceiling_usd: 1}",
        "require_approval: {engine: full, role: lead, within: 1h, ceiling_usd: 1}",
    ],
)
def test_what_may_pass_by_hides_nothing(outcome: str) -> None:
    assert dead(("", outcome), ("", NO)) == {}
    assert list(dead(("", "require_approval: {engine: full, role: lead, within: 1h}"), ("", NO)))


def test_with_several_engines_a_route_hides_only_what_leads_there() -> None:
    assert dead(("", FULL), ("", SMALL), priced=TWO) == {}
    assert list(dead(("", FULL), ("request.width > 99", FULL), ("", SMALL), priced=TWO)) == [1]
    assert list(dead(("", FULL), ("", SMALL), ("request.width > 99", NO), priced=TWO)) == [2]


def test_with_several_engines_a_price_refuses_only_if_all_are_too_dear() -> None:
    dear, dearer = "quote.max_usd_micros > 50", "quote.max_usd_micros > 100"
    # One engine may be cheap enough to pass, so the dear one can still be reached...
    assert dead((dear, NO), (dearer, FULL), ("", SMALL), priced=TWO) == {}
    # ...but where all cost more than 100, all cost more than 50.
    assert list(dead((dear, NO), (dearer, NO), ("", SMALL), priced=TWO)) == [1]
    # Two halves are no whole: one engine on either side of 75 escapes both.
    halves = (("quote.max_usd_micros > 75", NO), ("quote.max_usd_micros <= 75", NO))
    assert dead(*halves, ("request.width > 99", NO), ("", SMALL), priced=TWO) == {}
    assert list(dead(*halves, ("request.width > 99", NO), ("", FULL))) == [2, 3]


def test_too_many_combinations_to_try_are_taken_to_be_alive() -> None:
    names = itertools.product(("width", "height", "num_inference_steps", "pixels"), range(100, 110))
    when = " && ".join(f"request.{name} != {number}" for name, number in names)
    assert dead((when, NO), ("", FULL)) == {}


def test_many_rules_are_compared_one_by_one() -> None:
    when = "user.team == 'team-{0}' && 'role-{0}' in user.roles && quote.max_usd_micros > {0}"
    rules = [(when.format(number), NO) for number in range(40)]
    again = ("user.team == 'team-7' && 'role-7' in user.roles && quote.max_usd_micros > 8", NO)
    found = dead(*rules, again, ("", FULL))
    assert list(found) == [40]
    assert "'r7' in line 23 takes all of it" in found[40]
