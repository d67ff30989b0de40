"""What is wrong with a policy is told when it is loaded: all of it, with its lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidRequest
from underpaint.orchestrator.policy import check, load
from underpaint.orchestrator.settings import POLICY as SHIPPED_POLICY

from tests.unit.orchestrator.policy.scenes import FILE, rule

POLICY = """# a comment
rules:
  - name: private
    when: draft.privacy in ['device', 'structure']
    refuse: it stays
  - name: too-dear
    when: |
      quote.max_usd_micros > 100000 &&
      !('lead' in user.roles)
    require_approval: {engine: big, role: lead, within: 4h}
  - name: smaller
    downgrade: {engine: big, ceiling_usd: 0.10, least: {num_inference_steps: 8}}
  - name: rest
    route: small
"""


def problems(text: str, roles: set[str] | None = None) -> list[str]:
    policy, found = check(text, FILE, {"big", "small", "full"}, roles)
    assert (policy is None) == bool(found)
    return [f"{each.line}: {each.told}" for each in found]


def test_a_sound_policy_has_no_problem_and_its_digest_for_a_version() -> None:
    assert problems(POLICY) == []
    first, _ = check(POLICY, FILE, {"big", "small"})
    second, _ = check(POLICY + "\n", FILE, {"big", "small"})
    assert first
    assert second
    assert len(first.version) == 64
    assert first.version != second.version
    assert load(SHIPPED_POLICY, {"full"}).engines == ("full",)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "ceiling_usd: 0.10,",
            "ceiling_usd: 0.10, flagged: maybe,",
            "12: rules[2].downgrade.flagged is 'maybe'; use charge or release",
        ),
        ("route: small", "route: huge", "14: rules[3].route names engine 'huge', which has no pri"),
        (
            "draft.privacy in",
            "draft.privcy in",
            "4: rules[0].when: column 6 of the condition: draft"
            ".privcy is unknown; did you mean draft.privacy?",
        ),
        ("user.roles", "user.rules", "9: rules[1].when: column 17 of the condition: user.rules is"),
        (
            "max_usd_micros > 100000",
            "max_usd_micros > 0.1",
            "8: rules[1].when: column 22 of the co"
            "ndition: found no matching overload for '_>_' applied to '(int, double)'",
        ),
        (
            "draft.privacy in ['device', 'structure']",
            "draft.privacy",
            "4: rules[0].when: is STRING",
        ),
        ("draft.privacy in ['device', 'structure']", "draft.privacy ==", "Syntax error"),
        (
            "draft.privacy in ['device', 'structure']",
            "{privacy: [device]}",
            "4: rules[0].when must be one condition, such as",
        ),
        ("draft.privacy in ['device', 'structure']", "prompt == 'x'", "prompt is unknown; known: "),
        ("refuse: it stays", "", "3: rules[0] needs one outcome: route, refuse, require_approval"),
        ("refuse: it stays", "refuse: x\n    route: big", "3: rules[0] needs one outcome"),
        ("within: 4h", "within: soon", "10: rules[1].require_approval.within 'soon' is no span"),
        ("within: 4h", "within: 31d", "10: rules[1].require_approval.within must be 1s to 30d"),
        ("role: lead, ", "", "10: rules[1].require_approval lacks role"),
        ("role: lead", "role: the lead", "'the lead'; use 1 to 64"),
        (
            "ceiling_usd: 0.10",
            "ceiling_usd: ten",
            "12: rules[2].downgrade.ceiling_usd 'ten' is not ",
        ),
        ("ceiling_usd: 0.10", "ceiling_usd: '1,50'", "ceiling_usd '1,50' is ambiguous"),
        ("ceiling_usd: 0.10", "ceiling_usd: 1_50", "ceiling_usd '1_50' is not a sum in dollars"),
        ("ceiling_usd: 0.10, ", "", "12: rules[2].downgrade needs a ceiling_usd or a most to fit"),
        ("least: {num_inference_steps: 8}", "least: {width: 7}", "is 7; it must be 64 to 2048"),
        ("least: {num", "most: {num_inference_steps: 4}, least: {num", "above that of most"),
        (
            "name: rest",
            "name: private",
            "13: rules[3] is a second rule named 'private'; the first is in line 3",
        ),
        ("name: rest", "nam: rest", "13: rules[3].nam is unknown"),
        ("rules:", "version: '1'\nrules:", "2: version is unknown; known here: rules"),
        ("rules:", "rule:", "2: rule is unknown"),
        ("    route: small", "   route: small", "this is not YAML"),
    ],
)
def test_a_wrong_policy_is_told_with_its_line(old: str, new: str, told: str) -> None:
    assert old in POLICY
    (found,) = problems(POLICY.replace(old, new, 1))
    assert told in found


def test_all_problems_are_told_at_once_in_order(tmp_path: Path) -> None:
    text = (
        POLICY.replace("draft.privacy in", "draft.privcy in")
        .replace("user.roles", "user.rules")
        .replace("4h", "4x")
        .replace("route: small", "route: huge")
    )
    assert [each.partition(":")[0] for each in problems(text)] == ["4", "9", "10", "14"]
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InvalidRequest) as caught:
        load(file, {"big", "small"})
    assert "\n" not in str(caught.value)
    for line in (4, 9, 10, 14):
        assert f"{file}:{line}: " in str(caught.value)


def test_two_problems_of_one_condition_are_both_told() -> None:
    first, second = problems(rule("draft.x == 'y' && draft.privacy > 3"))
    assert "draft.x is unknown" in first
    assert "'(string, int)'" in second


def test_a_role_that_nobody_has_can_never_approve() -> None:
    assert problems(POLICY, {"lead"}) == []
    assert problems(POLICY, {"artist"}) == [
        "6: nobody can approve: no caller has role 'lead'; see --callers-file"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rules: []\n", "1: rules holds no rule"),
        ("rules: {a: b}\n", "1: rules must be a list"),
        ("- rules\n", "1: the document must be a mapping of fields"),
        ("", "1: policy.yaml is empty"),
        ("rules:\n  - name: no\n    refuse: no\n", "2: rules route nothing: add a rule with"),
        ("rules:\n" + "  - {name: a, route: full}\n" * 201, "2: rules are 201; at most 200"),
        (rule("request.width > 1 " + "&& request.width > 1 " * 100), "at most 2,000 are allowed"),
        (rule("\"draft.model == 'a' || true\\0 && false\""), "contains a NUL character"),
        ("rules: " + "[" * 100_000, "nested too deeply"),
        (rule("(" * 60 + "true" + ")" * 60), "recursion"),
    ],
)
def test_what_is_no_policy_at_all(text: str, told: str) -> None:
    assert any(told in each for each in problems(text)), problems(text)
