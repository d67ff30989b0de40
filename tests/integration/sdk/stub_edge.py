"""An edge node to script."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from underpaint.contract.chunks import split
from underpaint.contract.drafts import Draft
from underpaint.contract.errors import (
    DraftNotFound,
)
from underpaint.contract.outbox import OutboxItem
from underpaint.contract.pictures import Digest
from underpaint.contract.wire import (
    draft_to_wire,
    generation_from_wire,
    privacy_from_wire,
)
from underpaint.contract.wire.outbox import outbox_item_to_wire
from underpaint.v1 import (
    common_pb2,
    edge_pb2,
    edge_pb2_grpc,
)

from tests.integration.sdk.script import LITE, NOW, Script, picture, telling_when_left


class StubEdge(edge_pb2_grpc.EdgeServiceServicer):
    def __init__(self) -> None:
        self.script = Script()
        self.drafts: dict[str, tuple[Draft, bytes]] = {}
        self.damage = False
        self.withheld: dict[int, str] = {}  # reasons by seed
        self.warnings: tuple[str, ...] = ()
        self.pause_after = 0  # drafts; then it only waits for its caller to leave
        self.left = threading.Event()
        self.outbox: list[OutboxItem] = []

    @telling_when_left
    async def MakeDrafts(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.script.enter("MakeDrafts")
        wanted = generation_from_wire(request.request, LITE)
        for i in range(request.count):
            if wanted.seed + i in self.withheld:
                missing = edge_pb2.WithheldDraft(
                    seed=wanted.seed + i, reason=self.withheld[wanted.seed + i]
                )
                yield edge_pb2.MakeDraftsResponse(withheld=missing)
                continue
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
            if i + 1 == self.pause_after:
                await asyncio.Event().wait()

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

    async def ListOutbox(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("ListOutbox")
        return edge_pb2.ListOutboxResponse(items=[outbox_item_to_wire(i) for i in self.outbox])

    async def SendOutbox(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("SendOutbox")
        return edge_pb2.SendOutboxResponse(left=[outbox_item_to_wire(i) for i in self.outbox])

    async def DropOutbox(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.script.enter("DropOutbox")
        (item,) = self.outbox
        return edge_pb2.DropOutboxResponse(item=outbox_item_to_wire(item))

    async def GetNode(self, request: Any, context: Any) -> Any:  # noqa: N802
        return edge_pb2.GetNodeResponse(model="stub-lite", width=LITE.width, height=LITE.height)
