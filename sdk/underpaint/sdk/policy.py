"""The client's methods about the policy and approvals."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from underpaint.contract.policy import Explanation, PolicyCheck, PolicyStatus, Replay
from underpaint.contract.promotion import Promotion
from underpaint.contract.wire import promotion_from_wire, time_to_wire
from underpaint.contract.wire.policy import (
    check_from_wire,
    explanation_from_wire,
    replay_from_wire,
    status_from_wire,
)
from underpaint.sdk.peer import Peer
from underpaint.v1 import orchestrator_pb2 as pb

if TYPE_CHECKING:
    # Generated for type checkers only.
    from underpaint.v1.orchestrator_pb2_grpc import OrchestratorServiceAsyncStub


class Policy:
    """Approvals, and the policy: show, check, explain and replay."""

    _orchestrator: Peer[OrchestratorServiceAsyncStub]

    async def approve(self, promotion_id: str) -> Promotion:
        """Approves a promotion that waits: its money is reserved and the work is enqueued.

        Approving again changes nothing.

        Raises:
            PromotionNotFound: there is no such promotion.
            PolicyRefused: this caller lacks the role that the policy asks for.
            NotWaiting: it was denied or cancelled, or its time is over.
            BudgetExceeded: a budget has no room for the quote; the promotion stays waiting.
        """
        with self._orchestrator.call("ApprovePromotion") as options:
            answer = await self._orchestrator.stub.ApprovePromotion(
                pb.ApprovePromotionRequest(promotion_id=promotion_id), **options
            )
        return promotion_from_wire(answer.promotion)

    async def deny(self, promotion_id: str, because: str) -> Promotion:
        """Denies a promotion that waits, with a reason; this ends it.

        Raises:
            PromotionNotFound, PolicyRefused, NotWaiting: as for `approve`.
        """
        request = pb.DenyPromotionRequest(promotion_id=promotion_id, because=because)
        with self._orchestrator.call("DenyPromotion") as options:
            answer = await self._orchestrator.stub.DenyPromotion(request, **options)
        return promotion_from_wire(answer.promotion)

    async def policy(self) -> PolicyStatus:
        """Reads the policy in force, and the problems of a newer text in its file."""
        with self._orchestrator.call("GetPolicy") as options:
            answer = await self._orchestrator.stub.GetPolicy(pb.GetPolicyRequest(), **options)
        return status_from_wire(answer)

    async def check_policy(self, text: str) -> PolicyCheck:
        """Checks a policy (YAML) against the orchestrator's prices and roles."""
        with self._orchestrator.call("CheckPolicy") as options:
            answer = await self._orchestrator.stub.CheckPolicy(
                pb.CheckPolicyRequest(text=text), **options
            )
        return check_from_wire(answer)

    async def explain(self, promotion_id: str) -> Explanation:
        """Explains the decision about a promotion: each rule, and the facts that it used.

        Raises:
            PromotionNotFound: there is no such promotion.
        """
        with self._orchestrator.call("ExplainPromotion") as options:
            answer = await self._orchestrator.stub.ExplainPromotion(
                pb.ExplainPromotionRequest(promotion_id=promotion_id), **options
            )
        return explanation_from_wire(answer)

    async def replay_policy(self, text: str, since: datetime) -> Replay:
        """Computes what another policy would have decided about promotions made since a time.

        Args:
            text: the other policy, YAML.
            since: a time with a time zone.

        Raises:
            InvalidRequest: the policy has errors; names their lines.
        """
        request = pb.ReplayPolicyRequest(text=text, since=time_to_wire(since))
        with self._orchestrator.call("ReplayPolicy") as options:
            answer = await self._orchestrator.stub.ReplayPolicy(request, **options)
        return replay_from_wire(answer)
