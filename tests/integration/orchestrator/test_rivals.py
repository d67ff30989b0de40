"""What a rival, a colleague or somebody who was let go tries, on a whole orchestrator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis import Redis
from underpaint.contract.errors import (
    EngineFailed,
    InvalidRequest,
    LedgerFrozen,
    NotAllowed,
    PromotionNotFound,
    QuoteExpired,
    Unauthenticated,
    UnderpaintError,
)
from underpaint.contract.promotion import Account, Promotion, PromotionState
from underpaint.contract.rim import translated
from underpaint.orchestrator.names import bare
from underpaint.orchestrator.promotions.dead_letters import retry_id
from underpaint.orchestrator.settings import Settings
from underpaint.v1 import common_pb2
from underpaint.v1 import orchestrator_pb2 as pb

from tests.integration.orchestrator.client import Client, request
from tests.integration.orchestrator.stub_cloud import StubCloud
from tests.integration.orchestrator.tenants import CALLERS, ask, sdk, write_callers
from tests.unit.orchestrator.samples import DRAFT

ANN = CALLERS["ann"]


def let_in(settings: Settings, **callers: tuple[str, str, str, list[str]] | None) -> None:
    """Changes who is known while the orchestrator runs; None lets somebody go."""
    known = {name: caller for name, caller in (CALLERS | callers).items() if caller}
    assert settings.callers_file
    write_callers(settings.callers_file, known)


@pytest.mark.parametrize("role", ["artist@acme/films", "artist@rival"])
async def test_an_artist_spends_where_the_role_holds(
    house: dict[str, Client], tenants: Settings, role: str
) -> None:
    """Though the account may name any team."""
    let_in(tenants, bob=("acme", "'*'", "'*'", [role]))
    for team in ("growth", "films/../growth", "", "default"):
        with pytest.raises((NotAllowed, InvalidRequest)):
            await house["bob"].quote(request(account=Account(team=team)))
    if role == "artist@acme/films":
        assert await house["bob"].quote(request(account=Account(team="films", project="noir")))
    with pytest.raises(NotAllowed, match=r"Quote needs the role artist at acme/growth/default/bob"):
        await house["bob"].quote(request(account=Account(team="growth")))


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        (None, Unauthenticated),
        (("acme", "growth", "web", []), NotAllowed),
        (("acme", "growth", "web", ["artist@acme/films"]), PromotionNotFound),
    ],
    ids=["revoked", "without a role", "with a role elsewhere"],
)
async def test_who_is_let_go_sees_no_more_of_what_was_open(
    house: dict[str, Client], tenants: Settings, cloud: StubCloud, changed: Any, error: Any
) -> None:
    cloud.script = ["hang"]
    await house["ann"].promote("promotion-8")
    seen = []

    async def watch() -> None:
        async for event in house["ann"].watch("promotion-8"):
            seen.append(event)
            if event.step:
                let_in(tenants, ann=changed)

    with pytest.raises(error):
        await watch()
    assert seen
    assert not seen[-1].state.final
    cloud.go_on.set()


async def test_a_token_that_is_revoked_while_its_picture_is_sent_spends_nothing(
    house: dict[str, Client], tenants: Settings
) -> None:
    quote = await house["ann"].quote()
    head = pb.PromoteHead(promotion_id="promotion-8", quote_id=quote.id, promotion=request())

    async def parts() -> AsyncIterator[pb.PromoteRequest]:
        yield pb.PromoteRequest(head=head)
        yield pb.PromoteRequest(chunk=common_pb2.Chunk(data=DRAFT[:10]))
        # An answer to another call shows that the head is there by now.
        await house["ann"].get("promotion-1")
        let_in(tenants, ann=None)
        yield pb.PromoteRequest(chunk=common_pb2.Chunk(data=DRAFT[10:]))

    with pytest.raises(Unauthenticated), translated("orchestrator"):
        await house["ann"].stub.Promote(parts(), timeout=30, metadata=house["ann"].metadata)
    with pytest.raises(PromotionNotFound):
        await house["odo"].get("acme/promotion-8")


@pytest.fixture
async def dead(house: dict[str, Client], cloud: StubCloud) -> Promotion:
    cloud.script = [EngineFailed("out of memory")] * 3
    await house["ann"].promote("promotion-8", request(engine=""))
    return await house["ann"].finished("promotion-8")


async def test_a_colleague_who_takes_the_id_of_a_retry_stops_nobody(
    house: dict[str, Client], dead: Promotion
) -> None:
    """Ids are an organisation's, and that of a retry can be worked out."""
    taken = bare(retry_id("acme/promotion-8"))
    await house["bob"].promote(taken)
    quote = await house["ann"].quote_retry("promotion-8")
    retried = await asyncio.gather(*(house["ann"].retry("promotion-8", quote.id) for _ in range(4)))
    assert {each.id for each in retried} == {f"{taken}.retry"}
    finished = await house["ann"].finished(f"{taken}.retry")
    assert finished.state is PromotionState.SETTLED
    assert finished.promotion.account.user == "ann"
    assert finished.promotion.retry_of == "promotion-8"
    assert (await house["ann"].get("promotion-8")).retried_as == finished.id
    with pytest.raises(InvalidRequest, match="is not valid"):
        await house["bob"].promote("12345678.retry")


