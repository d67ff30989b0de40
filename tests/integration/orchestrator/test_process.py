"""The orchestrator as a process: how it starts, is killed, and goes on."""

from __future__ import annotations

import asyncio
import hashlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from underpaint.contract.errors import Unauthenticated
from underpaint.contract.promotion import PromotionState
from underpaint.contract.rim import call_options
from underpaint.orchestrator.settings import Settings
from underpaint.v1 import orchestrator_pb2 as pb

from tests.integration.orchestrator.client import Client
from tests.integration.orchestrator.stub_cloud import StubCloud
from tests.redis_server import wait_for_redis

CHARGED = 1_000 + 1_738
Start = Callable[..., subprocess.Popen[str]]


def arguments(settings: Settings, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "underpaint.orchestrator"),
        *("--listen", settings.listen, "--redis-url", settings.redis_url),
        *("--cloud", settings.cloud, "--data-dir", str(settings.data_dir)),
        *("--lease-s", "1", "--grace-s", "0.1", "--redis-wait-s", "0.2", *more),
    ]


def embed(data_dir: Path) -> subprocess.Popen[bytes]:
    """A Redis of a test's own, to be killed."""
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "underpaint.orchestrator.storage.redis.embedded",
            "--data-dir",
            str(data_dir),
        ]
    )
    wait_for_redis(f"unix://{data_dir}/redis.sock", server)
    return server


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    """Starts orchestrators on one address; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def one(*more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            arguments(settings, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield one
    for process in started:
        process.kill()
        process.communicate()


@asynccontextmanager
async def calling(settings: Settings, token: str = "") -> AsyncIterator[Client]:
    client = Client(settings.listen, token)
    try:
        await client.wait_until_served()
        yield client
    finally:
        await client.close()


async def test_stopped_gracefully_it_hands_its_work_on(
    settings: Settings, cloud: StubCloud, start: Start
) -> None:
    cloud.script = ["hang"]
    first = start("--lease-s", "60")
    async with calling(settings) as client:
        await client.promote("promotion-1")
        await asyncio.wait_for(cloud.started.wait(), 30)
        first.send_signal(signal.SIGTERM)
        out, _ = await asyncio.to_thread(first.communicate, None, 30)
    assert first.returncode == 0
    assert out == f"underpaint orchestrator listening on {settings.listen}\n"
    await asyncio.wait_for(cloud.stopped.wait(), 30)
    start("--lease-s", "60")
    async with calling(settings) as client:
        finished = await client.finished("promotion-1")
        assert (finished.state, finished.attempts) == (PromotionState.SETTLED, 1)


async def test_a_token_is_asked_for(settings: Settings, start: Start, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("sesame\n")
    start("--token-file", str(token))
    async with calling(settings) as client:
        with pytest.raises(Unauthenticated):
            await client.quote()
        options = call_options("/underpaint.v1.OrchestratorService/ListBudgets", "sesame")
        assert (await client.stub.ListBudgets(pb.ListBudgetsRequest(), **options)).budgets


async def test_what_waits_for_an_approval_survives_a_kill_and_is_charged_once(
    settings: Settings, start: Start, tmp_path: Path
) -> None:
    policy, callers = tmp_path / "policy.yaml", tmp_path / "callers.yaml"
    policy.write_text(
        "rules:\n  - name: all\n    require_approval: {engine: full, role: lead, within: 4h}\n"
    )
    digest = hashlib.sha256(b"sesame").hexdigest()
    callers.write_text(
        f"callers:\n  - {{name: ana, token_sha256: {digest}, roles: [artist, lead]}}\n"
    )
    more = ("--policy", str(policy), "--callers-file", str(callers))
    first = start(*more)
    async with calling(settings, "sesame") as client:
        assert (await client.promote("promotion-1")).state is PromotionState.WAITING
        first.kill()
        first.wait()
    second = start(*more)
    async with calling(settings, "sesame") as client:
        waiting = await client.get("promotion-1")
        assert waiting.state is PromotionState.WAITING
        assert await client.budgets() == {"organisation:default": (0, 0)}
        approved = await client.approve("promotion-1")
        assert approved.quote == waiting.quote
        second.kill()
        second.wait()
    start(*more)
    async with calling(settings, "sesame") as client:
        assert (await client.finished("promotion-1")).state is PromotionState.SETTLED
        assert (await client.approve("promotion-1")).state is PromotionState.SETTLED
        assert await client.budgets() == {"organisation:default": (0, CHARGED)}


async def test_a_hangup_has_the_policy_read_again(
    settings: Settings, start: Start, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules:\n  - {name: polish, route: full}\n")
    process = start("--policy", str(policy))
    async with calling(settings) as client:
        await client.quote()
        policy.write_text("rules:\n  - {name: no, when: 1 < 0, refuse: no}\n")
        process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(30):
            while not (await client.stub.GetPolicy(pb.GetPolicyRequest(), timeout=20)).problems:
                pass
        assert (await client.quote()).verdicts[-1].rule == "polish"
        policy.write_text("rules:\n  - {name: finish, route: full}\n")
        process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(30):
            while (await client.quote()).verdicts[-1].rule == "polish":
                pass
    process.terminate()
    _, err = await asyncio.to_thread(process.communicate, None, 30)
    assert f"{policy}:2: rule 'no' can never decide: its condition is always false" in err
    assert "stays in force" in err


async def test_checks_at_once_are_answered_beside_grpc_and_uvloop(
    settings: Settings, start: Start
) -> None:
    process = start()
    good = pb.CheckPolicyRequest(text="rules:\n  - {name: polish, route: full}\n")
    async with calling(settings) as client:
        await client.quote()
        checks = [client.stub.CheckPolicy(good, timeout=60) for _ in range(12)]
        assert [each.rules for each in await asyncio.gather(*checks)] == [1] * 12
    process.terminate()
    _, err = await asyncio.to_thread(process.communicate, None, 30)
    assert process.returncode == 0
    assert "fork" not in err  # gRPC would say so: a fork of it is no safe ground


async def test_a_port_in_use_is_said_in_one_line(settings: Settings, start: Start) -> None:
    start()
    async with calling(settings):
        second = start("--log-level", "ERROR")
        _, err = await asyncio.to_thread(second.communicate, None, 60)
    assert second.returncode == 2
    assert "the port is in use" in err.splitlines()[-1]


def test_an_embedded_server_owns_its_directory_and_dies_with_its_owner(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "underpaint.orchestrator.storage.redis.embedded", "--data-dir"]
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, *command, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout
    server = int(owner.stdout.readline())
    url = f"unix://{tmp_path}/redis.sock"
    wait_for_redis(url, owner)
    second = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True)
    assert second.returncode == 2
    assert "is in use by another server" in second.stderr
    assert second.stderr.count("\n") == 1
    handle = os.pidfd_open(server)
    owner.kill()
    owner.communicate()
    assert select.select([handle], [], [], 30)[0], "the server outlived its owner"
    os.close(handle)


OWNER = """
import subprocess, sys, time
print(subprocess.Popen(sys.argv[1:]).pid, flush=True)
time.sleep(600)
"""
