"""Whether a child answers: asked the way its callers will."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2
from underpaint.contract.rim import open_channel

_TIMEOUT_S = 2.0


async def grpc_serves(address: str) -> bool:
    """Whether a service reports itself SERVING; the cloud does so once a replica has answered."""
    async with open_channel(address) as channel:
        check = channel.unary_unary(
            f"/{health_pb2.DESCRIPTOR.services_by_name['Health'].full_name}/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def redis_answers(socket: Path) -> bool:
    """Whether a server has loaded its data and answers PING on a unix socket."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(b"PING\r\n")
                return (await reader.readline()).startswith(b"+PONG")
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
