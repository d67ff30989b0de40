"""An edge node and an orchestrator to script: real gRPC, no engines, no Redis."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image
from underpaint.contract.accounting import (
    Budget,
    LedgerEntry,
    Period,
    SpendLine,
    Verification,
)
from underpaint.contract.chunks import Assembly, split
from underpaint.contract.drafts import Draft
from underpaint.contract.errors import (
    ArtifactNotFound,
    DraftNotFound,
    PromotionConflict,
    PromotionNotFound,
    ServiceUnreachable,
    UnderpaintError,
)
from underpaint.contract.pictures import MAX_BYTES, Digest, encode_png, encode_preview
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
    Lineage,
    Promotion,
    PromotionEvent,
    PromotionState,
    Quote,
    QuoteLine,
    Receipt,
    RuleVerdict,
)
from underpaint.contract.rim import start_server
from underpaint.contract.wire import (
    Defaults,
    budget_to_wire,
    digest_from_wire,
    digest_to_wire,
    draft_to_wire,
    entry_to_wire,
    event_to_wire,
    generation_from_wire,
    period_from_wire,
    privacy_from_wire,
    promotion_request_from_wire,
    promotion_to_wire,
    quote_to_wire,
    spend_to_wire,
    verification_to_wire,
)
from underpaint.contract.wire.policy import (
    check_to_wire,
    explanation_to_wire,
    replay_to_wire,
    status_to_wire,
)
from underpaint.v1 import (
    common_pb2,
    edge_pb2,
    edge_pb2_grpc,
    orchestrator_pb2,
    orchestrator_pb2_grpc,
)

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
LITE = Defaults(width=128, height=128, num_inference_steps=8, guidance_scale=3.0)
FULL = Defaults(width=1024, height=1024, num_inference_steps=28, guidance_scale=3.0)


def picture(seed: int, side: int = 128) -> bytes:
    return encode_png(Image.new("RGB", (side, side), (seed * 37 % 256, seed * 91 % 256, 128)))


@dataclass
class Script:
    """What goes wrong, in order: the named RPC raises its next error, before it does anything."""

    errors: dict[str, list[UnderpaintError]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def enter(self, rpc: str) -> None:
        self.calls.append(rpc)
        if self.errors.get(rpc):
            raise self.errors[rpc].pop(0)


class StubEdge(edge_pb2_grpc.EdgeServiceServicer):
    def __init__(self) -> None:
        self.script = Script()
        self.drafts: dict[str, tuple[Draft, bytes]] = {}
        self.damage = False
        self.warnings: tuple[str, ...] = ()

    async def MakeDrafts(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.script.enter("MakeDrafts")
        wanted = generation_from_wire(request.request, LITE)
        for i in range(request.count):
            data = picture(wanted.seed + i)
            draft = Draft(
                id=f"{len(self.drafts):08x}draft",
                digest=Digest.of(data),
                request=replace(wanted, seed=wanted.seed + i),
                privacy=privacy_from_wire(request.privacy),
                model="stub-lite",
                elapsed_ms=420 + i,
                created_at=NOW + timedelta(seconds=len(self.drafts)),
                warnings=self.warnings,
            )
            self.drafts[draft.id] = draft, data
            yield edge_pb2.MakeDraftsResponse(draft=draft_to_wire(draft))
            for chunk in split(data[::-1] if self.damage else data):
                yield edge_pb2.MakeDraftsResponse(chunk=common_pb2.Chunk(data=chunk))

    async def GetDraft(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.script.enter("GetDraft")
        found = [both for id_, both in self.drafts.items() if id_.startswith(request.id)]
        if len(found) != 1:
            raise DraftNotFound(f"no draft {request.id} on this node; see the list of drafts")
        yield edge_pb2.GetDraftResponse(draft=draft_to_wire(found[0][0]))
        for chunk in split(found[0][1]):
            yield edge_pb2.GetDraftResponse(chunk=common_pb2.Chunk(data=chunk))

    async def ListDrafts(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("ListDrafts")
        newest = [draft for draft, _ in reversed(self.drafts.values())]
        start = int(request.page_token or 0)
        end = start + min(request.page_size, 3)  # small pages, so that clients have to turn them
        return edge_pb2.ListDraftsResponse(
            drafts=[draft_to_wire(draft) for draft in newest[start:end]],
            next_page_token=str(end) if end < len(newest) else "",
        )

    async def DeleteDraft(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("DeleteDraft")
        if self.drafts.pop(request.id, None) is None:
            raise DraftNotFound(f"no draft {request.id} on this node")
        return edge_pb2.DeleteDraftResponse()

    async def GetNode(self, request: Any, context: Any) -> Any:  # noqa: N802
        return edge_pb2.GetNodeResponse(model="stub-lite", width=LITE.width, height=LITE.height)


class StubOrchestrator(orchestrator_pb2_grpc.OrchestratorServiceServicer):
    def __init__(self) -> None:
        self.script = Script()
        self.promotions: dict[str, Promotion] = {}
        self.events: dict[str, list[PromotionEvent]] = {}
        self.artifacts: dict[str, bytes] = {}
        self.budgets: dict[tuple[str, Period], Budget] = {}
        self.spend_requests: list[tuple[str, tuple[str, ...], str]] = []
        self.verification = Verification(
            entries=12, number=40, checkpoint_number=28, balances=12, reservations=1
        )
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
        self.thawed: list[tuple[str, bool]] = []
        self.entries: list[LedgerEntry] = []
        self.heads: list[str] = []
        self.price = 12_500
        self.lose_promote_replies = 0
        self.break_watch_after: list[int] = []
        self.outcome = PromotionState.SETTLED
        self.hang = asyncio.Event()
        self.hanging = False

    async def Quote(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("Quote")
        wanted = promotion_request_from_wire(request.promotion, FULL)
        return orchestrator_pb2.QuoteResponse(quote=quote_to_wire(self._quote(wanted)))

    async def Promote(self, requests: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("Promote")
        head = None
        async for part in requests:
            if part.WhichOneof("part") == "head":
                head = part.head
                init_image = Assembly(digest_from_wire(head.promotion.init_image), MAX_BYTES)
            else:
                init_image.add(part.chunk.data)
        init_image.bytes()
        self.heads.append(head.promotion_id)
        wanted = promotion_request_from_wire(head.promotion, FULL)
        known = self.promotions.get(head.promotion_id)
        if known and known.promotion != wanted:
            raise PromotionConflict(f"promotion {head.promotion_id} is taken by other content")
        if not known:
            self._finish(head.promotion_id, wanted)
        if self.lose_promote_replies:
            self.lose_promote_replies -= 1
            raise ServiceUnreachable("the reply was lost")
        promotion = replace(self.promotions[head.promotion_id], state=PromotionState.RESERVED)
        return orchestrator_pb2.PromoteResponse(promotion=promotion_to_wire(promotion))

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.script.enter("Watch")
        if request.promotion_id not in self.events:
            raise PromotionNotFound(f"no promotion {request.promotion_id}; see the list")
        fresh = [e for e in self.events[request.promotion_id] if e.id > request.after_event_id]
        limit = self.break_watch_after.pop(0) if self.break_watch_after else len(fresh)
        for event in fresh[:limit]:
            yield orchestrator_pb2.WatchResponse(event=event_to_wire(event))
        if self.hanging:
            await self.hang.wait()
        if limit < len(fresh):
            raise ServiceUnreachable("going away")

    async def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("Cancel")
        return orchestrator_pb2.CancelResponse(promotion=self._promotion(request.promotion_id))

    async def GetPromotion(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("GetPromotion")
        return orchestrator_pb2.GetPromotionResponse(
            promotion=self._promotion(request.promotion_id)
        )

    async def ListPromotions(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("ListPromotions")
        newest = [
            promotion_to_wire(each)
            for each in reversed(self.promotions.values())
            if not request.dead or (each.dead and not each.retried_as)
        ]
        return orchestrator_pb2.ListPromotionsResponse(promotions=newest[: request.page_size])

    async def GetArtifact(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.script.enter("GetArtifact")
        if request.sha256 not in self.artifacts:
            raise ArtifactNotFound(f"no artifact {request.sha256}")
        data = self.artifacts[request.sha256]
        yield orchestrator_pb2.GetArtifactResponse(digest=digest_to_wire(Digest.of(data)))
        for chunk in split(data):
            yield orchestrator_pb2.GetArtifactResponse(chunk=common_pb2.Chunk(data=chunk))

    async def SetBudget(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("SetBudget")
        period = period_from_wire(request.period)
        if request.remove:
            self.budgets.pop((request.scope, period), None)
            return orchestrator_pb2.SetBudgetResponse()
        budget = Budget(
            scope=request.scope,
            limit_usd_micros=request.limit_usd_micros,
            spent_usd_micros=9_400,
            period=period,
            soft=request.soft,
            from_day=request.from_day,
            until_day=request.until_day,
        )
        self.budgets[budget.scope, budget.period] = budget
        return orchestrator_pb2.SetBudgetResponse(budget=budget_to_wire(budget))

    async def ListBudgets(self, request: Any, context: Any) -> Any:  # noqa: N802
        return orchestrator_pb2.ListBudgetsResponse(
            budgets=[budget_to_wire(budget) for budget in self.budgets.values()]
        )

    async def GetSpend(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.spend_requests.append((request.scope, tuple(request.by), request.since_day))
        line = SpendLine(
            scope="" if request.by else "project:default",
            promotions=1,
            charged_usd_micros=9_400,
            cloud_only_usd_micros=112_500,
            key=tuple(f"a-{dimension}" for dimension in request.by),
        )
        return orchestrator_pb2.GetSpendResponse(lines=[spend_to_wire(line)])

    async def ApprovePromotion(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("ApprovePromotion")
        stored = self.promotions[request.promotion_id]
        self.promotions[request.promotion_id] = replace(
            stored, state=PromotionState.RESERVED, approved_by="ana"
        )
        return orchestrator_pb2.ApprovePromotionResponse(
            promotion=self._promotion(request.promotion_id)
        )

    async def DenyPromotion(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("DenyPromotion")
        self.promotions[request.promotion_id] = replace(
            self.promotions[request.promotion_id],
            state=PromotionState.RELEASED,
            reason=f"denied by ana: {request.because}",
        )
        return orchestrator_pb2.DenyPromotionResponse(
            promotion=self._promotion(request.promotion_id)
        )

    async def QuoteRetry(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("QuoteRetry")
        dead = self.promotions[request.promotion_id]
        quote = replace(self._quote(dead.promotion), id="quote-again", max_usd_micros=13_000)
        return orchestrator_pb2.QuoteRetryResponse(quote=quote_to_wire(quote))

    async def RetryPromotion(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("RetryPromotion")
        assert request.quote_id == "quote-again"
        dead = self.promotions[request.promotion_id]
        new_id = f"{dead.id}-again"
        self.outcome = PromotionState.SETTLED
        self._finish(new_id, replace(dead.promotion, retry_of=dead.id))
        self.promotions[dead.id] = replace(dead, retried_as=new_id)
        return orchestrator_pb2.RetryPromotionResponse(promotion=self._promotion(new_id))

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

    async def VerifyLedger(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("VerifyLedger")
        return verification_to_wire(self.verification)

    async def ThawLedger(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("ThawLedger")
        self.thawed.append((request.because, request.rebuild))
        return orchestrator_pb2.ThawLedgerResponse(frozen=self.verification.frozen)

    async def ReadLedger(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.script.enter("ReadLedger")
        for entry in self.entries:
            yield orchestrator_pb2.ReadLedgerResponse(entries=[entry_to_wire(entry)])

    def _promotion(self, promotion_id: str) -> Any:
        if promotion_id not in self.promotions:
            raise PromotionNotFound(f"no promotion {promotion_id}; see the list of promotions")
        return promotion_to_wire(self.promotions[promotion_id])

    def _quote(self, wanted: Any) -> Quote:
        return Quote(
            id="quote-1",
            engine=wanted.engine or "full",
            max_usd_micros=self.price,
            price_table_version="stub-1",
            expires_at=datetime.now(UTC) + timedelta(minutes=5),
            verdicts=(
                RuleVerdict(
                    rule="stays-on-device", matched=False, decided=False, reason="privacy is full"
                ),
                RuleVerdict(rule="polish", matched=True, decided=True, reason="takes the rest"),
            ),
            lines=(
                QuoteLine(what="28 steps x 1.049 megapixels", usd_micros=11_500),
                QuoteLine(what="1 picture", usd_micros=1_000),
            ),
            cloud_only_usd_micros=12_500 * (wanted.draft_count + 1),
            request=wanted.request,
            priority=wanted.priority,
        )

    def _finish(self, promotion_id: str, wanted: Any) -> None:
        quote = self._quote(wanted)
        settled = self.outcome is PromotionState.SETTLED
        image = Image.new("RGB", (wanted.request.width, wanted.request.height), (20, 120, 120))
        data = encode_png(image)
        self.artifacts[Digest.of(data).sha256] = data
        self.promotions[promotion_id] = Promotion(
            id=promotion_id,
            state=self.outcome,
            promotion=wanted,
            quote=quote,
            created_at=NOW,
            updated_at=NOW,
            attempts=1,
            reason="" if settled else "the engine ran out of memory",
            artifact=Digest.of(data) if settled else None,
            lineage=Lineage(
                draft_sha256=wanted.init_image.sha256,
                draft_id=wanted.draft_id,
                draft_model=wanted.draft_model,
                draft_seed=wanted.draft_seed,
                engine=quote.engine,
                model="stub-full",
                upscaler="",
                request=wanted.request,
            )
            if settled
            else None,
            receipt=Receipt(
                quoted_usd_micros=12_500,
                charged_usd_micros=9_400,
                cloud_only_usd_micros=quote.cloud_only_usd_micros,
                price_table_version="stub-1",
                gpu_seconds=1.5,
                settled_at=NOW,
            )
            if settled
            else None,
        )
        states = [PromotionState.RESERVED, *[PromotionState.RUNNING] * 4, self.outcome]
        self.events[promotion_id] = [
            PromotionEvent(
                id=f"{i + 1:04d}",
                at=NOW,
                state=state,
                step=i if state is PromotionState.RUNNING else 0,
                steps=4 if state is PromotionState.RUNNING else 0,
                preview=encode_preview(image) if i in (2, 4) else b"",
                message="denoising" if state is PromotionState.RUNNING else "",
            )
            for i, state in enumerate(states)
        ]


@dataclass
class Stubs:
    edge: StubEdge
    orchestrator: StubOrchestrator
    edge_address: str
    orchestrator_address: str


@contextmanager
def serving(token: str = "") -> Iterator[Stubs]:
    """Both stubs on free ports, on a thread with its own event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[Stubs, list[Any]]:
        edge, orchestrator = StubEdge(), StubOrchestrator()
        one, edge_port = await start_server(
            "127.0.0.1:0",
            lambda s: edge_pb2_grpc.add_EdgeServiceServicer_to_server(edge, s),
            ["underpaint.v1.EdgeService"],
            token=token,
        )
        two, port = await start_server(
            "127.0.0.1:0",
            lambda s: orchestrator_pb2_grpc.add_OrchestratorServiceServicer_to_server(
                orchestrator, s
            ),
            ["underpaint.v1.OrchestratorService"],
            token=token,
        )
        addresses = f"127.0.0.1:{edge_port}", f"127.0.0.1:{port}"
        return Stubs(edge, orchestrator, *addresses), [one, two]

    stubs, servers = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield stubs
    finally:

        async def stop() -> None:
            for server in servers:
                await server.stop(0)

        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


if __name__ == "__main__":
    with serving() as running:
        print(
            f"export UNDERPAINT_EDGE={running.edge_address} "
            f"UNDERPAINT_ORCHESTRATOR={running.orchestrator_address}",
            flush=True,
        )
        threading.Event().wait()
