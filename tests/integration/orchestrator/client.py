"""The least of a client: what the tests say to an orchestrator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc
from underpaint.contract import wire
from underpaint.contract.chunks import split
from underpaint.contract.promotion import Promotion, PromotionEvent, Quote
from underpaint.contract.rim import open_channel, translated
from underpaint.v1 import common_pb2, orchestrator_pb2_grpc
from underpaint.v1 import orchestrator_pb2 as pb

from tests.unit.orchestrator.samples import DRAFT, promotion_request

PATIENCE_S = 60.0  # the tests do not judge how fast a busy machine is


def request(**changes: Any) -> pb.PromotionRequest:
    return wire.promotion_request_to_wire(promotion_request(**changes))


class Client:
    def __init__(self, address: str, token: str = "", tls_dir: Path | None = None) -> None:
        self.address = address
        self.metadata = (("authorization", f"Bearer {token}"),) if token else None
        self.channel = open_channel(address, tls_dir)
        self.stub = orchestrator_pb2_grpc.OrchestratorServiceStub(self.channel)

    async def close(self) -> None:
        await self.channel.close()

    async def wait_until_served(self, running: asyncio.Task[Any] | None = None) -> None:
        host, port = self.address.split(":")
        for _ in range(1_000):
            if running and running.done():
                running.result()
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            break
        health: Any = health_pb2_grpc.HealthStub(self.channel)
        for _ in range(1_000):
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            await asyncio.sleep(0.02)
        raise AssertionError("it listens, and does not serve")

    async def quote(self, sent: pb.PromotionRequest | None = None) -> Quote:
        with translated("orchestrator"):
            answer = await self.stub.Quote(
                pb.QuoteRequest(promotion=sent if sent is not None else request()),
                timeout=PATIENCE_S,
                metadata=self.metadata,
            )
        return wire.quote_from_wire(answer.quote)

    async def promote(
        self,
        promotion_id: str,
        sent: pb.PromotionRequest | None = None,
        picture: bytes = DRAFT,
        *others: bytes,
        quote_id: str | None = None,
    ) -> Promotion:
        """Quotes first unless a quote is given."""
        sent = sent if sent is not None else request()
        if quote_id is None:
            quote_id = (await self.quote(sent)).id
        head = pb.PromoteHead(promotion_id=promotion_id, quote_id=quote_id, promotion=sent)
        messages = [pb.PromoteRequest(head=head)]
        messages += [
            pb.PromoteRequest(chunk=common_pb2.Chunk(data=data))
            for each in (picture, *others)
            for data in split(each)
        ]
        return await self.send(messages)

    async def send(self, messages: list[pb.PromoteRequest]) -> Promotion:
        async def stream() -> AsyncIterator[pb.PromoteRequest]:
            for message in messages:
                yield message

        with translated("orchestrator"):
            answer = await self.stub.Promote(stream(), timeout=PATIENCE_S, metadata=self.metadata)
        return wire.promotion_from_wire(answer.promotion)

    async def watch(self, promotion_id: str, after: str = "") -> AsyncIterator[PromotionEvent]:
        call = self.stub.Watch(
            pb.WatchRequest(promotion_id=promotion_id, after_event_id=after),
            timeout=PATIENCE_S,
            metadata=self.metadata,
        )
        with translated("orchestrator"):
            try:
                async for answer in call:
                    yield wire.event_from_wire(answer.event)
            finally:
                call.cancel()

    async def events(self, promotion_id: str, after: str = "") -> list[PromotionEvent]:
        return [event async for event in self.watch(promotion_id, after)]

    async def finished(self, promotion_id: str) -> Promotion:
        await self.events(promotion_id)
        return await self.get(promotion_id)

    async def get(self, promotion_id: str) -> Promotion:
        with translated("orchestrator"):
            answer = await self.stub.GetPromotion(
                pb.GetPromotionRequest(promotion_id=promotion_id),
                timeout=PATIENCE_S,
                metadata=self.metadata,
            )
        return wire.promotion_from_wire(answer.promotion)

    async def cancel(self, promotion_id: str) -> Promotion:
        with translated("orchestrator"):
            answer = await self.stub.Cancel(
                pb.CancelRequest(promotion_id=promotion_id),
                timeout=PATIENCE_S,
                metadata=self.metadata,
            )
        return wire.promotion_from_wire(answer.promotion)

    async def approve(self, promotion_id: str) -> Promotion:
        with translated("orchestrator"):
            answer = await self.stub.ApprovePromotion(
                pb.ApprovePromotionRequest(promotion_id=promotion_id),
                timeout=PATIENCE_S,
                metadata=self.metadata,
            )
        return wire.promotion_from_wire(answer.promotion)

    async def deny(self, promotion_id: str, because: str) -> Promotion:
        with translated("orchestrator"):
            answer = await self.stub.DenyPromotion(
                pb.DenyPromotionRequest(promotion_id=promotion_id, because=because),
                timeout=PATIENCE_S,
                metadata=self.metadata,
            )
        return wire.promotion_from_wire(answer.promotion)

    async def dead(self) -> list[Promotion]:
        with translated("orchestrator"):
            answer = await self.stub.ListPromotions(
                pb.ListPromotionsRequest(dead=True), timeout=PATIENCE_S, metadata=self.metadata
            )
        return [wire.promotion_from_wire(each) for each in answer.promotions]

    async def quote_retry(self, promotion_id: str) -> Quote:
        with translated("orchestrator"):
            answer = await self.stub.QuoteRetry(
                pb.QuoteRetryRequest(promotion_id=promotion_id),
                timeout=PATIENCE_S,
                metadata=self.metadata,
            )
        return wire.quote_from_wire(answer.quote)

    async def retry(self, promotion_id: str, quote_id: str) -> Promotion:
        with translated("orchestrator"):
            answer = await self.stub.RetryPromotion(
                pb.RetryPromotionRequest(promotion_id=promotion_id, quote_id=quote_id),
                timeout=PATIENCE_S,
                metadata=self.metadata,
            )
        return wire.promotion_from_wire(answer.promotion)

    async def artifact(self, promotion_id: str, sha256: str) -> bytes:
        data = b""
        with translated("orchestrator"):
            async for answer in self.stub.GetArtifact(
                pb.GetArtifactRequest(promotion_id=promotion_id, sha256=sha256),
                timeout=PATIENCE_S,
                metadata=self.metadata,
            ):
                data += answer.chunk.data
        return data

    async def set_budget(self, scope: str, usd_micros: int) -> None:
        with translated("orchestrator"):
            await self.stub.SetBudget(
                pb.SetBudgetRequest(scope=scope, limit_usd_micros=usd_micros),
                timeout=PATIENCE_S,
                metadata=self.metadata,
            )

    async def budgets(self) -> dict[str, tuple[int, int]]:
        """Reserved and spent by scope."""
        answer = await self.stub.ListBudgets(
            pb.ListBudgetsRequest(), timeout=PATIENCE_S, metadata=self.metadata
        )
        return {b.scope: (b.reserved_usd_micros, b.spent_usd_micros) for b in answer.budgets}

    async def spend(self, scope: str = "") -> dict[str, tuple[int, int, int]]:
        with translated("orchestrator"):
            answer = await self.stub.GetSpend(
                pb.GetSpendRequest(scope=scope), timeout=PATIENCE_S, metadata=self.metadata
            )
        return {
            line.scope: (line.promotions, line.charged_usd_micros, line.cloud_only_usd_micros)
            for line in answer.lines
        }