async def test_a_listing_tells_nothing_of_what_others_make(
    house: dict[str, Client], dead: Promotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However many others there are, one look is enough.
    monkeypatch.setattr("underpaint.orchestrator.api.access._LOOKS", 1)

    async def page(name: str, **fields: Any) -> pb.ListPromotionsResponse:
        message = pb.ListPromotionsRequest(page_size=1, **fields)
        answer: pb.ListPromotionsResponse = await ask(house[name], "ListPromotions", message)
        return answer

    for number in range(2):
        await house["rob"].promote(f"promotion-{number}")
    first = await page("rob")
    assert [each.id for each in first.promotions] == ["promotion-1"]
    assert not first.next_page_token.isdigit()
    second = await page("rob", page_token=first.next_page_token)
    assert [each.id for each in second.promotions] == ["promotion-0"]
    for name, fields in {"ria": {}, "ann": {}, "rob": {"dead": True}}.items():
        with pytest.raises(InvalidRequest, match="not valid here"):
            await page(name, page_token=first.next_page_token, **fields)
    for wrong in ("1", "ff" * 16, "zz" * 16, "é" * 32):
        with pytest.raises(InvalidRequest, match="not valid here"):
            await page("rob", page_token=wrong)
    # Another organisation's dead do not even make a page that is empty.
    assert await page("rob", dead=True) == pb.ListPromotionsResponse()
    assert [each.id for each in (await page("ann", dead=True)).promotions] == ["promotion-8"]


async def test_the_numbers_of_entries_are_for_who_may_read_them_all(
    house: dict[str, Client],
) -> None:
    async with sdk(house["ria"]) as ria, sdk(house["odo"]) as odo:
        assert {each.number async for each in ria.ledger_entries()} == {0}
        numbers = [each.number async for each in odo.ledger_entries()]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_frozen_ledger_does_not_tell_whose_it_is(
    house: dict[str, Client], tenants: Settings
) -> None:
    quote = await house["rob"].quote()
    with Redis.from_url(tenants.redis_url) as redis:
        redis.hincrby("{underpaint}:scope:user:acme/growth/web/ann", "spent", 1)
    async with sdk(house["odo"]) as odo:
        assert "acme" in (await odo.verify_ledger()).frozen
    with pytest.raises(LedgerFrozen) as told:
        await house["rob"].promote("promotion-8", quote_id=quote.id)
    assert "acme" not in str(told.value)


@pytest.mark.parametrize("team", ["growth", "films"], ids=["at once", "after an approval"])
async def test_one_quote_makes_one_promotion_however_many_ask_at_once(
    house: dict[str, Client], tenants: Settings, team: str
) -> None:
    let_in(tenants, bob=("acme", "'*'", "web", ["artist"]))
    bob, sent = house["bob"], request(account=Account(team=team))
    quote = await bob.quote(sent)
    before = (await house["odo"].budgets())["organisation:acme"]
    answers = await asyncio.gather(
        *(bob.promote(f"promotion-{number}", sent, quote_id=quote.id) for number in range(10, 21)),
        return_exceptions=True,
    )
    made = [each for each in answers if isinstance(each, Promotion)]
    refused = [each for each in answers if isinstance(each, QuoteExpired)]
    assert (len(made), len(refused)) == (1, 10)
    if team == "films":
        await asyncio.gather(*(house["lea"].approve(made[0].id) for _ in range(5)))
    finished = await bob.finished(made[0].id)
    assert await bob.promote(made[0].id, sent, quote_id=quote.id) == finished
    for quote_id in (quote.id, "", "gone"):  # the id alone makes it the same
        assert await bob.promote(made[0].id, sent, quote_id=quote_id) == finished
    after = (await house["odo"].budgets())["organisation:acme"]
    assert finished.receipt
    assert after == (before[0], before[1] + finished.receipt.charged_usd_micros)
    with pytest.raises(QuoteExpired, match="was promoted already"):
        await bob.promote("promotion-30", sent, quote_id=quote.id)


WRONG_IDS = [
    *("rival/acme/promotion-1", "acme//promotion-1", "acme/../acme/promotion-1"),
    *("ACME/promotion-1", "аcme/promotion-1", "acme/promotion-1\n", "*/promotion-1", "acme/*"),
    *("acme%2Fpromotion-1", "acme:promotion-1", "/acme/promotion-1", "acme/", "/", ""),
    *("acme/promotion-1\x00", "a" * 100_000, "acme/" * 10_000 + "promotion-1"),
]
WRONG_SCOPES = [
    *("organisation:acme", "team:acme/growth", "project:acme/growth/web"),
    *("user:acme/growth/web/ann", "organisation:*", "organisation:", ":acme", "acme"),
    *("organisation:rival/acme", "organisation:acme ", "organisation:rival organisation:acme"),
    *("team:../acme", "team:/acme/growth", "user:rival/growth/web/ann/x", "project:acme//web"),
    *("организация:acme", "organisation:аcme", "user:" + "a/" * 50_000, "organisation:ACME"),
]


@pytest.mark.parametrize("name", ["rob", "ria"])
async def test_no_spelling_of_an_id_or_a_scope_opens_another_organisation(
    house: dict[str, Client], name: str
) -> None:
    every = house[name]
    for promotion_id in WRONG_IDS:
        for rpc in ("GetPromotion", "Watch", "Cancel", "ExplainPromotion"):
            message = getattr(pb, f"{rpc}Request")(promotion_id=promotion_id)
            with pytest.raises((PromotionNotFound, InvalidRequest)) as refused:
                await ask(every, rpc, message)
            assert len(str(refused.value)) < 500
    for scope in WRONG_SCOPES:
        told, found = "", {}
        try:
            found = await every.spend(scope)
        except InvalidRequest as error:
            told = str(error)
        assert found == {}
        assert len(told) < 500
        with pytest.raises((NotAllowed, InvalidRequest)):
            await every.set_budget(scope, 0)
    assert (await house["odo"].budgets())["organisation:acme"][1]
    with pytest.raises(UnderpaintError):
        await every.set_budget("organisation:acme", 0)
