"""What a ledger in Redis costs, and what an audit finds missing in it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from typing_extensions import override
from underpaint.contract.promotion import Account
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.ledger.audit import Auditor
from underpaint.orchestrator.ledger.replay import LedgerReplay
from underpaint.orchestrator.ledger.store import SpendCell
from underpaint.orchestrator.promotions.archive import Archive
from underpaint.orchestrator.storage.redis.ledger import SCRIPTS

from tests.conformance.redis import ClockedRedis
from tests.conformance.steps import at, promote, settle_next
from tests.watchdog import assert_loop_is_free

BEGIN, DAY_S = at("2026-01-01T12:00:00"), 86_400
ANA = Account(team="artists", project="sea", user="ana")
MOST_BYTES = 6_000  # of one user and the three scopes above, however many days there were
MOST_A_DAY = 150  # of the whole house: a closed day and the name of its artifact
USERS = 12_000

# A promotion of each of so many users on one day, as scripts leave it. ARGV: day, first, count
_FILL = """
local day, first = ARGV[1], tonumber(ARGV[2])
redis.call('ZADD', root .. ':days', 0, day)
for number = first, first + tonumber(ARGV[3]) - 1 do
  local id = 'promotion-' .. number
  local scopes = 'organisation:o team:o/t project:o/t/p user:o/t/p/u' .. number
  move('reserve', id, day, scopes, '100', '0')
  move('settle', id, day, scopes, '-100', '40', 'model', 'm', 'cloud_only', '360')
  local cell = ' ' .. scopes .. ' m'
  for what, sum in pairs({promotions = 1, charged = 40, cloud_only = 360}) do
    redis.call('HINCRBY', spend_key(day), what .. cell, sum)
  end
end
"""


class Filled(ClockedRedis):
    @override
    def _source(self, script: str) -> str:
        if script == "fill":
            return (SCRIPTS / "common.lua").read_text() + _FILL
        return super()._source(script)

    async def fill(self, day: str, users: int) -> None:
        for first in range(0, users, 500):
            await self._run("fill", day, first, min(500, users - first))


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(str(tmp_path / "artifacts"))


@pytest.fixture
async def store(redis_url: str, artifacts: Artifacts) -> AsyncIterator[Filled]:
    root = f"{{test-{secrets.token_hex(4)}}}"
    made = Filled(redis_url, lease_s=10.0**8, archive=Archive(artifacts), root=root)
    await made.turn(BEGIN)
    await made.open()
    await made.set_budget("organisation:default", 10**12)
    yield made
    await made.close()


@pytest.fixture
def auditor(store: Filled, artifacts: Artifacts) -> Auditor:
    return Auditor(store=store, artifacts=artifacts)


def bytes_of_the_ledger(redis_url: str, store: Filled) -> tuple[int, int]:
    """Of balances, spend and days; and of what tells where closed days are."""
    with Redis.from_url(redis_url) as client:

        def used(*names: str) -> int:
            keys = [
                key
                for name in names
                for pattern in (name, f"{name}:*")
                for key in client.scan_iter(store._key(pattern), count=1_000)
            ]
            return sum(client.memory_usage(key, samples=0) or 0 for key in keys)

        money = used("scope", "scopes", "balance", "spend", "days", "budgets", "checkpoint", "over")
        return money, used("closed")


async def test_a_user_costs_so_many_bytes_however_many_days_there_were(
    redis_url: str, store: Filled, auditor: Auditor
) -> None:
    sizes, closed = {}, 0
    for number in range(900):
        await store.turn(BEGIN + number * DAY_S)
        await promote(store, f"promotion-{number}", 100, ANA)
        await settle_next(store, 40)
        if number % 3 == 2:
            assert (await auditor.checkpoint()).mismatches == ()
        if number in (89, 449, 899):
            sizes[number], closed = bytes_of_the_ledger(redis_url, store)
    print(f"bytes of one user and the ledger's own: {sizes}; of closed days: {closed}")
    assert max(sizes.values()) <= MOST_BYTES
    assert sizes[899] <= 1.1 * sizes[89]
    assert closed <= 900 * MOST_A_DAY
    cells = await store.spend("")
    assert [cell.charged_usd_micros for cell in cells] == [40] * 900
    assert (await auditor.verify()).mismatches == ()


async def test_a_balance_that_is_gone_is_missed(store: Filled, auditor: Auditor) -> None:
    """Whatever Redis says that it has, the entries know what it must have."""
    await promote(store, "promotion-1", 100, ANA)
    await settle_next(store, 40)
    await promote(store, "promotion-2", 100, ANA)
    user, today = ANA.scopes[-1], await store.today()
    name = " ".join((*ANA.scopes, "stub"))
    spend = ("promotions", "charged", "cloud_only")
    redis = store._redis
    await redis.srem(store._key("scopes"), user)
    await redis.delete(store._key("scope", user))
    await redis.hdel(store._key("balance", today), f"reserved {user}", f"spent {user}")
    await redis.hdel(store._key("spend", today), *(f"{what} {name}" for what in spend))
    await redis.zrem(store._key("deadlines"), "promotion-2")
    found = (await auditor.verify()).mismatches
    sums = "the entries add up to $0.0001 reserved and $0.00004 spent"
    none = "the balance is $0.00 reserved and $0.00 spent"
    held = "the entries reserve $0.0001 since 2026-01-01"
    assert set(found) == {
        f"promotion promotion-2: {held}, its record nothing",
        f"spend of {' '.join(ANA.scopes)} on {today} by stub differs",
        f"{user} in all: {sums}, {none}",
        f"{user} in {today}: {sums}, {none}",
    }


async def test_spend_that_is_closed_while_it_is_told_is_told(
    store: Filled, auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        await store.turn(BEGIN + number * DAY_S)
        await promote(store, f"promotion-{number}", 100, ANA)
        await settle_next(store, 40)
        if number < 3:
            await auditor.checkpoint()
    told = store._open_spend

    async def meanwhile(since_day: str) -> list[SpendCell]:
        found = await told(since_day)
        await auditor.checkpoint()
        return found

    monkeypatch.setattr(store, "_open_spend", meanwhile)
    assert [cell.day for cell in await store.spend("")] == [f"2026-01-0{each}" for each in "1234"]


class Late:
    """A store that always has another's checkpoint by then: the same can be tried again."""

    def __init__(self, store: Filled) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def keep_checkpoint(self, *given: Any) -> bool:
        return False


