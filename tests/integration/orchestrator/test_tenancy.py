"""Who may do what: every RPC, by the wrong organisation, the wrong role, and nobody."""

from __future__ import annotations

from typing import Any

import pytest
from underpaint.contract.accounting import Period
from underpaint.contract.errors import (
    ArtifactNotFound,
    NotAllowed,
    PromotionNotFound,
    QuoteExpired,
    Unauthenticated,
    UnderpaintError,
)
from underpaint.contract.promotion import Account, Promotion, PromotionState
from underpaint.orchestrator.api.roles import TABLE
from underpaint.v1 import orchestrator_pb2 as pb

from tests.integration.orchestrator.client import Client, request
from tests.integration.orchestrator.tenants import POLICY, SERVICE, ask, sdk

CHARGED = 1_000 + 1_738


def messages(promotion: Promotion, prefix: str = "") -> dict[str, Any]:
    """For every RPC a message that names what is somebody's; `prefix` stands before its ids."""
    named = {"promotion_id": f"{prefix}{promotion.id}"}
    assert promotion.artifact
    sent = request(account=Account(organisation="acme", team="growth", project="web", user="ann"))
    return {
        "Quote": pb.QuoteRequest(promotion=sent),
        "Promote": pb.PromoteRequest(
            head=pb.PromoteHead(**named, quote_id=promotion.quote.id, promotion=sent)
        ),
        "Watch": pb.WatchRequest(**named),
        "Cancel": pb.CancelRequest(**named),
        "GetPromotion": pb.GetPromotionRequest(**named),
        "ListPromotions": pb.ListPromotionsRequest(),
        "GetArtifact": pb.GetArtifactRequest(**named, sha256=promotion.artifact.sha256),
        "SetBudget": pb.SetBudgetRequest(scope="organisation:acme", limit_usd_micros=0),
        "ListBudgets": pb.ListBudgetsRequest(),
        "GetSpend": pb.GetSpendRequest(scope="organisation:acme"),
        "VerifyLedger": pb.VerifyLedgerRequest(),
        "ThawLedger": pb.ThawLedgerRequest(because="mine now"),
        "ReadLedger": pb.ReadLedgerRequest(),
        "ApprovePromotion": pb.ApprovePromotionRequest(**named),
        "DenyPromotion": pb.DenyPromotionRequest(**named, because="mine now"),
        "GetPolicy": pb.GetPolicyRequest(),
        "CheckPolicy": pb.CheckPolicyRequest(text=POLICY),
        "ExplainPromotion": pb.ExplainPromotionRequest(**named),
        "ReplayPolicy": pb.ReplayPolicyRequest(text=POLICY),
        "QuoteRetry": pb.QuoteRetryRequest(**named),
        "RetryPromotion": pb.RetryPromotionRequest(**named, quote_id="q"),
    }


def test_every_rpc_has_its_row() -> None:
    assert set(SERVICE.methods_by_name) == set(TABLE)


async def test_without_a_token_nothing_is_answered(house: dict[str, Client]) -> None:
    promotion = await house["ann"].get("promotion-1")
    every = messages(promotion)
    assert set(every) == set(SERVICE.methods_by_name)
    for rpc, message in every.items():
        with pytest.raises(Unauthenticated):
            await ask(house[""], rpc, message)


async def test_without_a_role_nothing_is_answered(house: dict[str, Client]) -> None:
    for rpc, message in messages(await house["ann"].get("promotion-1")).items():
        with pytest.raises(NotAllowed, match=f"{rpc} needs the role .*; acme/nil has no role"):
            await ask(house["nil"], rpc, message)


async def test_an_artist_does_what_an_artist_may_and_nothing_else(
    house: dict[str, Client],
) -> None:
    for rpc, message in messages(await house["ann"].get("promotion-1")).items():
        if "artist" in TABLE[rpc].own:
            continue
        with pytest.raises(NotAllowed, match=f"{rpc} needs the role"):
            await ask(house["ann"], rpc, message)


@pytest.mark.parametrize("prefix", ["", "acme/"])
@pytest.mark.parametrize("name", ["bob", "rob", "ria"])
async def test_somebody_else_s_is_as_if_it_were_not(
    house: dict[str, Client], name: str, prefix: str
) -> None:
    """Whether it is a colleague's without a role, another organisation's, or named outright."""
    promotion = await house["ann"].get("promotion-1")
    before = await house["ann"].budgets()
    for rpc, message in messages(promotion, prefix).items():
        if "promotion_id" not in message.DESCRIPTOR.fields_by_name:
            continue
        with pytest.raises((PromotionNotFound, NotAllowed)) as caught:
            await ask(house[name], rpc, message)
        if isinstance(caught.value, PromotionNotFound):
            unknown = type(message)()
            unknown.CopyFrom(message)
            unknown.promotion_id = f"{prefix}promotion-9"
            with pytest.raises(PromotionNotFound) as nothing:
                await ask(house[name], rpc, unknown)
            assert str(nothing.value).replace("promotion-9", "promotion-1") == str(caught.value)
    assert await house["ann"].get("promotion-1") == promotion
    assert await house["ann"].budgets() == before


