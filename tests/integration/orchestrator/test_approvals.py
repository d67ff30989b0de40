"""What waits for an approval: both implementations, then a whole orchestrator."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from underpaint.contract.errors import (
    BudgetExceeded,
    InvalidRequest,
    NotAllowed,
    NotWaiting,
    PromotionConflict,
    PromotionNotFound,
    QuoteExpired,
    Unauthenticated,
)
from underpaint.contract.promotion import Account, Approval, Promotion, PromotionState
from underpaint.orchestrator.app import run
from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.promotions.approvals import Approvals
from underpaint.orchestrator.promotions.archive import Archive, Archivist
from underpaint.orchestrator.promotions.quoting import content_of
from underpaint.orchestrator.promotions.store import OpenQuote, PromotionStore
from underpaint.orchestrator.settings import Settings
from underpaint.orchestrator.storage.memory.approvals import MemoryApprovals
from underpaint.orchestrator.storage.memory.store import MemoryStore
from underpaint.orchestrator.storage.redis.approvals import RedisApprovals
from underpaint.orchestrator.storage.redis.store import RedisStore

from tests.integration.orchestrator.client import Client
from tests.integration.orchestrator.client import request as promotion_to_wire
from tests.unit.orchestrator.samples import open_quote, promotion_request

LEAD = Approval(role="lead", within_s=3_600)
AT_ONCE = Approval(role="lead", within_s=0)  # its time is over as soon as it waits
REQUEST = promotion_request()


@pytest.fixture
def approvals(ledger: PromotionStore) -> Approvals:
    if isinstance(ledger, RedisStore):
        return RedisApprovals(ledger)
    assert isinstance(ledger, MemoryStore)
    return MemoryApprovals(ledger)


async def quoted(ledger: PromotionStore, lifetime_s: float = 60, cost: int = 1_000) -> OpenQuote:
    quote = open_quote(REQUEST, cost)
    await ledger.keep_quote(quote, lifetime_s)
    return quote


async def wait(
    ledger: PromotionStore, approvals: Approvals, approval: Approval = LEAD, lifetime_s: float = 60
) -> OpenQuote:
    await ledger.set_budget("project:default", 10_000)
    quote = await quoted(ledger, lifetime_s)
    await approvals.wait("promotion-1", content_of(REQUEST), REQUEST, quote, approval)
    return quote


async def approve(ledger: PromotionStore, quote: OpenQuote, by: str = "ana") -> Promotion:
    content = content_of(REQUEST)
    return await ledger.promote("promotion-1", content, REQUEST, quote, 60, approved_by=by)


async def reserved(ledger: PromotionStore) -> int:
    (budget,) = await ledger.budgets()
    return budget.reserved_usd_micros


async def test_what_waits_is_stored_and_seen_and_reserves_nothing(
    ledger: PromotionStore, approvals: Approvals
) -> None:
    await wait(ledger, approvals)
    stored = await ledger.get("promotion-1")
    assert stored.state is PromotionState.WAITING
    assert "role lead to approve it, at most 1h" in stored.reason
    assert [each.id for each in (await ledger.page(9, "")).promotions] == ["promotion-1"]
    (event,) = await ledger.events("promotion-1", "", 9)
    assert (event.state, event.message) == (PromotionState.WAITING, stored.reason)
    assert await reserved(ledger) == 0
    assert not await ledger.take("worker", 9)


async def test_approved_it_is_reserved_and_taken_once(
    ledger: PromotionStore, approvals: Approvals
) -> None:
    quote = await wait(ledger, approvals)
    before = await ledger.get("promotion-1")
    approved = await approve(ledger, quote)
    assert (approved.state, approved.approved_by) == (PromotionState.RESERVED, "ana")
    assert approved.created_at == before.created_at
    assert await reserved(ledger) == 1_000
    again = await approve(ledger, quote, by="ben")
    assert (again.approved_by, await reserved(ledger)) == ("ana", 1_000)
    assert [each.id for each in (await ledger.page(9, "")).promotions] == ["promotion-1"]
    (lease,) = await ledger.take("worker", 9)
    assert lease.promotion.approved_by == "ana"
    told = [each.message for each in await ledger.events("promotion-1", "", 9)]
    assert told[1] == "approved by ana; $0.001 is reserved; waiting for an engine"


async def test_a_repeated_promotion_is_not_taken_for_an_approval(
    ledger: PromotionStore, approvals: Approvals
) -> None:
    quote = await wait(ledger, approvals)
    assert (await approve(ledger, quote, by="")).state is PromotionState.WAITING
    content = content_of(REQUEST)
    again = await approvals.wait("promotion-1", content, REQUEST, quote, AT_ONCE)
    assert again.reason == (await ledger.get("promotion-1")).reason
    with pytest.raises(PromotionConflict):
        await approvals.wait("promotion-1", "other", REQUEST, quote, LEAD)
    assert await reserved(ledger) == 0


async def test_the_quote_stays_open_as_long_as_it_may_be_approved_and_no_longer(
    ledger: PromotionStore, approvals: Approvals
) -> None:
    quote = await wait(ledger, approvals, lifetime_s=600)
    assert await ledger.find_quote(quote.quote.id) == quote
    other = open_quote(REQUEST, 1_000, "q-2")
    await ledger.keep_quote(other, 600)
    await approvals.wait("promotion-2", content_of(REQUEST), REQUEST, other, AT_ONCE)
    assert await ledger.find_quote("q-2") is None


async def test_without_an_open_quote_nothing_waits(
    ledger: PromotionStore, approvals: Approvals
) -> None:
    quote = open_quote(REQUEST, 1_000)
    with pytest.raises(QuoteExpired):
        await approvals.wait("promotion-1", content_of(REQUEST), REQUEST, quote, LEAD)
    assert not await approvals.end("promotion-1", "no")
    with pytest.raises(PromotionNotFound):
        await ledger.get("promotion-1")


async def test_without_room_it_goes_on_waiting(
    ledger: PromotionStore, approvals: Approvals
) -> None:
    quote = await wait(ledger, approvals)
    await ledger.set_budget("project:default", 999)
    with pytest.raises(BudgetExceeded):
        await approve(ledger, quote)
    stored = await ledger.get("promotion-1")
    assert (stored.state, stored.approved_by) == (PromotionState.WAITING, "")
    await ledger.set_budget("project:default", 1_000)
    assert (await approve(ledger, quote)).state is PromotionState.RESERVED


async def test_ended_it_is_approved_no_more(ledger: PromotionStore, approvals: Approvals) -> None:
    quote = await wait(ledger, approvals)
    assert await approvals.end("promotion-1", "denied by ana: too dear")
    denied = await ledger.get("promotion-1")
    assert (denied.state, denied.reason) == (PromotionState.RELEASED, "denied by ana: too dear")
    assert (await approve(ledger, quote)).state is PromotionState.RELEASED
    assert not await approvals.end("promotion-1", "again")
    assert await ledger.get("promotion-1") == denied
    last = (await ledger.events("promotion-1", "", 9))[-1]
    assert (last.state, last.message) == (PromotionState.RELEASED, "denied by ana: too dear")
    assert await reserved(ledger) == 0


async def test_what_was_approved_cannot_be_ended(
    ledger: PromotionStore, approvals: Approvals
) -> None:
    quote = await wait(ledger, approvals)
    await approve(ledger, quote)
    assert not await approvals.end("promotion-1", "too late")
    assert (await ledger.get("promotion-1")).state is PromotionState.RESERVED
    assert await approvals.lapse(9) == 0
    assert await reserved(ledger) == 1_000


async def test_it_lapses_once_when_its_time_is_over(
    ledger: PromotionStore, approvals: Approvals
) -> None:
    await wait(ledger, approvals)
    assert await approvals.lapse(9) == 0
    other = open_quote(REQUEST, 1_000, "q-2")
    await ledger.keep_quote(other, 60)
    await approvals.wait("promotion-2", content_of(REQUEST), REQUEST, other, AT_ONCE)
    content = content_of(REQUEST)
    late = await ledger.promote("promotion-2", content, REQUEST, other, 60, approved_by="ana")
    assert (late.state, late.approved_by) == (PromotionState.WAITING, "")
    assert await approvals.lapse(9) == 1
    lapsed = await ledger.get("promotion-2")
    assert (lapsed.state, lapsed.reason) == (PromotionState.EXPIRED, "nobody approved it in time")
    last = (await ledger.events("promotion-2", "", 9))[-1]
    assert (last.state, last.message) == (PromotionState.EXPIRED, "nobody approved it in time")
    assert await approvals.lapse(9) == 0
    assert await ledger.expire_due(9) == 0
    assert (await ledger.get("promotion-1")).state is PromotionState.WAITING
    assert await reserved(ledger) == 0


async def test_approving_races_with_denying_and_exactly_one_wins(
    ledger: PromotionStore, approvals: Approvals
) -> None:
    await ledger.set_budget("project:default", 10**9)
    for number in range(40):
        quote = open_quote(REQUEST, 1_000, f"q-{number}")
        await ledger.keep_quote(quote, 60)
        name, content = f"promotion-{number}", content_of(REQUEST)
        await approvals.wait(name, content, REQUEST, quote, LEAD)
        approved, did = await asyncio.gather(
            ledger.promote(name, content, REQUEST, quote, 60, approved_by="ana"),
            approvals.end(name, "denied by ben: no"),
        )
        stored = await ledger.get(name)
        assert did == (stored.state is PromotionState.RELEASED)
        assert did != (approved.approved_by == "ana")
    promotions = (await ledger.page(99, "")).promotions
    held = sum(each.state is PromotionState.RESERVED for each in promotions)
    assert await reserved(ledger) == 1_000 * held


async def test_archived_it_answers_as_any_other_that_is_finished(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    archive = Archive(Artifacts(str(tmp_path / "artifacts")))
    url = request.getfixturevalue("redis_url")
    redis = RedisStore(url, lease_s=1, archive=archive, root=f"{{test-{secrets.token_hex(4)}}}")
    memory = MemoryStore(archive=archive)
    both: list[tuple[RedisStore | MemoryStore, Approvals]] = [
        (redis, RedisApprovals(redis)),
        (memory, MemoryApprovals(memory)),
    ]
    for ledger, approvals in both:
        await ledger.open()
        quote = await wait(ledger, approvals)
        await approvals.end("promotion-1", "denied by ana: no")
        denied = await ledger.get("promotion-1")
        assert await Archivist(store=ledger, archive=archive, kept_s=-1).archive_all() == 1
        assert not await approvals.end("promotion-1", "again")
        again = await approvals.wait("promotion-1", content_of(REQUEST), REQUEST, quote, LEAD)
        assert again == await approve(ledger, quote) == denied
        with pytest.raises(PromotionConflict):
            await approvals.wait("promotion-1", "other", REQUEST, quote, LEAD)
        assert await reserved(ledger) == 0
        await ledger.close()


# A whole orchestrator


POLICY = """
rules:
  - name: small
    route: {engine: full, ceiling_usd: 0.01}
  - name: dear
    require_approval: {engine: full, role: lead, within: 4h}