@pytest.mark.timeout(300)
async def test_an_audit_of_a_big_house_leaves_the_loop_to_others(
    store: Filled, auditor: Auditor, artifacts: Artifacts
) -> None:
    """Verifying, checkpoints, reading and telling spend, each with tens of thousands of sums."""
    for number in range(2):
        await store.fill(f"2026-01-0{number + 1}", USERS)
    await store.turn(BEGIN + 2 * DAY_S)
    late: Any = Late(store)
    without = Auditor(store=late, artifacts=artifacts)

    async def add_up() -> None:
        found = await without.checkpoint()
        assert (found.mismatches, found.balances) == ((), 4 * (USERS + 3) + 1)

    async def read() -> int:
        return sum([len(batch) async for batch in auditor.read("")])

    async def spend() -> int:
        return len(await store.spend(""))

    await assert_loop_is_free(add_up)  # from the first entry
    assert await assert_loop_is_free(spend) == 2 * USERS
    await auditor.checkpoint()
    assert await assert_loop_is_free(read) > 4 * USERS
    await store.set_budget("organisation:default", 10**12)
    await assert_loop_is_free(add_up)  # from a checkpoint, and the days are closed
    await auditor.checkpoint()
    assert await assert_loop_is_free(spend) == 2 * USERS


def test_a_replay_is_read_as_it_was_told() -> None:
    replay = LedgerReplay(entry="5-1", number=7, days={"2026-01-02"}, closed={"2026-01-01": "ab"})
    replay.amounts["2026-01"].add("user:a", 5, 60)
    replay.spend["2026-01-02"].add("user:a model of words", (1, 2, 3))
    replay.campaigns["user:a", "2026-01-01", ""] = 9
    assert LedgerReplay.read(replay.dump()) == replay
