"""OrchestratorService: messages in, domain values through, messages out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final

import grpc
from typing_extensions import override
from underpaint.contract import pictures, wire, wire_policy
from underpaint.contract.accounting import check_day
from underpaint.contract.chunks import Assembly, split
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.money import check_usd_micros
from underpaint.contract.promotion import Promotion, PromotionRequest
from underpaint.orchestrator import spending
from underpaint.orchestrator.bell import heard
from underpaint.orchestrator.bookkeeping import Bookkeeper
from underpaint.orchestrator.callers import NOBODY, Caller, Callers
from underpaint.orchestrator.dead import DeadLetters
from underpaint.orchestrator.desk import Desk
from underpaint.orchestrator.names import (
    check_days,
    check_event_id,
    check_promotion_id,
    check_scope,
)
from underpaint.orchestrator.reasons import Reasons
from underpaint.v1 import common_pb2, orchestrator_pb2_grpc
from underpaint.v1 import orchestrator_pb2 as pb

SERVICE: Final = "underpaint.v1.OrchestratorService"
# Few at a time: what a slow reader has not taken stays in the ledger.
EVENTS_AT_ONCE: Final = 4
WATCH_LOOK_S: Final = 1.0
CANCEL_WAIT_S: Final = 5.0
DEFAULT_PAGE: Final = 50
MAX_PAGE: Final = 1_000

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class _Fill:
    """A PromotionRequest as sent; called with defaults, it is complete."""

    sent: pb.PromotionRequest
    caller: Caller

    def __call__(self, defaults: wire.Defaults) -> PromotionRequest:
        request = wire.promotion_request_from_wire(self.sent, defaults)
        return replace(request, account=self.caller.bind(request.account), retry_of="")


class Servicer(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    """The rim of the control plane."""

    def __init__(
        self, desk: Desk, bookkeeper: Bookkeeper, reasons: Reasons, callers: Callers
    ) -> None:
        self._desk = desk
        self._reasons = reasons
        self._callers = callers
        self._bookkeeper = bookkeeper
        self._dead_letters = DeadLetters(desk=desk)
        self._ledger = desk.ledger

    @override
    async def Quote(self, request: pb.QuoteRequest, context: Context) -> pb.QuoteResponse:
        """Prices a promotion."""
        promotion, caller = request.promotion, self._caller(context)
        fill = _Fill(promotion, caller)
        quote = await self._desk.quote(promotion.engine, fill, caller.roles)
        return pb.QuoteResponse(quote=wire.quote_to_wire(quote))

    @override
    async def Promote(
        self, request_iterator: AsyncIterator[pb.PromoteRequest], context: Context
    ) -> pb.PromoteResponse:
        """Takes the head and the picture, then reserves and enqueues."""
        head, picture = await _receive(request_iterator)
        promotion = await self._desk.promote(
            head.promotion_id,
            head.quote_id,
            _Fill(head.promotion, self._caller(context)),
            picture,
        )
        return pb.PromoteResponse(promotion=wire.promotion_to_wire(promotion))

    @override
    async def Watch(
        self, request: pb.WatchRequest, context: Context
    ) -> AsyncIterator[pb.WatchResponse]:
        """Events after the last one seen, until the final one."""
        promotion_id = check_promotion_id(request.promotion_id)
        after = check_event_id(request.after_event_id)
        with self._ledger.listen(promotion_id) as news:
            while True:
                news.clear()
                events = await self._ledger.events(promotion_id, after, EVENTS_AT_ONCE)
                for event in events:
                    yield pb.WatchResponse(event=wire.event_to_wire(event))
                    after = event.id
                    if event.state.final:
                        return
                if (
                    not events
                    and (await self._ledger.get(promotion_id)).state.final
                    and not await self._ledger.events(promotion_id, after, 1)
                ):
                    return  # resumed behind the final event
                if len(events) < EVENTS_AT_ONCE:
                    await heard(news, WATCH_LOOK_S)

    @override
    async def Cancel(self, request: pb.CancelRequest, context: Context) -> pb.CancelResponse:
        """Stops a promotion; waits a little for running work to end."""
        promotion_id = check_promotion_id(request.promotion_id)
        promotion = await self._desk.cancel(promotion_id)
        if not promotion.state.final:
            promotion = await self._ended(promotion_id)
        return pb.CancelResponse(promotion=wire.promotion_to_wire(promotion))

    @override
    async def GetPromotion(
        self, request: pb.GetPromotionRequest, context: Context
    ) -> pb.GetPromotionResponse:
        """One promotion."""
        promotion = await self._ledger.get(check_promotion_id(request.promotion_id))
        return pb.GetPromotionResponse(promotion=wire.promotion_to_wire(promotion))

    @override
    async def ListPromotions(
        self, request: pb.ListPromotionsRequest, context: Context
    ) -> pb.ListPromotionsResponse:
        """Newest first."""
        size = request.page_size or DEFAULT_PAGE
        if size > MAX_PAGE:
            raise InvalidRequest(f"page_size {size} is above {MAX_PAGE}")
        token = request.page_token
        if token and not (token.isascii() and token.isdigit() and len(token) < 16):
            raise InvalidRequest("the page token is none of ours; begin again without one")
        pages = self._ledger.dead if request.dead else self._ledger.page
        page = await pages(size, token)
        return pb.ListPromotionsResponse(
            promotions=[wire.promotion_to_wire(promotion) for promotion in page.promotions],
            next_page_token=page.next_token,
        )

    @override
    async def GetArtifact(
        self, request: pb.GetArtifactRequest, context: Context
    ) -> AsyncIterator[pb.GetArtifactResponse]:
        """The digest, then the bytes."""
        named = wire.digest_from_wire(common_pb2.Digest(sha256=request.sha256))
        data, digest = await self._desk.artifacts.get(named.sha256)
        yield pb.GetArtifactResponse(digest=wire.digest_to_wire(digest))
        for chunk in split(data):
            yield pb.GetArtifactResponse(chunk=common_pb2.Chunk(data=chunk))

    @override
    async def SetBudget(
        self, request: pb.SetBudgetRequest, context: Context
    ) -> pb.SetBudgetResponse:
        """Sets or lifts a limit of a scope."""
        scope, period = check_scope(request.scope), wire.period_from_wire(request.period)
        from_day, until_day = check_days(period, request.from_day, request.until_day)
        if request.remove:
            await self._ledger.remove_budget(scope, period)
            return pb.SetBudgetResponse()
        budget = await self._ledger.set_budget(
            scope,
            check_usd_micros(request.limit_usd_micros),
            period=period,
            soft=request.soft,
            from_day=from_day,
            until_day=until_day,
        )
        return pb.SetBudgetResponse(budget=wire.budget_to_wire(budget))

    @override
    async def ListBudgets(
        self, request: pb.ListBudgetsRequest, context: Context
    ) -> pb.ListBudgetsResponse:
        """Every limited scope."""
        budgets = await self._ledger.budgets()
        return pb.ListBudgetsResponse(budgets=[wire.budget_to_wire(each) for each in budgets])

    @override
    async def GetSpend(self, request: pb.GetSpendRequest, context: Context) -> pb.GetSpendResponse:
        """What was charged, of one scope or of all, by scope or by dimensions."""
        scope = check_scope(request.scope) if request.scope else ""
        cells = [
            cell
            for cell in await self._ledger.spend(check_day(request.since_day))
            if not scope or scope in cell.account.scopes
        ]
        if request.by:
            lines = spending.by(cells, list(request.by))
        else:
            lines = [line for line in spending.by_scope(cells) if not scope or line.scope == scope]
        return pb.GetSpendResponse(lines=[wire.spend_to_wire(line) for line in lines])

    @override
    async def VerifyLedger(
        self, request: pb.VerifyLedgerRequest, context: Context
    ) -> pb.VerifyLedgerResponse:
        """Adds up and compares."""
        return wire.verification_to_wire(await self._bookkeeper.verify())

    @override
    async def ThawLedger(
        self, request: pb.ThawLedgerRequest, context: Context
    ) -> pb.ThawLedgerResponse:
        """Allows spending again."""
        frozen = await self._bookkeeper.thaw(request.because, rebuild=request.rebuild)
        return pb.ThawLedgerResponse(frozen=frozen)

    @override
    async def ReadLedger(
        self, request: pb.ReadLedgerRequest, context: Context
    ) -> AsyncIterator[pb.ReadLedgerResponse]:
        """Every entry since a day."""
        async for batch in self._bookkeeper.read(check_day(request.since_day)):
            yield pb.ReadLedgerResponse(entries=[wire.entry_to_wire(entry) for entry in batch])

    @override
    async def GetPolicy(
        self, request: pb.GetPolicyRequest, context: Context
    ) -> pb.GetPolicyResponse:
        """What is in force, and what is wrong with what is not."""
        return wire_policy.status_to_wire(self._reasons.status)

    @override
    async def CheckPolicy(
        self, request: pb.CheckPolicyRequest, context: Context
    ) -> pb.CheckPolicyResponse:
        """What is wrong with a policy."""
        return wire_policy.check_to_wire(await self._reasons.check(request.text))

    @override
    async def ExplainPromotion(
        self, request: pb.ExplainPromotionRequest, context: Context
    ) -> pb.ExplainPromotionResponse:
        """Each rule, and what it saw."""
        explanation = await self._reasons.explain(check_promotion_id(request.promotion_id))
        return wire_policy.explanation_to_wire(explanation)

    @override
    async def ReplayPolicy(
        self, request: pb.ReplayPolicyRequest, context: Context
    ) -> pb.ReplayPolicyResponse:
        """What another policy would have done."""
        replay = await self._reasons.replay(request.text, wire.time_from_wire(request.since))
        return wire_policy.replay_to_wire(replay)

    @override
    async def ApprovePromotion(
        self, request: pb.ApprovePromotionRequest, context: Context
    ) -> pb.ApprovePromotionResponse:
        """Lets a promotion that waits go on."""
        promotion_id = check_promotion_id(request.promotion_id)
        promotion = await self._desk.approve(promotion_id, self._caller(context))
        return pb.ApprovePromotionResponse(promotion=wire.promotion_to_wire(promotion))

    @override
    async def DenyPromotion(
        self, request: pb.DenyPromotionRequest, context: Context
    ) -> pb.DenyPromotionResponse:
        """Ends a promotion that waits."""
        promotion_id = check_promotion_id(request.promotion_id)
        promotion = await self._desk.deny(promotion_id, self._caller(context), request.because)
        return pb.DenyPromotionResponse(promotion=wire.promotion_to_wire(promotion))

    @override
    async def QuoteRetry(
        self, request: pb.QuoteRetryRequest, context: Context
    ) -> pb.QuoteRetryResponse:
        """What a dead promotion would cost now."""
        promotion_id = check_promotion_id(request.promotion_id)
        quote = await self._dead_letters.quote(promotion_id, self._caller(context))
        return pb.QuoteRetryResponse(quote=wire.quote_to_wire(quote))

    @override
    async def RetryPromotion(
        self, request: pb.RetryPromotionRequest, context: Context
    ) -> pb.RetryPromotionResponse:
        """Makes a dead promotion anew."""
        promotion_id = check_promotion_id(request.promotion_id)
        promotion = await self._dead_letters.retry(
            promotion_id, request.quote_id, self._caller(context)
        )
        return pb.RetryPromotionResponse(promotion=wire.promotion_to_wire(promotion))

    def _caller(self, context: Context) -> Caller:
        metadata = dict(context.invocation_metadata() or ())
        # Who is nobody was not let in: the interceptor asks the same callers.
        return self._callers.caller(metadata.get("authorization")) or NOBODY

    async def _ended(self, promotion_id: str) -> Promotion:
        """The promotion once it is final, or as it stands after a while."""
        loop = asyncio.get_running_loop()
        until = loop.time() + CANCEL_WAIT_S
        with self._ledger.listen(promotion_id) as news:
            while True:
                news.clear()
                promotion = await self._ledger.get(promotion_id)
                if promotion.state.final or loop.time() >= until:
                    return promotion
                await heard(news, min(WATCH_LOOK_S, until - loop.time()))


async def _receive(messages: AsyncIterator[pb.PromoteRequest]) -> tuple[pb.PromoteHead, bytes]:
    """The head and the whole picture, its bytes checked against their digest."""
    head: pb.PromoteHead | None = None
    assembly: Assembly | None = None
    async for message in messages:
        if message.WhichOneof("part") == "head":
            if head is not None:
                raise InvalidRequest("a second head came; send one head, then chunks")
            head = message.head
            check_promotion_id(head.promotion_id)
            digest = wire.digest_from_wire(head.promotion.init_image)
            assembly = Assembly(digest, pictures.MAX_BYTES)
        elif assembly is None:
            raise InvalidRequest("a chunk came before the head; send the head first")
        else:
            assembly.add(message.chunk.data)
    if head is None or assembly is None:
        raise InvalidRequest("no head came; send the head, then chunks")
    return head, assembly.bytes()
