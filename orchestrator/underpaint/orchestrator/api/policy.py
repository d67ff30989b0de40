"""The RPCs about the policy: show it, check a new one, explain a decision, replay the past."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import grpc
from typing_extensions import override
from underpaint.contract import wire
from underpaint.contract.wire import policy as wire_policy
from underpaint.orchestrator.api.access import Access
from underpaint.orchestrator.callers import Callers
from underpaint.orchestrator.policy.service import PolicyService
from underpaint.orchestrator.promotions.store import PromotionStore
from underpaint.v1 import orchestrator_pb2 as pb
from underpaint.v1 import orchestrator_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class PolicyServicer(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    """Shows, checks, explains and replays policies."""

    def __init__(self, *, policies: PolicyService, store: PromotionStore, callers: Callers) -> None:
        self._policies = policies
        self._store = store
        self._callers = callers

    @override
    async def GetPolicy(
        self, request: pb.GetPolicyRequest, context: Context
    ) -> pb.GetPolicyResponse:
        """Shows the policy in force, and the errors of a newer file that could not be loaded."""
        self._access("GetPolicy", context)
        return wire_policy.status_to_wire(self._policies.status)

    @override
    async def CheckPolicy(
        self, request: pb.CheckPolicyRequest, context: Context
    ) -> pb.CheckPolicyResponse:
        """Checks a policy and lists its errors."""
        self._access("CheckPolicy", context)
        return wire_policy.check_to_wire(await self._policies.check(request.text))

    @override
    async def ExplainPromotion(
        self, request: pb.ExplainPromotionRequest, context: Context
    ) -> pb.ExplainPromotionResponse:
        """Shows for one promotion what each rule decided, and the facts that it decided on."""
        access = self._access("ExplainPromotion", context)
        promotion = await access.promotion(self._store, request.promotion_id)
        explanation = await self._policies.explain(promotion.id)
        explanation = replace(explanation, promotion=access.shown(explanation.promotion))
        return wire_policy.explanation_to_wire(explanation)

    @override
    async def ReplayPolicy(
        self, request: pb.ReplayPolicyRequest, context: Context
    ) -> pb.ReplayPolicyResponse:
        """Shows what another policy would have decided about past promotions."""
        access = self._access("ReplayPolicy", context)
        since = wire.time_from_wire(request.since)
        replay = await self._policies.replay(request.text, since, reached=access.may)
        changes = tuple(
            replace(each, promotion_id=access.shown_id(each.promotion_id))
            for each in replay.changes
        )
        replay = replace(replay, changes=changes)
        return wire_policy.replay_to_wire(replay)

    def _access(self, rpc: str, context: Context) -> Access:
        return Access.of(self._callers.of(context), rpc)
