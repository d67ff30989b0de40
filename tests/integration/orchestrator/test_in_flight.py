"""Pictures coming in and artifacts going out, held against their budget by a real server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from typing_extensions import override
from underpaint.contract import inputs, pictures
from underpaint.contract.chunks import split
from underpaint.contract.errors import EngineBusy, InvalidRequest
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import PromotionState
from underpaint.orchestrator import app
from underpaint.orchestrator.api.in_flight import InFlight
from underpaint.orchestrator.artifacts import CHECKED_AT_ONCE
from underpaint.orchestrator.settings import Settings
from underpaint.v1 import common_pb2, orchestrator_pb2_grpc
from underpaint.v1 import orchestrator_pb2 as pb

from tests.integration.orchestrator.client import PATIENCE_S, Client, request
from tests.integration.orchestrator.stub_cloud import noise
from tests.unit.orchestrator.samples import DRAFT, GENERATION

LARGE = replace(GENERATION, width=1_024, height=1_024)
PICTURE = noise((1_024, 768))
ROOM = len(PICTURE) * 2 + len(PICTURE) // 2  # for two


class Observed(InFlight):
    """The budget of the orchestrator under test, small, with its peak written down."""

    made: Observed

    def __init__(self, most: int, most_each: int) -> None:
        super().__init__(ROOM, ROOM, wait_s=0)
        self.peak = 0
        Observed.made = self

    def resize(self, room: int) -> None:
        self._most = self._most_each = room

    @override
    async def _grant(self, caller: str, size: int) -> None:
        await super()._grant(caller, size)
        self.peak = max(self.peak, self.held)


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(app, "InFlight", Observed)
    return settings


def sent(promotion_id: str) -> list[pb.PromoteRequest]:
    asked = request(init_image=Digest.of(PICTURE), init_width=1_024, init_height=768)
    head = pb.PromoteHead(promotion_id=promotion_id, quote_id="none", promotion=asked)
    chunks = [pb.PromoteRequest(chunk=common_pb2.Chunk(data=data)) for data in split(PICTURE)]
    return [pb.PromoteRequest(head=head), *chunks]


class Unfinished:
    """A call that has sent its head and nothing more."""

    def __init__(self, client: Client, promotion_id: str) -> None:
        self._messages = sent(promotion_id)
        self.go_on = asyncio.Event()
        self.call: Any = client.stub.Promote(self._stream(), timeout=PATIENCE_S)

    async def _stream(self) -> AsyncIterator[pb.PromoteRequest]:
        yield self._messages[0]
        await self.go_on.wait()
        for message in self._messages[1:]:
            yield message


async def held(size: int) -> None:
    """Waits until so many bytes are held."""
    async with asyncio.timeout(PATIENCE_S):
        while Observed.made.held != size:  # noqa: ASYNC110 -- it notifies nobody
            await asyncio.sleep(0.01)


async def test_what_is_on_its_way_in_stays_within_the_budget_and_is_given_back(
    client: Client,
) -> None:
    """Refused at once while two have not ended; taken after one hung up and one failed."""
    left, failed = Unfinished(client, "promotion-1"), Unfinished(client, "promotion-2")
    await held(2 * len(PICTURE))
    with pytest.raises(EngineBusy, match="try again in a moment"):
        await client.send(sent("promotion-3"))
    left.call.cancel()
    await held(len(PICTURE))
    failed.go_on.set()
    with pytest.raises(Exception, match="quote"):
        await failed.call
    await held(0)
    asked = request(init_image=Digest.of(PICTURE), init_width=1_024, init_height=768)
    await client.promote("promotion-4", asked, PICTURE)
    assert (await client.finished("promotion-4")).state is PromotionState.SETTLED
    await held(0)
    assert Observed.made.peak <= ROOM


async def test_what_is_on_its_way_out_is_held_until_it_was_read_or_given_up(
    client: Client, settings: Settings
) -> None:
    """More than a client takes in advance, so that the rest waits for its reader."""
    sha256, size = await polished(client)
    Observed.made.resize(size * 2 + 1)
    reader = grpc.aio.insecure_channel(settings.listen, [("grpc.http2.bdp_probe", 0)])
    stub = orchestrator_pb2_grpc.OrchestratorServiceStub(reader)
    asked = pb.GetArtifactRequest(promotion_id="promotion-1", sha256=sha256)
    calls = []
    for number in (1, 2):
        calls.append(stub.GetArtifact(asked, timeout=PATIENCE_S))
        await calls[-1].read()
        await held(number * size)
    with pytest.raises(EngineBusy, match="try again in a moment"):
        await client.artifact("promotion-1", sha256)
    for call in calls:
        call.cancel()
    await held(0)
    assert Digest.of(await client.artifact("promotion-1", sha256)).sha256 == sha256
    await held(0)
    await reader.close()


async def test_more_than_there_will_ever_be_room_for_is_no_matter_of_waiting(
    client: Client,
) -> None:
    sha256, size = await polished(client)
    Observed.made.resize(size - 1)
    with pytest.raises(InvalidRequest, match="an operator may raise --in-flight-each-mib"):
        await client.artifact("promotion-1", sha256)


async def test_few_of_the_pictures_that_come_at_once_are_decoded_at_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decoded they take several times the memory that the budget counts."""
    Observed.made.resize(2**20)
    read, go_on, lock = inputs.read, threading.Event(), threading.Lock()
    decoding, at_once = 0, list[int]()

    def counted(*given: Any) -> pictures.Picture:
        nonlocal decoding
        with lock:
            decoding += 1
            at_once.append(decoding)
        assert go_on.wait(PATIENCE_S)
        try:
            return read(*given)
        finally:
            with lock:
                decoding -= 1

    monkeypatch.setattr(inputs, "read", counted)
    many = 3 * CHECKED_AT_ONCE
    quoted = [(await client.quote()).id for _ in range(many)]
    promoting = asyncio.gather(
        *(
            client.promote(f"promotion-{number}", quote_id=quote_id)
            for number, quote_id in enumerate(quoted)
        )
    )
    async with asyncio.timeout(PATIENCE_S):
        while Observed.made.held < many * len(DRAFT) or not at_once:  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.01)
    go_on.set()
    await promoting
    assert len(at_once) == many
    assert max(at_once) == CHECKED_AT_ONCE


async def polished(client: Client) -> tuple[str, int]:
    """The digest and the size of a finished picture."""
    await client.promote("promotion-1", request(request=LARGE))
    artifact = (await client.finished("promotion-1")).artifact
    assert artifact
    await held(0)
    return artifact.sha256, artifact.size
