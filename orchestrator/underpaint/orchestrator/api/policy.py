"""The policy by RPC: what is in force, what is wrong with another, why it decided so."""

from __future__ import annotations

from typing import Any

import grpc
from typing_extensions import override
from underpaint.contract import wire
from underpaint.contract.wire import policy as wire_policy
from underpaint.orchestrator.names import check_promotion_id
from underpaint.orchestrator.policy.service import PolicyService
from underpaint.v1 import orchestrator_pb2 as pb
from underpaint.v1 import orchestrator_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class PolicyServicer(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    """Shows, checks, explains and replays."""

    def __init__(self, *, policies: PolicyService) -> None:
        self._policies = policies

    @override
    async def GetPolicy(
        self, request: pb.GetPolicyRequest, context: Context
    ) -> pb.GetPolicyResponse:
        """What is in force, and what is wrong with what is not."""
        return wire_policy.status_to_wire(self._policies.status)

    @override
    async def CheckPolicy(
        self, request: pb.CheckPolicyRequest, context: Context
    ) -> pb.CheckPolicyResponse:
        """What is wrong with a wire_policy."""
        return wire_policy.check_to_wire(await self._policies.check(request.text))

    @override
    async def ExplainPromotion(
        self, request: pb.ExplainPromotionRequest, context: Context
    ) -> pb.ExplainPromotionResponse:
        """Each rule, and what it saw."""
        explanation = await self._policies.explain(check_promotion_id(request.promotion_id))
        return wire_policy.explanation_to_wire(explanation)

    @override
    async def ReplayPolicy(
        self, request: pb.ReplayPolicyRequest, context: Context
    ) -> pb.ReplayPolicyResponse:
        """What another policy would have done."""
        replay = await self._policies.replay(request.text, wire.time_from_wire(request.since))
        return wire_policy.replay_to_wire(replay)
