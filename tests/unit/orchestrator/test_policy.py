from __future__ import annotations

from pathlib import Path

import pytest
from underpaint.contract.drafts import Privacy
from underpaint.contract.errors import InvalidRequest, PolicyRefused, PrivacyViolation
from underpaint.orchestrator.policy import Candidate, Policy, decide, load
from underpaint.orchestrator.settings import HERE

POLICY = """
version: "p1"
rules:
  - name: private
    when:
      privacy: [device, structure]
    refuse: it stays
  - name: too-dear
    when: {cost_above_usd: 0.10}
    refuse: too dear
  - name: cheap-and-small
    when:
      pixels_above: 0
      side_above: 512
    route: big
  - name: rest
    route: small
"""


def policy(tmp_path: Path, text: str = POLICY) -> Policy:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    return load(file, {"big", "small"})


def candidate(
    engine: str, cost: int = 100_000, side: int = 1024, privacy: Privacy = Privacy.FULL
) -> Candidate:
    return Candidate(
        engine=engine, privacy=privacy, max_usd_micros=cost, width=side, height=side // 2
    )


def test_the_first_rule_that_matches_decides_and_all_up_to_it_are_told(tmp_path: Path) -> None:
    decision = decide(policy(tmp_path), [candidate("big"), candidate("small")])
    assert decision.engine == "big"
    assert decision.refusal is None
    assert [(v.rule, v.matched, v.decided) for v in decision.verdicts] == [
        ("private", False, False),
        ("too-dear", False, False),
        ("cheap-and-small", True, True),
    ]
    assert decision.verdicts[0].reason == "privacy is full"
    assert decision.verdicts[1].reason == "costs $0.10 at most, which is not above $0.10"
    assert decision.verdicts[2].reason == "goes to big"


def test_a_ceiling_is_exact_to_the_micro_dollar(tmp_path: Path) -> None:
    rules = policy(tmp_path)
    assert decide(rules, [candidate("big", cost=100_000)]).refusal is None
    assert isinstance(decide(rules, [candidate("big", cost=100_001)]).refusal, PolicyRefused)


def test_it_is_not_too_dear_while_one_engine_is_cheap_enough(tmp_path: Path) -> None:
    both = [candidate("big", cost=200_000, side=256), candidate("small", side=256)]
    assert decide(policy(tmp_path), both).engine == "small"


def test_an_engine_that_was_asked_for_is_not_replaced(tmp_path: Path) -> None:
    decision = decide(policy(tmp_path), [candidate("small")])
    assert decision.engine == "small"
    assert decision.verdicts[2].reason == "another engine was asked for than big"
    nothing = decide(policy(tmp_path), [candidate("big", side=256)])
    assert isinstance(nothing.refusal, PolicyRefused)
    assert not any(verdict.decided for verdict in nothing.verdicts)


@pytest.mark.parametrize("privacy", [Privacy.DEVICE, Privacy.STRUCTURE])
def test_what_must_stay_is_refused_as_such(tmp_path: Path, privacy: Privacy) -> None:
    for rules in (policy(tmp_path), load(HERE / "policy.yaml", {"full"})):
        engine = rules.engines[0]
        decision = decide(rules, [candidate(engine, privacy=privacy)])
        assert isinstance(decision.refusal, PrivacyViolation)


def test_the_shipped_policy_routes_refuses_dear_and_refuses_large() -> None:
    rules = load(HERE / "policy.yaml", {"full"})
    assert decide(rules, [candidate("full")]).engine == "full"
    dear = decide(rules, [candidate("full", cost=1_000_001)])
    assert "at most $1.00" in str(dear.refusal)
    assert "(rule too-dear)" in str(dear.refusal)
    large = Candidate(
        engine="full", privacy=Privacy.FULL, max_usd_micros=1, width=2048, height=2048
    )
    assert "1536 x 1536" in str(decide(rules, [large]).refusal)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("route: big", "route: huge", r"yaml:15: .*'huge', which has no price; priced: big, small"),
        ("pixels_above", "pixel_above", r"yaml:13: .*pixel_above is unknown; known here: cost_"),
        ("route: small", "", r"yaml:16: .*needs one outcome"),
        ("route: small", "route: small\n    refuse: x", r"needs one outcome"),
        ("cost_above_usd: 0.10", "cost_above_usd: ten", r"yaml:9: .*no sum in dollars"),
        ("[device, structure]", "[devise]", r"yaml:6: .*'devise'; use device"),
        ("[device, structure]", "[]", r"yaml:6: .*is empty"),
        ("name: rest", "name: private", r"second rule named 'private'"),
        ("    when: {cost_above_usd: 0.10}\n", "", r"can never decide: 'too-dear' before it"),
        ("side_above: 512", "side_above: 5.12", r"yaml:14: .*whole number"),
        ("  - name: rest\n", "  - nam: rest\n", r"nam is unknown"),
        ("rules:", "rule:", r"rule is unknown"),
        ("[device, structure]", "{a: b}", r"must be a list"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        policy(tmp_path, POLICY.replace(old, new))


def test_a_policy_that_routes_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="route nothing"):
        policy(tmp_path, 'version: "1"\nrules:\n  - name: no\n    refuse: no\n')
    with pytest.raises(InvalidRequest, match="holds no rule"):
        policy(tmp_path, 'version: "1"\nrules: []\n')
