"""Callers of two organisations, and an orchestrator that tells them apart."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from underpaint.orchestrator.app import run
from underpaint.orchestrator.settings import Settings

from tests.integration.orchestrator.client import Client

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
