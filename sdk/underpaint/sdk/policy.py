"""What the orchestrator can be asked about policy, and approvals."""

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
    """Policies, their reasons, and approvals."""

    _orchestrator: Peer[OrchestratorServiceAsyncStub]

    async def approve(self, promotion_id: str) -> Promotion:
        """Lets a promotion that waits go on; its money is reserved now. Again changes nothing.

        Raises:
            PromotionNotFound: there is no such promotion.
            PolicyRefused: this caller lacks the role.
            NotWaiting: it was denied or cancelled, or its time is over.
            BudgetExceeded: a budget has no room for the quote; it goes on waiting.
        """
        with self._orchestrator.call("ApprovePromotion") as options:
            answer = await self._orchestrator.stub.ApprovePromotion(
                pb.ApprovePromotionRequest(promotion_id=promotion_id), **options
            )
        return promotion_from_wire(answer.promotion)

    async def deny(self, promotion_id: str, because: str) -> Promotion:
        """Ends a promotion that waits, and says why.

        Raises:
            PromotionNotFound, PolicyRefused, NotWaiting: as for `approve`.
        """
        request = pb.DenyPromotionRequest(promotion_id=promotion_id, because=because)
        with self._orchestrator.call("DenyPromotion") as options:
            answer = await self._orchestrator.stub.DenyPromotion(request, **options)
        return promotion_from_wire(answer.promotion)

    async def policy(self) -> PolicyStatus:
        """The policy in force, and why what its file holds by now is not."""
        with self._orchestrator.call("GetPolicy") as options:
            answer = await self._orchestrator.stub.GetPolicy(pb.GetPolicyRequest(), **options)
        return status_from_wire(answer)

    async def check_policy(self, text: str) -> PolicyCheck:
        """What is wrong with a policy, by the orchestrator's prices."""
        with self._orchestrator.call("CheckPolicy") as options:
            answer = await self._orchestrator.stub.CheckPolicy(
                pb.CheckPolicyRequest(text=text), **options
            )
        return check_from_wire(answer)

    async def explain(self, promotion_id: str) -> Explanation:
        """Each rule of the policy that quoted a promotion, and what it saw.

        Raises:
            PromotionNotFound: there is no such promotion.
        """
        with self._orchestrator.call("ExplainPromotion") as options:
            answer = await self._orchestrator.stub.ExplainPromotion(
                pb.ExplainPromotionRequest(promotion_id=promotion_id), **options
            )
        return explanation_from_wire(answer)

    async def replay_policy(self, text: str, since: datetime) -> Replay:
        """What another policy would have done with the promotions since a time.

        Raises:
            InvalidRequest: the policy is wrong; names its lines.
        """
        request = pb.ReplayPolicyRequest(text=text, since=time_to_wire(since))
        with self._orchestrator.call("ReplayPolicy") as options:
            answer = await self._orchestrator.stub.ReplayPolicy(request, **options)
        return replay_from_wire(answer)
