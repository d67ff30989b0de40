"""Measures the time that the edge node adds to its engine: python benchmarks/edge.py

One process holds the engine in its thread and the node around it, as they are run, with the
caller beside them. Bare calls and calls over gRPC alternate, so that what else the machine does
falls on both; medians are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from underpaint.contract.drafts import Privacy
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.rim import call_options, open_channel, start_server
from underpaint.contract.wire import PRIVACY_TO_WIRE, generation_to_wire
from underpaint.edge.draft_queue import DraftQueue, Engine
from underpaint.edge.outbox_sender import OutboxSender
from underpaint.edge.servicer import SERVICE, EdgeServicer
from underpaint.edge.settings import BUNDLED
from underpaint.edge.store import DraftStore
from underpaint.v1 import edge_pb2, edge_pb2_grpc

METHOD: Final = "/underpaint.v1.EdgeService/MakeDrafts"
PROMPT: Final = "a 3d cat on a blue background"
COUNT: Final = 8


async def bare(queue: DraftQueue, request: GenerationRequest) -> float:
    """The seconds of one engine call in the engine's thread."""
    began = time.perf_counter()
    async for _ in queue.draw([request]):
        pass
    return time.perf_counter() - began


async def over_grpc(
    stub: edge_pb2_grpc.EdgeServiceAsyncStub, request: GenerationRequest, count: int
) -> list[float]:
    """The seconds until each draft has arrived completely and is on the node's disk."""
    message = edge_pb2.MakeDraftsRequest(
        request=generation_to_wire(request),
        count=count,
        privacy=PRIVACY_TO_WIRE[Privacy.FULL],
    )
    began = time.perf_counter()
    arrivals: list[float] = []
    missing = 0
    async for answer in stub.MakeDrafts(message, **call_options(METHOD)):
        if answer.WhichOneof("part") == "draft":
            missing = answer.draft.digest.size
        else:
            missing -= len(answer.chunk.data)
            if not missing:
                arrivals.append(time.perf_counter() - began)
    return arrivals


async def measure(model: str, rounds: int, threads: int) -> dict[str, float | int | str]:
    """The figures, times in milliseconds."""

    def load() -> Engine:
        from underpaint.edge.engine import LiteEngine

        return LiteEngine(model, threads=threads)

    queue = DraftQueue(load)
    began = time.perf_counter()
    await queue.open()
    loaded = time.perf_counter() - began
    own = queue.engine.defaults
    request = GenerationRequest(
        prompt=PROMPT,
        seed=0,
        width=own.width,
        height=own.height,
        num_inference_steps=own.num_inference_steps,
        guidance_scale=own.guidance_scale,
    )
    with tempfile.TemporaryDirectory() as directory:
        store = DraftStore(Path(directory), draft_limit=1_000, bytes_limit=2**30)
        server, port = await start_server(
            "127.0.0.1:0",
            lambda s: edge_pb2_grpc.add_EdgeServiceServicer_to_server(
                EdgeServicer(queue, store, OutboxSender(store, None, 60)), s
            ),
            [SERVICE],
        )
        async with open_channel(f"127.0.0.1:{port}") as channel:
            stub: edge_pb2_grpc.EdgeServiceAsyncStub = edge_pb2_grpc.EdgeServiceStub(channel)
            await over_grpc(stub, request, 1)
            alone, remote, firsts, alls = [], [], [], []
            for seed in range(rounds):
                drawn = dataclasses.replace(request, seed=seed)
                alone.append(await bare(queue, drawn))
                remote += await over_grpc(stub, drawn, 1)
            for seed in range(max(3, rounds // 8)):
                arrivals = await over_grpc(stub, dataclasses.replace(request, seed=seed), COUNT)
                firsts.append(arrivals[0])
                alls.append(arrivals[-1])
        await server.stop(None)
        store.close()
    queue.close()
    p50_bare, p50_grpc = statistics.median(alone), statistics.median(remote)
    first, whole = statistics.median(firsts), statistics.median(alls)
    return {
        "model": queue.engine.name,
        "rounds": rounds,
        "load_and_warm_ms": round(1e3 * loaded),
        "bare_p50_ms": round(1e3 * p50_bare, 1),
        "grpc_p50_ms": round(1e3 * p50_grpc, 1),
        "grpc_over_bare": round(p50_grpc / p50_bare, 3),
        "first_of_8_ms": round(1e3 * first, 1),
        "all_8_ms": round(1e3 * whole, 1),
        "first_over_all": round(first / whole, 3),
        "ms_per_draft": round(1e3 * whole / COUNT, 1),
    }


def main() -> None:
    """Measures, prints a table and writes bench-out/edge.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", default=str(BUNDLED))
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    given = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the node does
    figures = asyncio.run(measure(given.model, given.rounds, given.threads))
    targets = {"grpc_over_bare": "<= 1.10", "first_over_all": "<= 0.35"}
    for name, value in figures.items():
        print(f"{name:18} {value!s:>16}   {targets.get(name, '')}")
    given.out.mkdir(exist_ok=True)
    (given.out / "edge.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
