"""What waits for an approval, in a whole orchestrator."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from underpaint.contract.errors import (
    InvalidRequest,
    NotAllowed,
    NotWaiting,
    Unauthenticated,
)
from underpaint.contract.promotion import Account, Approval, PromotionState
from underpaint.orchestrator.app import run
from underpaint.orchestrator.settings import Settings

from tests.integration.orchestrator.client import Client
from tests.integration.orchestrator.client import request as promotion_to_wire

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
