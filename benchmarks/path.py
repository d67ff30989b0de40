"""Measures the whole path on one machine: start-up by service, drafts, finished pictures."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from underpaint.contract.drafts import InitImage
from underpaint.contract.promotion import PromotionState
from underpaint.sdk.client import AsyncUnderpaint
from underpaint.sdk.discovery import Running, read_running
from underpaint.sdk.requests import DraftRequest, PolishRequest

OUT = Path("bench-out")
PROMPT = "a 3d cat on a blue background"
ROUNDS = 5
DRAFTS = 24
START_LIMIT_S = 300.0


def free_ports(count: int) -> list[int]:
    """Free ports."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def up(data_dir: Path) -> Iterator[Running]:
    """Runs all services on a data directory during the block."""
    edge, orchestrator, cloud = free_ports(3)
    command = [sys.executable, "-m", "underpaint.cli", "up", "--data-dir", str(data_dir)]
    command += ["--edge-port", str(edge), "--orchestrator-port", str(orchestrator)]
    command += ["--cloud-port", str(cloud)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while not ((running := read_running(data_dir)) and running.total_seconds):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"underpaint up did not start; see {data_dir / 'logs'}")
            time.sleep(0.1)
        yield running
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


async def measure(running: Running) -> dict[str, object]:
    """Measures rounds of drafts and one promotion each, interleaved, so that load affects both."""
    addresses = running.addresses
    drafts_s: list[float] = []
    first_of_8: list[float] = []
    polish_s: list[float] = []
    charged = 0
    async with AsyncUnderpaint(
        edge=addresses["edge"], orchestrator=addresses["orchestrator"]
    ) as client:
        for number in range(ROUNDS):
            started = time.perf_counter()
            arrivals: list[float] = []
            picked: InitImage | None = None
            request = DraftRequest(prompt=PROMPT, seed=1000 * number, count=DRAFTS)
            async for draft, picture in client.make_drafts(request):
                arrivals.append(time.perf_counter() - started)
                picked = picked or InitImage(draft=draft, picture=picture)
            if picked is None:
                raise SystemExit("the edge made no drafts")
            drafts_s.append(arrivals[-1] / DRAFTS)
            first_of_8.append(arrivals[0] / arrivals[7])
            polish = PolishRequest(strength=0.6)
            quote = await client.quote(picked, polish)
            started = time.perf_counter()
            promotion = await client.promote(picked, polish, quote_id=quote.id)
            async for event in client.watch(promotion.id):
                if event.state is PromotionState.SETTLED:
                    break
            polish_s.append(time.perf_counter() - started)
            done = await client.get_promotion(promotion.id)
            if done.receipt is None:
                raise SystemExit(f"promotion {promotion.id}: {done.reason}")
            charged += done.receipt.charged_usd_micros
    per_draft, polished = statistics.median(drafts_s), statistics.median(polish_s)
    return {
        "draft_ms": round(1000 * per_draft, 1),
        "polish_ms": round(1000 * polished, 1),
        "drafts_per_polish": round(polished / per_draft, 1),
        "first_of_8": round(statistics.median(first_of_8), 3),
        "charged_usd_micros": charged,
        "rounds": ROUNDS,
    }


def main() -> None:
    """Starts everything twice on one data directory, and measures after the second start."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="underpaint-bench-") as folder:
        data_dir = Path(folder)
        with up(data_dir) as running:
            first = running
        with up(data_dir) as running:
            second = running
            results = asyncio.run(measure(running))
    results["start_s"] = {
        "first": {"all": first.total_seconds, **first.seconds},
        "second": {"all": second.total_seconds, **second.seconds},
    }
    OUT.mkdir(exist_ok=True)
    (OUT / "path.json").write_text(json.dumps(results, indent=2) + "\n")
    table = Table(title="The whole path")
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_column("target", justify="right")
    table.add_row("drafts in the time of one polish", f"{results['drafts_per_polish']}", "≥ 24")
    table.add_row("first of 8 drafts / all 8", f"{results['first_of_8']}", "≤ 0.35")
    table.add_row("one draft, streamed", f"{results['draft_ms']} ms", "")
    table.add_row("one polish, promoted to settled", f"{results['polish_ms']} ms", "")
    for name, seconds in {"all": second.total_seconds, **second.seconds}.items():
        table.add_row(f"second start: {name}", f"{seconds:.1f} s", "")
    console.print(table)


if __name__ == "__main__":
    main()
