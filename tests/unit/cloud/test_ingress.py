"""The ingress between a caller and a replica."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from PIL import Image
from underpaint.cloud.ingress import CloudIngress
from underpaint.contract.generation import GenerationResult, Inputs, Progress
from underpaint.contract.pictures import Digest, encode_png
from underpaint.contract.wire import digest_to_wire, generation_to_wire
from underpaint.engines.checkpoints import ModelCard
from underpaint.v1 import cloud_pb2

from tests.unit.cloud.test_engine import asked

DRAFT = encode_png(Image.linear_gradient("L"))
PROGRESS = Progress(step=1, steps=6, stage="denoising")


class Answers:
    """What Serve's handle gives for a stream: an iterator that may be cancelled."""

    def __init__(self, *answers: Any, then_wait: bool) -> None:
        self.cancelled = False
        self._left = list(answers)
        self._waits = then_wait

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._all()

    async def _all(self) -> AsyncIterator[Any]:
        for answer in self._left:
            yield answer
        if self._waits:
            await asyncio.Event().wait()

    def cancel(self) -> None:
        self.cancelled = True


class Replicas:
    """A handle to replicas, one of which answers as it is told."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[Any] = []

    def options(self, **_: Any) -> Replicas:
        return self

    @property
    def polish(self) -> Replicas:
        return self

    @property
    def describe(self) -> Any:
        class Describe:
            async def remote(self) -> ModelCard:
                return ModelCard(name="tiny")

        return Describe()

    def remote(self, *given: Any) -> Answers:
        self.asked.append(given)
        return self.answers


class Call:
    """What the ingress asks of a call."""

    def __init__(self) -> None:
        self.status: Any = grpc.StatusCode.OK
        self.details = ""

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return []

    def set_code(self, code: Any) -> None:
        self.status = code

    def set_details(self, details: str) -> None:
        self.details = details

    def set_trailing_metadata(self, _: Any) -> None: ...


def request(**changes: Any) -> cloud_pb2.GenerateRequest:
    sent = cloud_pb2.GenerateRequest(
        request=generation_to_wire(asked()),
        init_image_digest=digest_to_wire(Digest.of(DRAFT)),
        init_image=DRAFT,
    )
    for name, value in changes.items():
        setattr(sent.request, name, value)
    return sent


def generate(answers: Answers, sent: Any, call: Call) -> tuple[Replicas, Any]:
    replicas: Any = Replicas(answers)
    context: Any = call
    return replicas, CloudIngress(replicas, "").Generate(sent, context)


async def test_a_caller_who_closes_the_stream_cancels_the_polish() -> None:
    answers = Answers(PROGRESS, PROGRESS, then_wait=True)
    _, stream = generate(answers, request(), Call())
    assert (await anext(stream)).progress.step == 1
    assert not answers.cancelled
    await stream.aclose()
    assert answers.cancelled


async def test_a_caller_who_is_cancelled_while_waiting_cancels_the_polish() -> None:
    """As Serve ends the call of a client that went away."""
    answers = Answers(PROGRESS, then_wait=True)
    _, stream = generate(answers, request(), Call())
    await anext(stream)
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert answers.cancelled


async def test_what_the_engine_says_of_its_result_goes_out_with_it() -> None:
    result = GenerationResult(
        picture=b"x", width=96, height=64, model="tiny", gpu_seconds=1.0, warnings=("cut",)
    )
    _, stream = generate(Answers(result, then_wait=False), request(), Call())
    first, *_ = [message async for message in stream]
    assert list(first.result.warnings) == ["cut"]


async def test_a_huge_schedule_is_refused_before_a_replica_is_asked() -> None:
    call = Call()
    replicas, stream = generate(
        Answers(then_wait=False), request(strength=1e-7, num_inference_steps=28), call
    )
    assert [message async for message in stream] == [cloud_pb2.GenerateResponse()]
    assert call.status is grpc.StatusCode.INVALID_ARGUMENT
    assert "strength 1e-07 is out of range" in call.details
    assert replicas.asked == []


async def test_a_replica_gets_the_pictures_that_were_announced_and_no_others() -> None:
    pictures = {"mask": DRAFT, "control": DRAFT, "control_kind": "edges", "references": [DRAFT]}
    digest = digest_to_wire(Digest.of(DRAFT))
    sent = request()
    sent.MergeFrom(cloud_pb2.GenerateRequest(**pictures))
    sent.mask_digest.CopyFrom(digest)
    sent.control_digest.CopyFrom(digest)
    sent.reference_digests.append(digest)
    replicas, stream = generate(Answers(PROGRESS, then_wait=False), sent, Call())
    assert (await anext(stream)).progress.step == 1
    ((_, inputs),) = replicas.asked
    assert inputs == Inputs(
        init_image=DRAFT, mask=DRAFT, control=DRAFT, control_kind="edges", references=(DRAFT,)
    )
    sent.mask = DRAFT[:-1]
    call = Call()
    replicas, stream = generate(Answers(PROGRESS, then_wait=False), sent, call)
    async for _ in stream:
        pass
    assert (call.status, replicas.asked) == (grpc.StatusCode.INVALID_ARGUMENT, [])
    assert "mask differs from its digest" in call.details
