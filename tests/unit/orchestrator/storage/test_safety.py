"""What INFO and CONFIG GET tell of a Redis, judged."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from redis import exceptions
from underpaint.contract.errors import InvalidRequest, LedgerUnavailable
from underpaint.orchestrator.storage.redis.safety import Findings, SafetyCheck, findings

INFO = {
    "redis_version": "7.2.4",
    "aof_enabled": "1",
    "maxmemory_policy": "noeviction",
    "cluster_enabled": "0",
    "role": "master",
}
SETTINGS = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
}


def test_one_that_keeps_everything_is_without_fault() -> None:
    assert findings(INFO, SETTINGS) == Findings()


@pytest.mark.parametrize(
    ("info", "settings", "told"),
    [
        ({"aof_enabled": "0"}, {}, "CONFIG SET appendonly yes"),
        ({}, {"appendfsync": "everysec"}, "CONFIG SET appendfsync always"),
        ({}, {"appendfsync": "no"}, "CONFIG SET appendfsync always"),
        ({}, {"no-appendfsync-on-rewrite": "yes"}, "CONFIG SET no-appendfsync-on-rewrite no"),
        ({"maxmemory_policy": "allkeys-lru"}, {}, "CONFIG SET maxmemory-policy noeviction"),
        ({"maxmemory_policy": "volatile-ttl"}, {}, "CONFIG SET maxmemory-policy noeviction"),
    ],
)
def test_one_that_may_lose_something_is_unsafe_and_it_says_what_to_set(
    info: dict[str, str], settings: dict[str, str], told: str
) -> None:
    (unsafe,) = findings(INFO | info, SETTINGS | settings).unsafe
    assert unsafe.endswith(told)


@pytest.mark.parametrize(
    ("info", "told"),
    [
        ({"redis_version": "7.0.15"}, "version 7.0.15; use Redis >= 7.2"),
        ({"redis_version": "6.2.14"}, "version 6.2.14"),
        ({"cluster_enabled": "1"}, "cluster mode"),
    ],
)
def test_one_that_cannot_be_worked_with_is_unusable(info: dict[str, str], told: str) -> None:
    (unusable,) = findings(INFO | info, SETTINGS).unusable
    assert told in unusable


@pytest.mark.parametrize("version", ["7.2.0", "7.4.1", "8.0.2", "10.0.0"])
def test_later_versions_do(version: str) -> None:
    assert findings(INFO | {"redis_version": version}, SETTINGS) == Findings()


def test_without_config_info_tells_most_of_it_and_the_rest_is_said_to_be_unknown() -> None:
    found = findings(INFO | {"aof_enabled": "0"}, {})
    assert found.unsafe[0].startswith("appendonly is no")
    assert found.unknown == ("what appendfsync is", "what no-appendfsync-on-rewrite is")
    assert len(findings({}, {}).unknown) == 6


class Server:
    """What a Redis answers."""

    def __init__(self) -> None:
        self.info = dict(INFO)
        self.settings: dict[str, str] | None = dict(SETTINGS)

    async def ask(self, command: tuple[str, ...]) -> Any:
        if command[0] == "INFO":
            return "\r\n".join(f"{name}:{value}" for name, value in self.info.items()).encode()
        if self.settings is None:
            raise exceptions.NoPermissionError("this user has no permissions for config|get")
        flat = [each.encode() for pair in self.settings.items() for each in pair]
        return flat if len(flat) % 4 else dict(zip(flat[::2], flat[1::2], strict=True))


async def test_it_is_refused_at_the_start_and_later_until_it_is_safe_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, safety = Server(), SafetyCheck()
    await safety.look(server.ask)
    safety.check_at_start()
    safety.check()
    server.info["maxmemory_policy"] = "allkeys-lru"
    await safety.look(server.ask)
    await safety.look(server.ask)
    with pytest.raises(InvalidRequest, match=r"CONFIG SET maxmemory-policy .*--accept-data-loss"):
        safety.check_at_start()
    with pytest.raises(LedgerUnavailable, match="CONFIG SET maxmemory-policy"):
        safety.check()
    assert [each.levelno for each in caplog.records] == [logging.CRITICAL]  # once
    server.info["maxmemory_policy"] = "noeviction"
    await safety.look(server.ask)
    safety.check()
    assert "safe again" in caplog.text


async def test_data_loss_may_be_accepted_but_not_what_cannot_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, safety = Server(), SafetyCheck(accept_data_loss=True)
    server.info |= {"aof_enabled": "0"}
    await safety.look(server.ask)
    safety.check_at_start()
    safety.check()
    assert "accepted with --accept-data-loss: appendonly is no" in caplog.text
    server.info["cluster_enabled"] = "1"
    await safety.look(server.ask)
    with pytest.raises(InvalidRequest, match="cluster mode"):
        safety.check_at_start()


async def test_what_a_managed_redis_does_not_tell_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, safety = Server(), SafetyCheck()
    server.settings = None
    await safety.look(server.ask)
    safety.check_at_start()
    assert "does not say what appendfsync is" in caplog.text


async def test_a_replica_is_left() -> None:
    server, safety = Server(), SafetyCheck()
    server.info["role"] = "slave"
    with pytest.raises(exceptions.ReadOnlyError, match="replica"):
        await safety.look(server.ask)


async def test_one_that_still_loads_is_waited_for_and_not_judged() -> None:
    """While it reads its append-only file, it says that it has none."""
    server, safety = Server(), SafetyCheck()
    server.info |= {"loading": "1", "aof_enabled": "0"}
    with pytest.raises(exceptions.BusyLoadingError, match="still loading"):
        await safety.look(server.ask)
    server.info |= {"loading": "0", "aof_enabled": "1"}
    await safety.look(server.ask)
    safety.check_at_start()