async def test_listings_hold_what_is_in_reach(house: dict[str, Client]) -> None:
    async def listed(name: str) -> list[str]:
        async with sdk(house[name]) as caller:
            return [each.id for each in await caller.list_promotions()]

    assert await listed("ann") == ["promotion-1"]
    assert await listed("bob") == await listed("rob") == await listed("ria") == []
    assert await listed("cat") == ["promotion-2"]
    assert await listed("joe") == ["promotion-2"]  # who approves for films alone
    assert await listed("lea") == ["promotion-2"]  # whose approval it waits for
    assert await listed("ada") == ["promotion-2", "promotion-1"]
    assert await listed("odo") == ["acme/promotion-2", "acme/promotion-1"]
    for name, scopes in {
        "ann": {"organisation:acme"},
        "rob": {"organisation:rival"},
        "joe": set(),
        "odo": {"organisation:acme", "organisation:rival", "organisation:default"},
    }.items():
        assert set(await house[name].budgets()) == scopes, name
    assert (await house["ada"].spend("organisation:acme"))["organisation:acme"][1] == CHARGED
    assert (await house["ann"].spend())["user:acme/growth/web/ann"][1] == CHARGED
    for name in ("bob", "rob", "ria"):
        assert await house[name].spend() == {}
    async with sdk(house["ada"]) as caller:
        kinds = [(each.kind, each.promotion_id) async for each in caller.ledger_entries()]
        assert kinds == [("limit", ""), ("reserve", "promotion-1"), ("settle", "promotion-1")]
    async with sdk(house["ria"]) as caller:
        assert [each.kind async for each in caller.ledger_entries()] == ["limit"]


async def test_two_projects_of_one_name_are_two_budgets(house: dict[str, Client]) -> None:
    async with sdk(house["ada"]) as ada, sdk(house["ria"]) as ria:
        ours = await ada.set_budget("project:acme/growth/web", 5, period=Period.DAY)
        theirs = await ria.set_budget("project:growth/web", 7, period=Period.DAY)
        assert (ours.scope, theirs.scope) == ("project:acme/growth/web", "project:rival/growth/web")
        for wrong in ("project:acme/growth/web", "organisation:acme", "team:acme/x"):
            with pytest.raises(NotAllowed, match="SetBudget needs the role administrator at acme"):
                await ria.set_budget(wrong, 0)
        assert {each.scope for each in await ria.budgets()} == {
            "organisation:rival",
            "project:rival/growth/web",
        }


async def test_an_id_is_free_where_another_organisation_has_taken_it(
    house: dict[str, Client],
) -> None:
    rivals = await house["rob"].promote("promotion-1", request(draft_count=3))
    assert (rivals.id, rivals.promotion.account.organisation) == ("promotion-1", "rival")
    again = await house["ann"].promote("promotion-1")
    assert again.promotion.account.organisation == "acme"
    assert (await house["rob"].finished("promotion-1")).promotion.draft_count == 3


async def test_a_quote_is_for_its_caller_and_one_promotion(house: dict[str, Client]) -> None:
    quote = await house["ann"].quote()
    for thief in ("bob", "rob"):
        with pytest.raises(QuoteExpired, match="unknown or has expired"):
            await house[thief].promote("promotion-3", quote_id=quote.id)
    await house["ann"].promote("promotion-3", quote_id=quote.id)
    with pytest.raises(QuoteExpired, match="was promoted already"):
        await house["ann"].promote("promotion-4", quote_id=quote.id)
    assert (await house["ann"].promote("promotion-3", quote_id=quote.id)).id == "promotion-3"


async def test_who_approves_must_have_the_role_where_the_promotion_is(
    house: dict[str, Client],
) -> None:
    refusals: dict[str, type[UnderpaintError]] = {
        "cat": NotAllowed,
        "ria": PromotionNotFound,
    }
    for name, error in refusals.items():
        with pytest.raises(error):
            await house[name].approve("promotion-2")
    with pytest.raises(UnderpaintError, match="only somebody with role lead"):
        await house["joe"].approve("promotion-2")
    assert (await house["lea"].approve("promotion-2")).approved_by == "lea"
    assert (await house["cat"].finished("promotion-2")).state is PromotionState.SETTLED


async def test_an_artifact_is_had_by_the_promotion_it_belongs_to(
    house: dict[str, Client],
) -> None:
    promotion = await house["ann"].get("promotion-1")
    assert promotion.artifact
    await house["rob"].promote("promotion-1", request(draft_count=3))
    with pytest.raises(PromotionNotFound):
        await house["ria"].artifact("acme/promotion-1", promotion.artifact.sha256)
    with pytest.raises(ArtifactNotFound):
        await house["rob"].artifact("promotion-1", "0" * 64)
    for name, named in {
        "ann": "promotion-1",
        "ada": "promotion-1",
        "odo": "acme/promotion-1",
    }.items():
        assert await house[name].artifact(named, promotion.artifact.sha256)


async def test_only_the_house_s_own_prove_and_thaw_the_ledger(house: dict[str, Client]) -> None:
    for name in ("ada", "ria"):
        async with sdk(house[name]) as caller:
            with pytest.raises(NotAllowed, match="for all organisations"):
                await caller.verify_ledger()
            with pytest.raises(NotAllowed, match="for all organisations"):
                await caller.thaw_ledger("mine now", rebuild=True)
    async with sdk(house["odo"]) as caller:
        assert (await caller.verify_ledger()).mismatches == ()
