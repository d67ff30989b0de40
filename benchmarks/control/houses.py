"""The systems that are measured, as processes: ours with a durable Redis, and LiteLLM's proxy.

Each has the same stub engine behind it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError
from underpaint.orchestrator.storage.redis.embedded import configuration, find_server, socket_path

from benchmarks.control.load import Order, Seen

VENV: Final = Path(".bench-venv")
START_S: Final = 600.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def until(condition: Callable[[], Any], what: str) -> Any:
    """Waits until a condition returns something, and returns that."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise SystemExit(f"waited in vain until {what}")


class Process:
    """One process with its descendants and its output."""

    def __init__(self, name: str, command: list[str], folder: Path, **environ: str) -> None:
        self._log = folder / f"{name}-{secrets.token_hex(2)}.log"
        self.name = name
        with self._log.open("wb") as out:
            self.popen = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | environ)

    def address(self) -> str:
        """The address that it reports in its output."""

        def said() -> str:
            text = self._log.read_text(errors="replace")
            if self.popen.poll() is not None:
                raise SystemExit(f"{self.name} ended: {text[-1000:]}")
            found = re.search(r"listening on (\S+:\d+)\n", text)
            return found[1] if found else ""

        return str(until(said, f"{self.name} listens"))

    @property
    def cpu_s(self) -> float:
        """CPU seconds so far, of it and its descendants."""
        return sum(_cpu_s(pid) for pid in _tree(self.popen.pid))

    @property
    def memory(self) -> int:
        """Resident bytes, of it and its descendants."""
        pages = 0
        for pid in _tree(self.popen.pid):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def end(self) -> None:
        """Ends it, after waiting up to a second."""
        self.popen.terminate()
        try:
            self.popen.wait(10)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def _tree(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        tasks = Path(f"/proc/{each}/task").glob("*/children")
        found += [int(child) for task in tasks for child in task.read_text().split()]
    return found


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass(slots=True, kw_only=True)
class House:
    """One side of a comparison."""

    name: str
    folder: Path
    processes: list[Process] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    token: str = ""

    def run(self, name: str, *command: str, **environ: str) -> Process:
        """Starts a process of this system."""
        process = Process(name, list(command), self.folder, **environ)
        self.processes.append(process)
        return process

    def end(self) -> None:
        """Ends every process, the last one first."""
        for process in reversed(self.processes):
            process.end()

    def load(self, what: str, concurrency: int, seconds: float) -> tuple[Seen, dict[str, float]]:
        """Makes one measurement; also returns the CPU seconds of each process during it."""
        order = Order(
            what=what,
            addresses=self.addresses,
            token=self.token,
            concurrency=concurrency,
            seconds=seconds,
        )
        file = self.folder / "order.json"
        file.write_text(json.dumps({name: getattr(order, name) for name in order.__slots__}))
        before = [(each.name, each.cpu_s) for each in self.processes]
        client = subprocess.run(
            [sys.executable, "-m", "benchmarks.control.load", str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
        if client.returncode:
            raise SystemExit(f"the client of {self.name} ended: {client.stderr[-2000:]}")
        used: dict[str, float] = {}
        for (name, first), process in zip(before, self.processes, strict=True):
            used[name] = used.get(name, 0.0) + process.cpu_s - first
        seen = Seen(**json.loads(client.stdout))
        if seen.failed:
            print(f"{self.name}, {what}: {seen.failed} failed, such as {seen.why}", flush=True)
        return seen, used


def free_port() -> int:
    """A free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass(slots=True, kw_only=True)
class Ours(House):
    """A durable Redis, a stub engine, and orchestrators side by side."""

    store: Any = None
    engine: str = ""

    @property
    def url(self) -> str:
        """The URL of its Redis."""
        return f"unix://{socket_path(self.folder / 'redis')}"

    def start_redis(self) -> None:
        """Starts Redis as `underpaint up` does: appendonly yes, appendfsync always."""
        place = self.folder / "redis"
        place.mkdir(exist_ok=True)
        config = place / "redis.conf"
        config.write_text(configuration(place, socket_path(place)))
        self.run("valkey", str(find_server()), str(config))
        self.store = Redis.from_url(self.url)
        until(self._answers, "Redis answers")

    def start_engine(self) -> None:
        """Starts the stub engine with gRPC."""
        stub = self.run("engine", sys.executable, "-m", "benchmarks.control.stub", "grpc")
        self.engine = stub.address()

    def start(self, count: int, concurrency: int, *flags: str) -> None:
        """Starts orchestrators, each with a number of promotions that may run at once."""
        token = self.folder / "token"
        self.token = secrets.token_hex(16)
        token.write_text(self.token)
        for _ in range(count):
            process = self.run(
                "orchestrator",
                *(sys.executable, "-m", "underpaint.orchestrator", "--listen", "127.0.0.1:0"),
                *("--redis-url", self.url),
                *("--cloud", self.engine or "127.0.0.1:9", "--token-file", str(token)),
                *("--data-dir", str(self.folder / "data"), "--log-level", "WARNING"),
                *("--default-budget-usd", "100000000", "--concurrency", str(concurrency), *flags),
            )
            self.addresses.append(process.address())

    def _answers(self) -> bool:
        try:
            return bool(self.store.ping())
        except RedisError:
            return False


@dataclass(slots=True, kw_only=True)
class LiteLlm(House):
    """LiteLLM's proxy with a budget, in memory."""

    def start(self, workers: int) -> None:
        """Starts the stub engine with HTTP, then the proxy."""
        stub = self.run("engine", sys.executable, "-m", "benchmarks.control.stub", "http")
        self.token = f"sk-{secrets.token_hex(16)}"
        port = free_port()
        config = self.folder / "litellm.yaml"
        config.write_text(
            LITELLM_CONFIG.format(engine=stub.address(), token=self.token, budget=1_000_000)
        )
        self.run(
            "litellm",
            *(str(VENV / "bin" / "litellm"), "--config", str(config)),
            *("--host", "127.0.0.1", "--port", str(port), "--num_workers", str(workers)),
            LITELLM_LOG="ERROR",
            LITELLM_LOCAL_MODEL_COST_MAP="True",
        )
        self.addresses.append(f"127.0.0.1:{port}")
        until(lambda: _alive(f"http://127.0.0.1:{port}/health/liveliness"), "LiteLLM answers")


# The budget of a provider is the one that the proxy enforces in memory. A key's needs a
# database, and of the proxy's own (`litellm_settings.max_budget`) it logs that without one it
# "will NOT be enforced".
LITELLM_CONFIG: Final = """\
model_list:
  - model_name: stub-image
    litellm_params:
      model: openai/stub-image
      api_base: http://{engine}/v1
      api_key: none
    model_info:
      mode: image_generation
      output_cost_per_image: 0.0017
router_settings:
  provider_budget_config:
    openai:
      budget_limit: {budget}
      time_period: 30d
litellm_settings:
  telemetry: false
general_settings:
  master_key: {token}
"""


def _alive(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def install_litellm() -> str:
    """Installs LiteLLM in its own virtual environment if necessary; returns its version."""
    pip = VENV / "bin" / "pip"
    if not (VENV / "bin" / "litellm").exists():
        print(f"installing litellm[proxy] into {VENV} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(pip), "install", "--quiet", "litellm[proxy]"], check=True)
    told = subprocess.run(
        [str(pip), "show", "litellm"], check=True, capture_output=True, text=True
    ).stdout
    return next(line.split()[1] for line in told.splitlines() if line.startswith("Version"))


@contextmanager
def ended(*houses: House) -> Iterator[None]:
    """Ends both systems at the end of the block."""
    try:
        yield
    finally:
        for house in houses:
            house.end()
