"""Many callers who send pictures, or take artifacts, and never finish."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

from underpaint.contract.chunks import split
from underpaint.contract.errors import EngineBusy, UnderpaintError
from underpaint.contract.pictures import MAX_BYTES, Digest
from underpaint.contract.rim import translated
from underpaint.v1 import common_pb2
from underpaint.v1 import orchestrator_pb2 as pb

from tests.faults.house import PATIENCE_S, House, small, until_told
from tests.faults.verdict import check_the_ledger
from tests.integration.orchestrator.client import Client

STREAMS = 200
MOST_GROWTH = 280 * 2**20  # what the streams send in all is 550 MiB; without a budget it is 630


class Unfinished:
    """Sends all of a large picture but its last chunk, and then waits."""

    def __init__(self, client: Client, number: int, picture: bytes) -> None:
        sent = small(init_image=Digest.of(picture))
        self._head = pb.PromoteHead(
            promotion_id=f"promotion-{number:04}", quote_id="q-1", promotion=sent
        )
        self._chunks = list(split(picture))
        self.sent = 0
        self.given_up = asyncio.Event()
        self.answer = asyncio.create_task(self._call(client))

    async def _call(self, client: Client) -> UnderpaintError | None:
        try:
            with translated("orchestrator"):
                await client.stub.Promote(self._messages(), timeout=PATIENCE_S)
        except UnderpaintError as error:
            return error
        return None

    async def _messages(self) -> AsyncIterator[Any]:
        yield pb.PromoteRequest(head=self._head)
        for chunk in self._chunks[:-1]:
            yield pb.PromoteRequest(chunk=common_pb2.Chunk(data=chunk))
            self.sent += len(chunk)
        await self.given_up.wait()

    @property
    def settled(self) -> bool:
        """Whether it has sent what it means to, or was refused."""
        return self.answer.done() or self.sent >= MAX_BYTES - len(self._chunks[-1])


async def test_21_two_hundred_unfinished_pictures_cost_little_and_hold_up_nobody(
    house: House,
) -> None:
    """What has no room is refused as busy, in words, and there is room again once they leave."""
    orchestrator = await house.start()
    await house.promote(orchestrator, "promotion-1")
    await house.ended("promotion-1")
    before = orchestrator.process.memory
    picture = secrets.token_bytes(MAX_BYTES)
    # As many as one machine's worth of artists: each has a channel of its own.
    clients = [house.client(orchestrator.client.address) for _ in range(STREAMS)]
    streams = [Unfinished(client, number, picture) for number, client in enumerate(clients)]
    peak = 0

    async def all_settled() -> bool:
        nonlocal peak
        peak = max(peak, orchestrator.process.memory)
        return all(each.settled for each in streams)

    await until_told(all_settled, "every stream has sent its bytes or was refused")
    grown = peak - before
    refused = [each.answer.result() for each in streams if each.answer.done()]
    for each in streams:
        each.given_up.set()
    await asyncio.gather(*(each.answer for each in streams))
    assert grown < MOST_GROWTH, f"it grew by {grown / 2**20:.0f} MiB"
    assert refused
    assert {type(each) for each in refused} == {EngineBusy}
    await house.promote(orchestrator, "promotion-2")
    await house.ended("promotion-2")
    await check_the_ledger(house)
