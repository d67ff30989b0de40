"""The policy of an orchestrator to script."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from underpaint.contract.errors import (
    PromotionNotFound,
)
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
from underpaint.contract.promotion import (
    Promotion,
    RuleVerdict,
)
from underpaint.contract.wire.policy import (
    check_to_wire,
    explanation_to_wire,
    replay_to_wire,
    status_to_wire,
)
from underpaint.v1 import (
    orchestrator_pb2_grpc,
)

from tests.integration.sdk.script import NOW, Script


class StubPolicy(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    def __init__(self) -> None:
        self.script = Script()
        self.promotions: dict[str, Promotion] = {}
        self.policy = PolicyStatus(
            version="ef" * 32,
            text="rules:\n  - {name: polish, route: full}\n",
            since=NOW,
            file="/etc/policy.yaml",
            problems=(
                PolicyProblem(line=3, told="draft.privcy is unknown"),
                PolicyProblem(line=9, told="rule 'rest' can never decide"),
            ),
        )
        self.replayed_since: list[datetime] = []

    async def GetPolicy(self, request: Any, context: Any) -> Any:  # noqa: N802
        return status_to_wire(self.policy)

    async def CheckPolicy(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("CheckPolicy")
        problems = self.policy.problems if "bad" in request.text else ()
        version = "" if problems else "ab" * 32
        return check_to_wire(PolicyCheck(version=version, rules=3, problems=problems))

    async def ExplainPromotion(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("ExplainPromotion")
        if request.promotion_id not in self.promotions:
            raise PromotionNotFound(f"no promotion {request.promotion_id}; see the list")
        saw = RuleVerdict(
            rule="too-dear",
            matched=False,
            decided=False,
            reason="quote.max_usd_micros is 12500 ($0.0125)",
            saw={"quote.max_usd_micros": "12500"},
        )
        polish = RuleVerdict(rule="polish", matched=True, decided=True, reason="goes to full")
        rules = (
            ExplainedRule(
                verdict=saw,
                reached=True,
                line=2,
                when="quote.max_usd_micros > 1000000",
                outcome="refuse: dear",
            ),
            ExplainedRule(verdict=polish, reached=True, line=5, when="", outcome="route: full"),
        )
        promotion = self.promotions[request.promotion_id]
        return explanation_to_wire(Explanation(promotion=promotion, rules=rules, in_force=True))

    async def ReplayPolicy(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("ReplayPolicy")
        self.replayed_since.append(request.since.ToDatetime(tzinfo=UTC))
        change = ReplayChange(
            promotion_id="promotion-1",
            before="routed",
            after="refused",
            reason="strict: too dear",
            before_usd_micros=9_400,
            after_usd_micros=0,
        )
        return replay_to_wire(
            Replay(
                version="cd" * 32,
                lines=(
                    ReplayLine(outcome="routed", before=3, after=2),
                    ReplayLine(outcome="refused", before=0, after=1),
                    ReplayLine(outcome="unknown", before=0, after=0),
                ),
                before_usd_micros=28_200,
                after_usd_micros=18_800,
                changes=(change,),
                changed=1,
            )
        )
