"""The client's methods that call the edge node."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc
from underpaint.contract.drafts import Draft, InitImage, Node, WithheldDraft
from underpaint.contract.errors import EngineFailed
from underpaint.contract.outbox import OutboxItem
from underpaint.contract.pictures import MAX_BYTES
from underpaint.contract.promotion import Promotion
from underpaint.contract.wire import draft_from_wire, node_from_wire, promotion_from_wire
from underpaint.contract.wire.outbox import outbox_item_from_wire
from underpaint.sdk.peer import Arrival, Peer, answers
from underpaint.sdk.requests import DraftRequest, PolishRequest
from underpaint.v1 import edge_pb2

if TYPE_CHECKING:
    # Generated for type checkers only.
    from underpaint.v1.edge_pb2_grpc import EdgeServiceAsyncStub


class Drafts:
    """Drafts and the outbox. Nothing leaves the device, except what is put into the outbox."""

    _edge: Peer[EdgeServiceAsyncStub]

    async def make_drafts(
        self,
        request: DraftRequest,
        *,
        withheld: Callable[[WithheldDraft], None] = lambda draft: None,
    ) -> AsyncGenerator[tuple[Draft, bytes], None]:
        """Makes drafts; yields each with its picture as soon as it is ready.

        Args:
            request: what to draw.
            withheld: called for a draft that is not delivered, because a safety checker flagged
                it or it is no proper picture; the others follow.

        Raises:
            ResultFlagged, ResultUnusable: none of the drafts is delivered.
            EngineBusy: the engine is busy or still loading.
            EngineFailed: the engine failed, or a picture arrived damaged.
        """
        with self._edge.call("MakeDrafts") as options:
            call = self._edge.stub.MakeDrafts(request.to_wire(), **options)
            async with aclosing(_drafts(self._edge, call, withheld)) as drafts:
                async for draft, picture in drafts:
                    yield draft, picture

    async def get_draft(self, draft_id: str) -> tuple[Draft, bytes]:
        """Reads a draft and its picture, by its id or a unique beginning of it.

        Raises:
            DraftNotFound: there is no such draft on this node.
        """
        with self._edge.call("GetDraft") as options:
            call = self._edge.stub.GetDraft(edge_pb2.GetDraftRequest(id=draft_id), **options)
            async with aclosing(_drafts(self._edge, call)) as drafts:
                async for draft, picture in drafts:
                    return draft, picture
        raise EngineFailed(f"{self._edge.label} answered without a draft; try again")

    async def list_drafts(self, limit: int = 50) -> list[Draft]:
        """Lists up to `limit` drafts, newest first."""
        found: list[Draft] = []
        token = ""
        while len(found) < limit:
            page = edge_pb2.ListDraftsRequest(
                page_size=min(limit - len(found), 1_000), page_token=token
            )
            with self._edge.call("ListDrafts") as options:
                answer = await self._edge.stub.ListDrafts(page, **options)
            found.extend(draft_from_wire(wire) for wire in answer.drafts)
            token = answer.next_page_token
            if not token:
                break
        return found

    async def delete_draft(self, draft_id: str) -> None:
        """Deletes a draft and its picture.

        Raises:
            DraftNotFound: there is no such draft on this node.
            InvalidRequest: a promotion of it is in the outbox.
        """
        with self._edge.call("DeleteDraft") as options:
            await self._edge.stub.DeleteDraft(edge_pb2.DeleteDraftRequest(id=draft_id), **options)

    async def keep_promotion(
        self,
        init_image: InitImage,
        polish: PolishRequest,
        *,
        promotion_id: str,
        accepted_usd_micros: int = 0,
    ) -> OutboxItem:
        """Puts a promotion into the node's outbox.

        The node quotes it again and sends it, once, when the orchestrator can be reached.

        Args:
            init_image: a draft of this node that may leave it.
            polish: how to finish it.
            promotion_id: as for `promote`; use the same id if `promote` was tried before.
            accepted_usd_micros: up to this price it is sent without asking; 0 always asks.

        Raises:
            DraftNotFound: the draft is not on this node.
            PromotionConflict: the outbox has other content under the id.
        """
        request = edge_pb2.KeepPromotionRequest(
            promotion_id=promotion_id,
            promotion=polish.to_wire(init_image),
            accepted_usd_micros=accepted_usd_micros,
        )
        with self._edge.call("KeepPromotion") as options:
            answer = await self._edge.stub.KeepPromotion(request, **options)
        return outbox_item_from_wire(answer.item)

    async def outbox(self) -> list[OutboxItem]:
        """Lists the promotions in the outbox, oldest first."""
        with self._edge.call("ListOutbox") as options:
            answer = await self._edge.stub.ListOutbox(edge_pb2.ListOutboxRequest(), **options)
        return [outbox_item_from_wire(item) for item in answer.items]

    async def send_outbox(
        self, promotion_id: str = "", *, accepted_usd_micros: int = 0
    ) -> tuple[list[Promotion], list[OutboxItem]]:
        """Tries to send promotions of the outbox now.

        Args:
            promotion_id: which one; "" for all.
            accepted_usd_micros: the new accepted price of this promotion; 0 leaves it unchanged.

        Returns:
            The promotions that were sent, and the items that stay, each with its reason.

        Raises:
            PromotionNotFound: it is not in the outbox.
        """
        request = edge_pb2.SendOutboxRequest(
            promotion_id=promotion_id, accepted_usd_micros=accepted_usd_micros
        )
        with self._edge.call("SendOutbox") as options:
            answer = await self._edge.stub.SendOutbox(request, **options)
        sent = [promotion_from_wire(wire) for wire in answer.sent]
        return sent, [outbox_item_from_wire(item) for item in answer.left]

    async def drop_outbox(self, promotion_id: str) -> OutboxItem:
        """Removes a promotion from the outbox without sending it.

        Raises:
            PromotionNotFound: it is not in the outbox; it may have been sent.
        """
        request = edge_pb2.DropOutboxRequest(promotion_id=promotion_id)
        with self._edge.call("DropOutbox") as options:
            answer = await self._edge.stub.DropOutbox(request, **options)
        return outbox_item_from_wire(answer.item)

    async def node(self) -> Node:
        """Describes the edge node: its model, the defaults, and how many drafts it stores."""
        with self._edge.call("GetNode") as options:
            answer = await self._edge.stub.GetNode(edge_pb2.GetNodeRequest(), **options)
        return node_from_wire(answer)


async def _drafts(
    peer: Peer[EdgeServiceAsyncStub],
    call: grpc.aio.UnaryStreamCall[Any, Any],
    withheld: Callable[[WithheldDraft], None] = lambda draft: None,
) -> AsyncGenerator[tuple[Draft, bytes], None]:
    """Reads drafts from a stream: a draft, its chunks, the next draft."""
    draft: Draft | None = None
    arrival: Arrival | None = None
    async with aclosing(answers(call)) as parts:
        async for part in parts:
            kind = part.WhichOneof("part")
            if kind == "withheld":
                withheld(WithheldDraft(seed=part.withheld.seed, reason=part.withheld.reason))
            elif kind == "draft":
                draft = draft_from_wire(part.draft)
                arrival = peer.arrival(draft.digest, MAX_BYTES)
            elif kind == "chunk" and draft is not None and arrival is not None:
                arrival.add(part.chunk.data)
                if arrival.complete:
                    yield draft, arrival.bytes()
                    draft = arrival = None
    if draft is not None:
        raise EngineFailed(f"{peer.label} stopped in the middle of draft {draft.id}; try again")
