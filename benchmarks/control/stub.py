"""A stub image engine that answers at once with a picture of 20 KB, by gRPC or HTTP.

`python -m benchmarks.control.stub grpc|http` prints the address it listens on. By gRPC it is a
CloudService, by HTTP it is the images route of OpenAI's API; both are as light as can be.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import sys
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import uvloop
from underpaint.contract import wire
from underpaint.contract.pictures import Digest
from underpaint.v1 import cloud_pb2, common_pb2

from benchmarks.control.pictures import marked, noise

GPU_SECONDS: Final = 1.0
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: keep-alive\r\n"
    b"content-length: %d\r\n\r\n"
)


class Pictures:
    """Gives one picture after another."""

    def __init__(self) -> None:
        self._base = noise()
        self._numbers = itertools.count()

    def next(self) -> bytes:
        """The next picture; all are different."""
        return marked(self._base, b"%d" % next(self._numbers))


class Cloud(grpc.GenericRpcHandler):
    """CloudService without interceptors."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a method."""
        if handler_call_details.method.endswith("/Generate"):
            return grpc.unary_stream_rpc_method_handler(
                self._generate, cloud_pb2.GenerateRequest.FromString
            )
        return grpc.unary_unary_rpc_method_handler(self._list)

    async def _generate(
        self, request: cloud_pb2.GenerateRequest, context: Any
    ) -> AsyncIterator[bytes]:
        picture = self._pictures.next()
        result = cloud_pb2.GenerationResult(
            digest=wire.digest_to_wire(Digest.of(picture)),
            width=request.request.width,
            height=request.request.height,
            model="stub",
            upscaler="none",
            gpu_seconds=GPU_SECONDS,
        )
        yield cloud_pb2.GenerateResponse(result=result).SerializeToString()
        yield cloud_pb2.GenerateResponse(chunk=common_pb2.Chunk(data=picture)).SerializeToString()

    async def _list(self, request: bytes, context: Any) -> bytes:
        engines = [cloud_pb2.EngineDescription(name="full")]
        return cloud_pb2.ListEnginesResponse(engines=engines).SerializeToString()


class Images(asyncio.Protocol):
    """Just enough HTTP for a client that keeps its connection."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._received = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remembers the connection."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers each complete request."""
        self._received += data
        while True:
            head, found, rest = self._received.partition(b"\r\n\r\n")
            if not found:
                return
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            if len(rest) < length:
                return
            self._received = rest[length:]
            picture = base64.b64encode(self._pictures.next())
            body = b'{"created":1,"data":[{"b64_json":"%s"}]}' % picture
            self._transport.write(_HEAD % len(body) + body)


async def main(kind: str) -> None:
    """Serves until it is killed."""
    pictures = Pictures()
    if kind == "grpc":
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((Cloud(pictures),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
    else:
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: Images(pictures), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
    print(f"stub listening on 127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
