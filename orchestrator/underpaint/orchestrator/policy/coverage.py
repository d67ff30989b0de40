"""Finds rules that can never decide, because earlier rules take everything that they would.

The answer of a condition that only compares fields with constants can change only at those
constants. So it is enough to test each constant, its neighbours and the ends of the field's range:
if earlier rules take all these points, they take everything. A condition that calculates or calls
functions is not analysed, unless it is constant or repeats an earlier one word for word. So a rule
is never wrongly reported as dead.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from underpaint.orchestrator.policy.expressions import Condition, Scene, Unjudged
from underpaint.orchestrator.policy.facts import FIELDS, Fact, Field
from underpaint.orchestrator.policy.fit import Limits
from underpaint.orchestrator.policy.rules import Downgrade, Refuse, Rule

MAX_POINTS: Final = 4_000  # for one rule; a rule with more counts as alive
MAX_TRIES: Final = 100_000  # for all rules together; takes about a second
_OTHER: Final = "\x01"  # stands for every text that no condition names
_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<text>'[^'\\]*'|"[^"\\]*") | (?P<number>-?[0-9]+(?:\.[0-9]+)?) |
    (?P<name>[a-z]+\.[a-z_]+) | (?P<truth>true\b|false\b) | (?P<compare>[=!<>]=|[<>]|in\b) |
    (?P<glue>&&|\|\||[!()]) | (?P<list>[\[\],])
    )""",
    re.VERBOSE,
)
Constant = str | int | float | bool


def dead_rules(rules: Sequence[Rule], priced: Collection[str]) -> list[tuple[Rule, str]]:
    """The rules that can never decide, each with the reason.

    Args:
        rules: in their order.
        priced: the engines that have a price.
    """
    found = []
    tries = itertools.count()
    for index, rule in enumerate(rules):
        why = _constant_problem(rule) or _why_dead(rule, rules[:index], sorted(priced), tries)
        if why:
            found.append((rule, why))
    return found


def _constant_problem(rule: Rule) -> str:
    """Why the condition of a rule can never be true on its own; "" if it can."""
    if rule.when is None:
        return ""
    if not rule.fields:
        try:
            return "" if rule.when.holds(Scene({})) else "its condition is always false"
        except Unjudged as problem:
            return f"its condition cannot be evaluated: {problem}"
    points = _points([rule.when])
    if points is not None and not any(_holds(rule.when, scene) for scene in points):
        return "its condition is always false"
    return ""


def _why_dead(
    rule: Rule, earlier: Sequence[Rule], priced: Sequence[str], tries: Iterator[int]
) -> str:
    sure = [each for each in earlier if _sure(each)]
    if len(priced) == 1:
        return _covered(rule, sure, tries)
    shared = [each for each in sure if not each.engine and not each.by_engine]
    if rule.engine:  # only rules for the same engine, or for all engines, can come before it
        return _covered(rule, [e for e in sure if e in shared or e.engine == rule.engine], tries)
    # A refusing rule must hold for all candidates; so must an earlier refusing rule.
    for each in sure:
        if not each.engine and each.by_engine and (told := _covered(rule, [*shared, each], tries)):
            return told
    told = ""
    for engine in priced:
        told = _covered(rule, [e for e in sure if e in shared or e.engine == engine], tries)
        if not told:
            return ""
    return told


def _sure(rule: Rule) -> bool:
    """Whether a rule always decides when its condition is true."""
    outcome = rule.outcome
    return isinstance(outcome, Refuse) or (
        not isinstance(outcome, Downgrade)
        and outcome.most == Limits()
        and outcome.ceiling_usd_micros is None
    )


def _covered(rule: Rule, before: Sequence[Rule], tries: Iterator[int]) -> str:
    """Why earlier rules leave nothing to a rule; "" if they may leave something."""
    for each in before:
        if each.when is None or (not each.fields and _holds(each.when, Scene({}))):
            return f"{each.name!r} in line {each.line} takes everything before it"
        if rule.when and each.when.text == rule.when.text:
            return f"{each.name!r} in line {each.line} has the same condition"
    plain = {each.name: each for each in before if each.when and _landmarks(each.when) is not None}
    own = rule.when if rule.when and _landmarks(rule.when) is not None else None
    takers = _takers(own, list(plain.values()), tries)
    if takers is None:  # too many points together: try the earlier rules one by one
        alone = (each for each in plain.values() if set(each.fields) <= set(rule.fields))
        takers = next((found for each in alone if (found := _takers(own, [each], tries))), [])
    told = " and ".join(f"{name!r} in line {plain[name].line}" for name in takers)
    return f"{told} {'takes' if len(takers) == 1 else 'take'} all of it before" if takers else ""


