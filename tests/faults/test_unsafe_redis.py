"""A Redis that would lose what it acknowledged is refused, at the start and later."""

from __future__ import annotations

import asyncio
import hashlib
import sys

import pytest
from underpaint.contract.errors import LedgerUnavailable

from tests.faults.house import House, Process, until, until_told
from tests.faults.servers import Server
from tests.faults.verdict import check_the_ledger
from tests.integration.orchestrator.client import Client
from tests.integration.orchestrator.conftest import free_port

CHECKED = ("--redis-check-s", "1")


def begin(house: House, server: Server, *flags: str) -> Process:
    return house.run(
        "orchestrator",
        *(sys.executable, "-m", "underpaint.orchestrator", "--listen", "127.0.0.1:0"),
        *("--redis-url", f"redis://{server.address}/0", "--cloud", house.engine_address),
        *("--data-dir", str(house.data_folder), "--redis-wait-s", "0.2", *flags),
    )


async def refused(house: House, server: Server, *flags: str) -> tuple[int, str]:
    """How it ends, and its last line."""
    process = begin(house, server, *flags)
    code = await asyncio.to_thread(process.popen.wait, 60)
    return code, process.said.splitlines()[-1]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("appendonly no",), "CONFIG SET appendonly yes"),
        (("appendfsync everysec",), "CONFIG SET appendfsync always"),
        (("maxmemory-policy allkeys-lru",), "CONFIG SET maxmemory-policy noeviction"),
    ],
)
async def test_one_that_may_lose_promises_is_refused_unless_that_is_accepted(
    house: House, lines: tuple[str, ...], told: str
) -> None:
    server = Server(house, house.folder / "unsafe", *lines)
    await server.start()
    code, last = await refused(house, server)
    assert code == 2
    assert told in last
    assert "--accept-data-loss" in last
    taken = begin(house, server, "--accept-data-loss")
    await taken.listening()
    assert f"accepted with --accept-data-loss: {told.split()[2]} is" in taken.said


async def test_one_in_cluster_mode_is_refused_whatever_is_accepted(house: House) -> None:
    server = Server(
        house, house.folder / "cluster", "cluster-enabled yes", f"cluster-port {free_port()}"
    )
    await server.start()
    code, last = await refused(house, server, "--accept-data-loss")
    assert code == 2
    assert "cluster mode" in last


async def test_a_replica_is_not_waited_at_for_ever(house: House) -> None:
    server = Server(house, house.folder / "replica", "replicaof 127.0.0.1 1")
    await server.start()
    code, last = await refused(house, server)
    assert code == 4
    assert "read-only replica" in last


async def test_one_that_does_not_tell_its_settings_is_taken_and_it_is_said(house: House) -> None:
    """As a managed Redis does: CONFIG is forbidden, and INFO tells what it tells."""
    server = Server(house, house.folder / "managed", "user default on nopass ~* &* +@all -config")
    await server.start()
    taken = begin(house, server)
    await taken.listening()
    assert "does not say what appendfsync is" in taken.said
    assert "what appendonly is" not in taken.said


async def test_one_that_becomes_unsafe_gets_nothing_new_until_it_is_safe_again(
    house: House,
) -> None:
    """What was taken before goes on; the operator is told what to set."""
    house.orders.hold.touch()
    orchestrator = await house.start(*CHECKED)
    quote = await orchestrator.client.quote()
    await house.promote(orchestrator, "promotion-1")
    await house.began("promotion-1")
    house.store.config_set("maxmemory-policy", "allkeys-lru")
    await until(lambda: "no promotions are accepted" in orchestrator.process.said, "it is noticed")
    assert "C underpaint.orchestrator.storage.redis.safety" in orchestrator.process.said
    with pytest.raises(LedgerUnavailable, match="CONFIG SET maxmemory-policy noeviction"):
        await orchestrator.client.promote("promotion-2", quote_id=quote.id)
    house.orders.hold.unlink()
    assert await house.ended("promotion-1") == b"settled"
    house.store.config_set("maxmemory-policy", "noeviction")
    await house.insist(lambda: orchestrator, "promotion-2")
    await check_the_ledger(house)


async def test_nor_is_a_promise_to_wait_for_an_approval_given(house: House) -> None:
    policy, callers = house.folder / "policy.yaml", house.folder / "callers.yaml"
    policy.write_text(
        "rules:\n  - name: all\n    require_approval: {engine: full, role: lead, within: 4h}\n"
    )
    digest = hashlib.sha256(b"sesame").hexdigest()
    callers.write_text(
        f"callers:\n  - {{name: ana, token_sha256: {digest}, roles: [artist, lead]}}\n"
    )
    orchestrator = await house.start(
        *(*CHECKED, "--policy", str(policy), "--callers-file", str(callers))
    )
    ana = Client(orchestrator.client.address, "sesame")
    quote = await ana.quote()
    house.store.config_set("maxmemory-policy", "allkeys-lru")
    await until(lambda: "no promotions are accepted" in orchestrator.process.said, "it is noticed")
    with pytest.raises(LedgerUnavailable, match="CONFIG SET maxmemory-policy noeviction"):
        await ana.promote("promotion-1", quote_id=quote.id)
    await ana.close()


async def test_one_that_comes_back_without_its_file_gets_nothing_new(house: House) -> None:
    """Restarted with other settings: it is looked at before anything is asked of it."""
    server = Server(house, house.folder / "careless")
    await server.start()
    house.store, house.url = server.store, f"redis://{server.address}/0"
    orchestrator = await house.start(
        "--redis-check-s", "86400", redis=await house.between(server.address)
    )
    await house.promote(orchestrator, "promotion-1")
    assert await house.ended("promotion-1") == b"settled"
    server.process.kill()
    config = house.folder / "careless" / "redis.conf"
    config.write_text(config.read_text() + "appendfsync no\n")
    await server.start()

    async def quoted() -> str:
        try:
            return (await orchestrator.client.quote()).id
        except LedgerUnavailable:  # it learns of the kill by asking
            return ""

    quote_id = await until_told(quoted, "Redis is reached again")
    with pytest.raises(LedgerUnavailable, match="CONFIG SET appendfsync always"):
        await orchestrator.client.promote("promotion-2", quote_id=quote_id)
