"""Redis servers of a test's own making, reached by TCP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redis import Redis
from underpaint.orchestrator.storage.redis.embedded import configuration, find_server

from tests.faults.house import House, Process, answers, until
from tests.integration.orchestrator.conftest import free_port


class Server:
    """One, as safe as ours unless a test says otherwise."""

    def __init__(self, house: House, folder: Path, *lines: str) -> None:
        folder.mkdir()
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        config = folder / "redis.conf"
        ours = configuration(folder, folder / "redis.sock").replace("port 0", f"port {self.port}")
        config.write_text("\n".join((ours, "bind 127.0.0.1", *lines, "")))
        self._command = (str(find_server()), str(config))
        self._house = house
        # redis-py's types leave open whether answers are text; ours are bytes.
        self.store: Any = Redis(port=self.port)

    async def start(self) -> Process:
        self.process = self._house.run("redis", *self._command)
        await until(lambda: answers(self.store, self.process), "Redis answers")
        return self.process