def _takers(
    own: Condition | None, before: Sequence[Rule], tries: Iterator[int]
) -> list[str] | None:
    """The names of the earlier rules that together take everything that a condition would.

    Args:
        own: the condition; None counts as always true.
        before: earlier rules, with conditions that only compare.
        tries: counts the points that were tried.

    Returns:
        An empty list if something is left; None if there are too many points to try.
    """
    conditions = [(each.name, each.when) for each in before if each.when]
    points = _points([each for _, each in conditions] + ([own] if own else []))
    if points is None:
        return None
    takers: dict[str, None] = {}
    for scene in points if conditions else ():
        if next(tries) > MAX_TRIES:
            return []
        if own and not _holds(own, scene):
            continue
        taker = next((name for name, each in conditions if _holds(each, scene)), None)
        if taker is None:
            return []
        takers[taker] = None
    return list(takers)


def _holds(condition: Condition, scene: Scene) -> bool:
    try:
        return condition.holds(scene)
    except Unjudged:
        return False


def _points(conditions: Sequence[Condition]) -> Iterator[Scene] | None:
    """The facts to test, one Scene each; None if too many, or if a condition calculates."""
    landmarks: dict[str, set[Constant]] = {}
    for condition in conditions:
        found = _landmarks(condition)
        if found is None:
            return None
        for name, constants in found.items():
            landmarks.setdefault(name, set()).update(constants)
    if any(
        FIELDS[name].kind == "list(string)" and 2 ** len(constants) > MAX_POINTS
        for name, constants in landmarks.items()
    ):
        return None  # every subset of a list must be tested
    values = {name: _values(FIELDS[name], constants) for name, constants in landmarks.items()}
    if math.prod(len(each) for each in values.values()) > MAX_POINTS:
        return None
    return (
        Scene(dict(zip(values, point, strict=True)))
        for point in itertools.product(*values.values())
    )


def _values(field: Field, constants: set[Constant]) -> list[Fact]:
    """The values of a field to test; every other value compares like one of them."""
    if field.kind == "bool":
        return [False, True]
    if field.kind == "string":
        return list(field.only) or [*sorted(map(str, constants)), _OTHER]
    if field.kind == "list(string)":
        names = sorted(map(str, constants))
        sizes = range(len(names) + 1)
        return [list(each) for n in sizes for each in itertools.combinations(names, n)]
    near: set[int | float] = set()
    if field.kind == "int":
        near = {int(each) + step for each in constants for step in (-1, 0, 1)}
        near |= {int(field.least), int(field.most)}
    else:
        for each in constants:
            number = float(each)
            near |= {number, math.nextafter(number, -math.inf), math.nextafter(number, math.inf)}
        near |= {float(field.least), float(field.most)}
    return [each for each in sorted(near) if field.least <= each <= field.most]


def _landmarks(condition: Condition) -> dict[str, set[Constant]] | None:
    """The constants that each field is compared with; None if the condition does more."""
    tokens = _tokens(condition.text)
    if tokens is None:
        return None
    found: dict[str, set[Constant]] = {}
    index = 0
    while index < len(tokens):
        kind, text = tokens[index]
        if kind == "glue":
            index += 1
            continue
        following = tokens[index + 1] if index + 1 < len(tokens) else ("", "")
        if following[0] != "compare":
            if kind == "name" and FIELDS[text].kind == "bool":
                found.setdefault(text, set())
            elif kind != "truth":
                return None
            index += 1
            continue
        right, used = _operand(tokens, index + 2)
        left = [(kind, text)]
        names = [each[1] for each in (*left, *right) if each[0] == "name"]
        if len(names) != 1 or not _plain(names[0], following[1]):
            return None
        constants = {_constant(*each) for each in (*left, *right) if each[0] != "name"}
        found.setdefault(names[0], set()).update(constants)
        index += 2 + used
    return found


def _operand(tokens: Sequence[tuple[str, str]], index: int) -> tuple[list[tuple[str, str]], int]:
    """The right side of a comparison, a value or a list, and its number of tokens."""
    if index >= len(tokens):
        return [], 0
    if tokens[index] != ("list", "["):
        return [tokens[index]], 1
    end = next((i for i in range(index, len(tokens)) if tokens[i] == ("list", "]")), index)
    inside = [each for each in tokens[index + 1 : end] if each != ("list", ",")]
    return inside, end - index + 1


def _plain(name: str, operator: str) -> bool:
    kind = FIELDS[name].kind
    if kind == "timestamp":
        return False
    if kind in ("string", "bool", "list(string)"):
        return operator in ("==", "!=", "in") and (kind != "list(string)" or operator == "in")
    return True


def _constant(kind: str, text: str) -> Constant:
    if kind == "text":
        return text[1:-1]
    if kind == "truth":
        return text == "true"
    return float(text) if "." in text else int(text)


def _tokens(text: str) -> list[tuple[str, str]] | None:
    """The tokens of a condition with their kinds; None if it has others than comparisons need."""
    found: list[tuple[str, str]] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            return None
        kind, word = match.lastgroup, match[match.lastgroup]
        before = found[-1] if found else ("", "")
        if kind == "name" and word not in FIELDS:
            return None
        if word == "(" and before[0] in ("compare", "name", "text", "number"):
            return None  # a calculation or a call
        if before == ("glue", ")") and kind in ("compare", "list"):
            return None  # a comparison of a whole comparison
        found.append((kind, word))
        at = match.end()
    return found
