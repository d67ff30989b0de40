from typing import Any

import pytest
from underpaint.contract.policy import (
    ExplainedRule,
    Explanation,
    PolicyCheck,
    PolicyProblem,
    PolicyStatus,
    Replay,
    ReplayChange,
    ReplayLine,
)
from underpaint.contract.wire import policy as wire_policy

from tests.unit.contract import samples

PROBLEMS = (PolicyProblem(line=3, told="bad"), PolicyProblem(line=4, told="worse"))
EXPLAINED = ExplainedRule(
    verdict=samples.QUOTE.verdicts[0], reached=True, line=4, when="true", outcome="route: full"
)
CHANGE = ReplayChange(
    promotion_id="p1",
    before="routed",
    after="refused",
    reason="dear",
    before_usd_micros=3,
    after_usd_micros=2,
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("check", PolicyCheck(version="ab", rules=3, problems=PROBLEMS)),
        ("check", PolicyCheck(version="", rules=0)),
        (
            "status",
            PolicyStatus(version="ab", text="x", since=samples.AT, file="f", problems=PROBLEMS),
        ),
        (
            "explanation",
            Explanation(promotion=samples.PROMOTION, rules=(EXPLAINED,), in_force=True),
        ),
        (
            "replay",
            Replay(
                version="ab",
                lines=(ReplayLine(outcome="routed", before=5, after=4),),
                before_usd_micros=9,
                after_usd_micros=8,
                changes=(CHANGE, CHANGE),
                changed=7,
            ),
        ),
    ],
)
def test_every_value_comes_back_from_the_wire_as_it_was(name: str, value: Any) -> None:
    message = getattr(wire_policy, f"{name}_to_wire")(value)
    received = type(message).FromString(message.SerializeToString())
    assert getattr(wire_policy, f"{name}_from_wire")(received) == value
