"""Callers of two organisations, and an orchestrator that tells them apart."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from underpaint.contract.chunks import split
from underpaint.contract.rim import translated
from underpaint.orchestrator.app import run
from underpaint.orchestrator.settings import Settings
from underpaint.sdk import AsyncUnderpaint
from underpaint.v1 import common_pb2
from underpaint.v1 import orchestrator_pb2 as pb

from tests.integration.orchestrator.client import Client
from tests.unit.orchestrator.samples import DRAFT

# Name: organisation, team, project, roles.
CALLERS = {
    "ann": ("acme", "growth", "web", ["artist"]),
    "bob": ("acme", "growth", "web", ["artist"]),
    "cat": ("acme", "films", "'*'", ["artist"]),
    "lea": ("acme", "growth", "web", ["artist", "lead"]),
    "ada": ("acme", "default", "default", ["administrator"]),
    "joe": ("acme", "default", "default", ["approver@acme/films"]),
    "rob": ("rival", "growth", "web", ["artist"]),
    "ria": ("rival", "default", "default", ["artist", "approver", "operator", "administrator"]),
    "odo": ("house", "default", "default", ["'operator@*'", "'administrator@*'"]),
    "nil": ("acme", "growth", "web", []),
}

POLICY = """
rules:
  - name: films
    when: user.team == "films"
    require_approval: {engine: full, role: lead, within: 4h}
  - name: all
    route: full
"""
SERVICE = pb.DESCRIPTOR.services_by_name["OrchestratorService"]


def write_callers(file: Path, callers: dict[str, tuple[str, str, str, list[str]]]) -> Path:
    """Each caller's token is the name and "-token"."""
    lines = ["callers:"]
    for name, (organisation, team, project, roles) in callers.items():
        digest = hashlib.sha256(f"{name}-token".encode()).hexdigest()
        lines.append(
            f"  - {{name: {name}, token_sha256: {digest}, organisation: {organisation}, "
            f"team: {team}, project: {project}, roles: [{', '.join(roles)}]}}"
        )
    file.write_text("\n".join(lines) + "\n")
    return file


@asynccontextmanager
async def serving(settings: Settings, *names: str) -> AsyncIterator[dict[str, Client]]:
    """A whole orchestrator, and a client for each name; "" brings no token."""
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, stop))
    clients = {name: Client(settings.listen, f"{name}-token" if name else "") for name in names}
    try:
        await next(iter(clients.values())).wait_until_served(running)
        yield clients
    finally:
        for client in clients.values():
            await client.close()
        stop.set()
        await running


def sdk(client: Client) -> AsyncUnderpaint:
    token = client.metadata[0][1].removeprefix("Bearer ") if client.metadata else ""
    return AsyncUnderpaint(orchestrator=client.address, token=token, pauses_s=())


async def ask(client: Client, rpc: str, message: Any) -> Any:
    """One call by its name; a stream's first answer. A promotion's picture is sent, too."""
    method = SERVICE.methods_by_name[rpc]
    sent = message
    if method.client_streaming:

        async def parts() -> AsyncIterator[Any]:
            yield message
            for data in split(DRAFT):
                yield pb.PromoteRequest(chunk=common_pb2.Chunk(data=data))

        sent = parts()
    with translated("orchestrator"):
        call = getattr(client.stub, rpc)(sent, timeout=30, metadata=client.metadata)
        if method.server_streaming:
            async for answer in call:
                return answer
            return None
        return await call
