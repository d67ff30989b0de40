"""The gRPC API of an edge node."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final

import grpc
from underpaint.contract.chunks import split
from underpaint.contract.drafts import Draft, InitImage, Node, Privacy
from underpaint.contract.errors import DraftNotFound, EngineFailed, InvalidRequest, ResultWithheld
from underpaint.contract.generation import GenerationRequest, GenerationResult, Inputs
from underpaint.contract.inputs import check_digests, check_inputs
from underpaint.contract.money import check_usd_micros
from underpaint.contract.outbox import OutboxItem, OutboxState
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import check_promotion_id
from underpaint.contract.wire import (
    draft_to_wire,
    generation_from_wire,
    input_digests_from_wire,
    node_to_wire,
    privacy_from_wire,
    promotion_to_wire,
)
from underpaint.contract.wire.outbox import outbox_item_to_wire
from underpaint.edge.draft_queue import DraftQueue
from underpaint.edge.outbox_sender import OutboxSender
from underpaint.edge.store import DraftStore, new_id
from underpaint.v1 import common_pb2, edge_pb2, edge_pb2_grpc

SERVICE: Final = "underpaint.v1.EdgeService"
MAX_COUNT: Final = 64
MAX_PAGE: Final = 1_000
PAGE: Final = 50
Context = grpc.aio.ServicerContext[Any, Any]


class EdgeServicer(edge_pb2_grpc.EdgeServiceServicer):
    """Answers every RPC of EdgeService from the draft queue, the draft store and the outbox."""

    def __init__(self, queue: DraftQueue, store: DraftStore, sender: OutboxSender) -> None:
        self._queue = queue
        self._store = store
        self._sender = sender

    async def MakeDrafts(  # noqa: N802 - the RPC's name
        self, request: edge_pb2.MakeDraftsRequest, context: Context
    ) -> AsyncIterator[edge_pb2.MakeDraftsResponse]:
        """Streams each draft as soon as it is made and stored."""
        engine = self._queue.engine
        privacy = privacy_from_wire(request.privacy)
        if not 1 <= request.count <= MAX_COUNT:
            raise InvalidRequest(f"count {request.count} is out of range; use 1 to {MAX_COUNT}")
        first = generation_from_wire(request.request, engine.defaults)
        if first.strength is not None:
            raise InvalidRequest("drafts start from noise; leave strength unset")
        wanted = [dataclasses.replace(first, seed=first.seed + i) for i in range(request.count)]
        warnings = engine.warnings(first.prompt)
        withheld: list[ResultWithheld] = []
        async with aclosing(self._queue.draw(wanted)) as results:
            index = 0
            async for result in results:
                asked = wanted[index]
                index += 1
                if isinstance(result, ResultWithheld):
                    withheld.append(result)
                    yield edge_pb2.MakeDraftsResponse(
                        withheld=edge_pb2.WithheldDraft(seed=asked.seed, reason=str(result))
                    )
                    continue
                draft = _draft(asked, result, privacy, warnings + result.warnings)
                await asyncio.to_thread(self._store.add, draft, result.picture)
                yield edge_pb2.MakeDraftsResponse(draft=draft_to_wire(draft))
                for data in split(result.picture):
                    yield edge_pb2.MakeDraftsResponse(chunk=common_pb2.Chunk(data=data))
        if len(withheld) == len(wanted):
            raise withheld[-1]

    async def GetDraft(  # noqa: N802
        self, request: edge_pb2.GetDraftRequest, context: Context
    ) -> AsyncIterator[edge_pb2.GetDraftResponse]:
        """Streams one draft, then its picture in chunks."""
        draft = await asyncio.to_thread(self._store.find, request.id)
        picture = await asyncio.to_thread(self._store.picture, draft)
        yield edge_pb2.GetDraftResponse(draft=draft_to_wire(draft))
        for data in split(picture):
            yield edge_pb2.GetDraftResponse(chunk=common_pb2.Chunk(data=data))

    async def ListDrafts(  # noqa: N802
        self, request: edge_pb2.ListDraftsRequest, context: Context
    ) -> edge_pb2.ListDraftsResponse:
        """Lists one page of drafts, newest first."""
        size = request.page_size or PAGE
        if size > MAX_PAGE:
            raise InvalidRequest(f"page_size {size} is out of range; use 1 to {MAX_PAGE}")
        drafts, following = await asyncio.to_thread(self._store.page, size, request.page_token)
        return edge_pb2.ListDraftsResponse(
            drafts=[draft_to_wire(draft) for draft in drafts], next_page_token=following
        )

    async def DeleteDraft(  # noqa: N802
        self, request: edge_pb2.DeleteDraftRequest, context: Context
    ) -> edge_pb2.DeleteDraftResponse:
        """Deletes a draft."""
        await asyncio.to_thread(self._store.delete, request.id)
        return edge_pb2.DeleteDraftResponse()

    async def GetNode(  # noqa: N802
        self, request: edge_pb2.GetNodeRequest, context: Context
    ) -> edge_pb2.GetNodeResponse:
        """Describes the model, its defaults, and how full the draft store is."""
        engine = self._queue.engine
        defaults = engine.defaults
        node = Node(
            model=engine.name,
            width=defaults.width,
            height=defaults.height,
            num_inference_steps=defaults.num_inference_steps,
            guidance_scale=defaults.guidance_scale,
            drafts=await asyncio.to_thread(len, self._store),
            draft_limit=self._store.draft_limit,
            loras=engine.loras,
        )
        return node_to_wire(node)

    async def KeepPromotion(  # noqa: N802
        self, request: edge_pb2.KeepPromotionRequest, context: Context
    ) -> edge_pb2.KeepPromotionResponse:
        """Puts a promotion into the outbox, if its draft may leave the device."""
        check_promotion_id(request.promotion_id)
        sent = request.promotion
        draft = await asyncio.to_thread(self._store.find, sent.draft_id)
        picture = await asyncio.to_thread(self._store.picture, draft)
        InitImage(draft=draft, picture=picture)  # raises if the draft must stay on the device
        if (sent.draft_id, sent.init_image.sha256) != (draft.id, draft.digest.sha256):
            raise DraftNotFound(f"draft {sent.draft_id} of this node has another picture")
        inputs = await asyncio.to_thread(_checked_inputs, request, picture)
        item = OutboxItem(
            promotion_id=request.promotion_id,
            draft_id=draft.id,
            prompt=sent.request.prompt,
            state=OutboxState.HELD,
            reason=self._sender.waits_for,
            accepted_usd_micros=check_usd_micros(request.accepted_usd_micros),
            quoted_usd_micros=0,
            kept_at=datetime.now(UTC),
        )
        kept = await asyncio.to_thread(
            self._store.outbox.keep,
            item,
            sent.SerializeToString(deterministic=True),
            inputs.pictures[1:],  # the draft is in the store
        )
        self._sender.wake()
        return edge_pb2.KeepPromotionResponse(item=outbox_item_to_wire(kept))

    async def ListOutbox(  # noqa: N802
        self, request: edge_pb2.ListOutboxRequest, context: Context
    ) -> edge_pb2.ListOutboxResponse:
        """Lists the outbox."""
        items = await asyncio.to_thread(self._store.outbox.items)
        return edge_pb2.ListOutboxResponse(items=[outbox_item_to_wire(item) for item in items])

    async def SendOutbox(  # noqa: N802
        self, request: edge_pb2.SendOutboxRequest, context: Context
    ) -> edge_pb2.SendOutboxResponse:
        """Tries to send one or all promotions of the outbox now."""
        accepted = check_usd_micros(request.accepted_usd_micros)
        wanted = [request.promotion_id]
        if not request.promotion_id:
            if accepted:
                raise InvalidRequest("a price is accepted for one promotion; name it")
            items = await asyncio.to_thread(self._store.outbox.items)
            wanted = [item.promotion_id for item in items]
        answer = edge_pb2.SendOutboxResponse()
        for promotion_id in wanted:
            promotion = await self._sender.send(promotion_id, accepted)
            if promotion:
                answer.sent.append(promotion_to_wire(promotion))
            else:
                item, _ = await asyncio.to_thread(self._store.outbox.find, promotion_id)
                answer.left.append(outbox_item_to_wire(item))
        return answer

    async def DropOutbox(  # noqa: N802
        self, request: edge_pb2.DropOutboxRequest, context: Context
    ) -> edge_pb2.DropOutboxResponse:
        """Removes a promotion from the outbox without sending it."""
        item = await self._sender.drop(request.promotion_id)
        return edge_pb2.DropOutboxResponse(item=outbox_item_to_wire(item))


def _checked_inputs(request: edge_pb2.KeepPromotionRequest, picture: bytes) -> Inputs:
    """The pictures of a promotion; the node checks them while somebody is there to mend them."""
    sent = request.promotion
    inputs = Inputs(
        init_image=picture,
        mask=request.mask,
        control=request.control,
        control_kind=sent.control_kind,
        references=tuple(request.references),
    )
    check_digests(inputs, input_digests_from_wire(sent))
    asked = (sent.request.width, sent.request.height)
    check_inputs(inputs, asked if all(asked) else None)
    return inputs


def _draft(
    request: GenerationRequest,
    result: GenerationResult,
    privacy: Privacy,
    warnings: tuple[str, ...],
) -> Draft:
    """The record of a result; its size is what was made, whatever was asked."""
    asked, size = (request.width, request.height), (result.width, result.height)
    if size != asked:
        drew = f"{result.width} x {result.height}"
        try:
            request = dataclasses.replace(request, width=result.width, height=result.height)
        except InvalidRequest as error:
            raise EngineFailed(
                f"the model {result.model} drew {drew} pixels, which no draft may have: {error}"
            ) from None
        warnings += (
            f"asked for {asked[0]} x {asked[1]} pixels; {result.model} drew {drew}, the nearest "
            "size that it can draw",
        )
    return Draft(
        id=new_id(),
        digest=Digest.of(result.picture),
        request=request,
        privacy=privacy,
        model=result.model,
        elapsed_ms=round(result.gpu_seconds * 1_000),
        created_at=datetime.now(UTC),
        warnings=warnings,
    )
