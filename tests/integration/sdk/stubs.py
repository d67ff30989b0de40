"""An edge node and an orchestrator to script: real gRPC, no engines, no Redis."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from underpaint.contract.rim import start_server
from underpaint.v1 import (
    edge_pb2_grpc,
    orchestrator_pb2_grpc,
)

from tests.integration.sdk.stub_edge import StubEdge
from tests.integration.sdk.stub_orchestrator import StubOrchestrator


@dataclass
class Stubs:
    edge: StubEdge
    orchestrator: StubOrchestrator
    edge_address: str
    orchestrator_address: str


@contextmanager
def serving(token: str = "", tls_dir: Path | None = None) -> Iterator[Stubs]:
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
            tls_dir=tls_dir,
        )
        two, port = await start_server(
            "127.0.0.1:0",
            lambda s: orchestrator_pb2_grpc.add_OrchestratorServiceServicer_to_server(
                orchestrator, s
            ),
            ["underpaint.v1.OrchestratorService"],
            token=token,
            tls_dir=tls_dir,
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
