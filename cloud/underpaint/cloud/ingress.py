"""The gRPC ingress of the cloud: passes requests to engine replicas and streams their answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, cast

from grpc_health.v1 import health_pb2
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.grpc_util import RayServegRPCContext
from ray.serve.handle import DeploymentHandle
from underpaint.contract.chunks import split
from underpaint.contract.engines import EngineDescription
from underpaint.contract.errors import (
    EngineBusy,
    EngineFailed,
    InvalidRequest,
    UnderpaintError,
)
from underpaint.contract.generation import (
    GenerationRequest,
    GenerationResult,
    Progress,
    check_asked,
)
from underpaint.contract.pictures import Digest
from underpaint.contract.rim import check_token, read_token
from underpaint.contract.status import to_status
from underpaint.contract.wire import (
    Defaults,
    digest_to_wire,
    engine_to_wire,
    generation_from_wire,
    progress_to_wire,
)
from underpaint.contract.wire.engines import inputs_from_wire
from underpaint.engines.checkpoints import ModelCard
from underpaint.v1 import cloud_pb2, common_pb2

log = logging.getLogger(__name__)

ENGINE: Final = "full"
_STEPS, _GUIDANCE, _STRENGTH, _SIDE = 28, 3.0, 0.6, 1024  # defaults if the card has none


class CloudIngress:
    """CloudService and grpc.health.v1.Health. Serve calls the method with the RPC's name.

    Serve sends the code and metadata of `grpc_context` along with each message, so a
    refusal travels on an empty last message; that of an exception would lose the metadata.
    """

    def __init__(self, replicas: DeploymentHandle[Any], token_file: str) -> None:
        """Takes the handle of the engine replicas and the file of the token.

        Raises:
            InvalidRequest: the token file cannot be read.
        """
        self._replicas = replicas
        self._token = read_token(Path(token_file) if token_file else None)
        self._card: asyncio.Task[ModelCard] | None = None

    async def Generate(  # noqa: N802 - the RPC's name
        self, request: cloud_pb2.GenerateRequest, grpc_context: RayServegRPCContext
    ) -> AsyncIterator[cloud_pb2.GenerateResponse]:
        """Makes one picture; streams progress, the result and its chunks, or an error."""
        try:
            self._admit(grpc_context)
            wanted = _wanted(request, await self._described())
            inputs = inputs_from_wire(request)
            answers: Any = self._replicas.options(stream=True).polish.remote(wanted, inputs)
            try:
                async for answer in answers:
                    for message in _messages(answer):
                        yield message
            finally:
                answers.cancel()  # does nothing if it has ended
        except Exception as error:
            _refuse(grpc_context, _domain_error(error))
            yield cloud_pb2.GenerateResponse()

    async def ListEngines(  # noqa: N802 - the RPC's name
        self, _: cloud_pb2.ListEnginesRequest, grpc_context: RayServegRPCContext
    ) -> cloud_pb2.ListEnginesResponse:
        """Describes the only engine of this service."""
        try:
            self._admit(grpc_context)
            card = await self._described()
        except Exception as error:
            _refuse(grpc_context, _domain_error(error))
            return cloud_pb2.ListEnginesResponse()
        described = EngineDescription(
            name=ENGINE,
            model=card.name,
            num_inference_steps=card.num_inference_steps or _STEPS,
            guidance_scale=_or(card.guidance_scale, _GUIDANCE),
            strength=_or(card.strength, _STRENGTH),
        )
        return cloud_pb2.ListEnginesResponse(engines=[engine_to_wire(described)])

    async def Check(  # noqa: N802 - the RPC's name
        self, _: health_pb2.HealthCheckRequest
    ) -> health_pb2.HealthCheckResponse:
        """SERVING once an engine has answered. Health checks need no token."""
        try:
            await asyncio.wait_for(asyncio.shield(self._ask()), 1)
        except Exception as error:
            log.info("not serving yet: %r", error)
            return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING)
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    def _admit(self, context: RayServegRPCContext) -> None:
        refusal = check_token(self._token, dict(context.invocation_metadata()).get("authorization"))
        if refusal:
            raise refusal

    async def _described(self) -> ModelCard:
        # Shielded, because callers share this task and one that goes away must not cancel it.
        return await asyncio.shield(self._ask())

    def _ask(self) -> asyncio.Task[ModelCard]:
        """The task that fetches the card; it is started again only if it failed."""
        known = self._card
        if known is None or (known.done() and (known.cancelled() or known.exception())):
            known = self._card = asyncio.create_task(self._fetch_card())
        return known

    async def _fetch_card(self) -> ModelCard:
        card: ModelCard = await self._replicas.describe.remote()
        return card


def _wanted(request: cloud_pb2.GenerateRequest, card: ModelCard) -> GenerationRequest:
    """The request to the engine, with defaults from its card.

    Raises:
        InvalidRequest: another engine, or a field out of range.
    """
    if request.engine not in ("", ENGINE):
        raise InvalidRequest(f"there is no engine {request.engine!r} here; use {ENGINE!r}")
    inner = request.request
    if not inner.HasField("strength"):
        inner.strength = _or(card.strength, _STRENGTH)
    own = Defaults(
        width=_SIDE,
        height=_SIDE,
        num_inference_steps=card.num_inference_steps or _STEPS,
        guidance_scale=_or(card.guidance_scale, _GUIDANCE),
    )
    return check_asked(generation_from_wire(inner, own))


def _messages(answer: Progress | GenerationResult) -> list[cloud_pb2.GenerateResponse]:
    """A replica's answer as protobuf messages."""
    if isinstance(answer, Progress):
        return [cloud_pb2.GenerateResponse(progress=progress_to_wire(answer))]
    result = cloud_pb2.GenerationResult(
        digest=digest_to_wire(Digest.of(answer.picture)),
        width=answer.width,
        height=answer.height,
        model=answer.model,
        upscaler=answer.upscaler,
        gpu_seconds=answer.gpu_seconds,
        warnings=answer.warnings,
    )
    chunks = [
        cloud_pb2.GenerateResponse(chunk=common_pb2.Chunk(data=part))
        for part in split(answer.picture)
    ]
    return [cloud_pb2.GenerateResponse(result=result), *chunks]


def _refuse(context: RayServegRPCContext, error: UnderpaintError) -> None:
    status = to_status(error)
    context.set_code(status.code)
    context.set_details(status.details)
    context.set_trailing_metadata(
        [(key, cast(str, value)) for key, value in status.trailing_metadata]
    )


def _domain_error(error: Exception) -> UnderpaintError:
    """The domain error of a failure; Ray wraps errors that a replica raised."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, UnderpaintError):
        return cause
    if isinstance(cause, BackPressureError | DeploymentUnavailableError):
        return EngineBusy("every engine is busy; try again in a while")
    if isinstance(cause, RayActorError):
        return EngineFailed("the engine's process died; it may have run out of memory")
    log.error("unexpected error", exc_info=error)
    return EngineFailed("an unexpected error; the log of the cloud's ingress has the details")


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
