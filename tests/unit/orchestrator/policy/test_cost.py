"""A condition that could take much memory or time is refused before it is ever evaluated."""

from __future__ import annotations

import pytest
from underpaint.orchestrator.policy import check
from underpaint.orchestrator.policy.cost import MAX_COST, Costly, cost_of, pattern_cost
from underpaint.orchestrator.policy.expressions import compile_condition
from underpaint.orchestrator.policy.syntax import Node

from tests.unit.orchestrator.policy.scenes import FILE

ONES = "[" + ",".join("1" * 30) + "]"
FEW = "[1,2,3,4,5,6,7,8,9]"
STEPS = "steps; at most 20,000 are allowed; use shorter lists"


def told(condition: str) -> str:
    """What is wrong with a policy of one rule, its condition a block on lines 4 and 5."""
    policy, problems = check(
        f"rules:\n  - name: one\n    when: |\n      true &&\n      {condition}\n    refuse: no\n"
        "  - {name: rest, route: full}\n",
        FILE,
        {"full"},
    )
    if policy:
        return ""
    (problem,) = problems
    assert problem.line == 4
    return problem.told


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        # Three loops in one another: of each 9, and 729 texts.
        (f"{FEW}.map(x, {FEW}.map(y, {FEW}.map(z, 'x'))) == []", "more than 2 nested loops"),
        (
            f"{FEW}.all(x, {FEW}.exists(y, {FEW}.filter(z, z > y).size() > x))",
            "more than 2 nested loops",
        ),
        # Two: what is gathered is copied at each turn.
        (f"{ONES}.map(x, {ONES}.map(y, x + y)).size() > 0", STEPS),
        ("[" + ",".join("1" * 600) + "].map(x, x).size() > 0", STEPS),
        # One after the other: each doubles.
        ("['aaaaaaaaaa']" + ".map(a, a + a)" * 24 + "[0].size() > 0", STEPS),
        ("[[1, 1, 1]]" + ".map(a, a + a)" * 24 + "[0].size() > 0", STEPS),
        ("[1]" + ".map(a, [a, a])" * 20 + " == [1]" + ".map(a, [a, a])" * 20, STEPS),
        ("[{'k': [1, 1]}]" + ".map(a, {'k': a.k + a.k})" * 20 + "[0].k.size() > 0", STEPS),
        ("[user.roles]" + ".map(a, true ? a + a : a)" * 12 + "[0].size() > 0", STEPS),
        ("['x']" + ".map(a, string(bytes(a + a)))" * 24 + "[0].size() > 0", STEPS),
        ("user.roles.map(a, user.roles.map(b, user.roles)).size() > 0", STEPS),
        ("[[[1]]]" + ".map(a, [a[0] + a[0]])" * 20 + "[0][0].size() > 0", STEPS),
        ("dyn([dyn([1, 1])])" + ".map(a, a + a)" * 18 + "[0].size() > 0", STEPS),
        # A pattern is compiled at each evaluation, within a loop at each turn.
        ("user.name.matches('(((a|b){10}){10}){10}')", STEPS),
        (r"user.name.matches('[^\\pL]x')", STEPS),
        ("user.roles.exists(r, r.matches('^[a-z]+-[0-9]{4}$'))", STEPS),
        ("user.name.matches(draft.model)", "write the pattern as one text in quotes"),
        ("google.protobuf.ListValue{values: [1]}.size() == 2", "builds a google.protobuf.List"),
    ],
)
def test_what_could_take_much_is_refused_with_its_line(condition: str, why: str) -> None:
    assert why in told(condition)


@pytest.mark.parametrize(
    "condition",
    [
        "quote.max_usd_micros > 100000 && !('lead' in user.roles)",
        " || ".join(f"user.name == 'name-{number}'" for number in range(60)),
        "user.name in [" + ",".join(f"'n{number}'" for number in range(200)) + "]",
        "user.roles.exists(r, r.startsWith('lead-') || r.endsWith('-lead'))",
        "user.roles.exists(r, user.roles.exists(q, q + r == 'x'))",
        "user.roles.filter(r, r != 'guest').map(r, r.size()).exists(n, n > 3)",
        "user.name.matches('^[a-z]+-[0-9]{4}$')",
        "user.name.matches('[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}')",
        "draft.model.contains('lite') ? request.width > 2000 : request.height > 2000",
        "request.at.getHours('Europe/Berlin') > 20 || request.at.getDayOfWeek() in [0, 6]",
        "request.at - timestamp('2026-01-01T00:00:00Z') > duration('24h')",
        "{'a': 1, 'b': 2}.all(k, k != user.name)",
        "{'acme': ['full'], 'other': []}[user.organisation].exists(e, e == quote.engine)",
        "string(request.width) + 'x' + string(request.height) == '512x512'",
        "double(request.pixels) / 1000000.0 > 1.5 && type(request.width) == int",
        "has({'a': 1}.a) && [1, 2].exists_one(x, x == request.width)",
    ],
)
def test_what_policies_say_is_taken(condition: str) -> None:
    assert not told(condition)


def test_a_loop_costs_as_much_as_its_list_is_long() -> None:
    short = compile_condition(f"{FEW}.exists(x, x + request.width == 5)").cost
    long = compile_condition(f"[1,2,3,{FEW[1:-1]},{FEW[1:-1]}].exists(x, x + request.width == 5)")
    assert short * 2 < long.cost < MAX_COST


def test_conditions_have_a_limit_together_told_where_it_is_passed() -> None:
    one = "user.roles.exists(r, user.roles.exists(q, q + r == 'x'))"
    lines = "".join(
        f"  - {{name: r{number}, when: \"{one} && request.width > {number}\", refuse: 'no'}}\n"
        for number in range(5)
    )
    rest = "  - {name: rest, route: full}\n"
    policy, problems = check(f"rules:\n{lines}{rest}", FILE, {"full"})
    assert policy is None
    (problem,) = problems
    assert problem.line == 4
    assert "up to rule 'r2' the conditions may take" in problem.told
    assert "at most 40,000 are allowed; use fewer rules" in problem.told


@pytest.mark.parametrize(
    ("pattern", "cost"),
    [
        ("ab", 60),
        ("a{100}", 3_000),
        ("(ab){3}", 180),
        ("((ab){3}c){2}", 420),
        ("a{2,}", 60),
        ("a{2,5}", 150),
        ("[a-z]{10}", 1_200),
        (".{10}", 1_200),
        (r"\W", 150),
        (r"\{3}", 90),
        ("a)b{2}", 90),
        ("[]a]{2}", 240),
    ],
)
def test_repeats_multiply_the_cost_of_a_pattern(pattern: str, cost: int) -> None:
    assert pattern_cost(pattern) == cost


@pytest.mark.parametrize("pattern", [r"\pL", r"\PN{3}", r"\p{Greek}", r"[\pL]", r"[^a\p{Han}]"])
def test_classes_of_unicode_are_never_cheap(pattern: str) -> None:
    assert pattern_cost(pattern) > MAX_COST


def test_a_function_whose_cost_is_not_known_is_not_called() -> None:
    with pytest.raises(Costly, match="calls format, which is not allowed in policies"):
        cost_of(Node(kind="call", name="format", parts=(Node(kind="constant", text="x"),)))