"""
TOKENS = {"ana": "ana-token", "ben": "ben-token"}


@pytest.fixture
def guarded(settings: Settings, tmp_path: Path) -> Settings:
    policy, callers = tmp_path / "policy.yaml", tmp_path / "callers.yaml"
    policy.write_text(POLICY)
    digests = {name: hashlib.sha256(token.encode()).hexdigest() for name, token in TOKENS.items()}
    callers.write_text(
        "callers:\n"
        f"  - {{name: ana, token_sha256: {digests['ana']}, roles: [artist, lead]}}\n"
        f"  - {{name: ben, token_sha256: {digests['ben']}, team: comics, roles: [artist]}}\n"
    )
    return settings.model_copy(update={"policy": policy, "callers_file": callers})


@asynccontextmanager
async def serving(settings: Settings, *names: str) -> AsyncIterator[list[Client]]:
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, stop))
    clients = [Client(settings.listen, TOKENS.get(name, name)) for name in names]
    try:
        await clients[0].wait_until_served(running)
        yield clients
    finally:
        for client in clients:
            await client.close()
        stop.set()
        await running


async def test_a_lead_approves_what_an_artist_promoted(guarded: Settings) -> None:
    async with serving(guarded, "ben", "ana") as (ben, ana):
        quote = await ben.quote()
        assert quote.approval == Approval(role="lead", within_s=14_400)
        assert [(v.rule, v.decided) for v in quote.verdicts] == [("small", False), ("dear", True)]
        waiting = await ben.promote("promotion-1", quote_id=quote.id)
        assert waiting.state is PromotionState.WAITING
        assert waiting.promotion.account == Account(team="comics", user="ben")
        with pytest.raises(NotAllowed, match="default/ben has artist@default"):
            await ben.approve("promotion-1")
        with pytest.raises(NotAllowed, match="DenyPromotion needs the role approver"):
            await ben.deny("promotion-1", "mine")
        assert (await ana.budgets())["organisation:default"] == (0, 0)
        first, second = await asyncio.gather(ana.approve("promotion-1"), ana.approve("promotion-1"))
        assert {first.approved_by, second.approved_by} == {"ana"}
        finished = await ben.finished("promotion-1")
        assert (finished.state, finished.approved_by) == (PromotionState.SETTLED, "ana")
        with pytest.raises(NotWaiting, match="ana has approved it"):
            await ana.deny("promotion-1", "too late")
        states = [each.state for each in await ben.events("promotion-1")]
        assert states[:2] == [PromotionState.WAITING, PromotionState.RESERVED]


async def test_a_lead_denies_and_an_artist_cancels(guarded: Settings) -> None:
    async with serving(guarded, "ben", "ana") as (ben, ana):
        await ben.promote("promotion-1")
        with pytest.raises(InvalidRequest, match="say why"):
            await ana.deny("promotion-1", "  ")
        for _ in range(2):
            denied = await ana.deny("promotion-1", "not for this book")
            assert denied.reason == "denied by ana: not for this book"
        assert denied.state is PromotionState.RELEASED
        with pytest.raises(NotWaiting, match="denied by ana"):
            await ana.approve("promotion-1")
        await ben.promote("promotion-2")
        assert (await ben.cancel("promotion-2")).reason == "cancelled"
        with pytest.raises(NotWaiting, match="cancelled"):
            await ana.approve("promotion-2")
        assert (await ben.promote("promotion-2")).state is PromotionState.RELEASED
        assert (await ana.budgets())["organisation:default"] == (0, 0)


async def test_a_caller_is_known_by_the_token_and_stays_within_the_account(
    guarded: Settings,
) -> None:
    async with serving(guarded, "ben", "nobody") as (ben, nobody):
        with pytest.raises(NotAllowed, match="ben may not promote for team films, only for team"):
            await ben.quote(promotion_to_wire(account=Account(team="films")))
        with pytest.raises(NotAllowed, match="user ana"):
            await ben.quote(promotion_to_wire(account=Account(user="ana")))
        with pytest.raises(Unauthenticated):
            await nobody.quote()


async def test_a_role_that_nobody_has_is_refused_at_the_start(
    guarded: Settings, tmp_path: Path
) -> None:
    alone = guarded.model_copy(update={"callers_file": None})
    with pytest.raises(InvalidRequest, match="nobody can approve: no caller has role 'lead'"):
        await run(alone, asyncio.Event())
