"""Every field that names something, filled with what is somebody else's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from underpaint.contract.errors import UnderpaintError
from underpaint.contract.promotion import Promotion
from underpaint.v1 import orchestrator_pb2 as pb

from tests.integration.orchestrator.client import Client, request
from tests.integration.orchestrator.tenants import POLICY, SERVICE, ask, sdk

# What no request can name anything of somebody's by.
PLAIN = {
    *("prompt", "negative_prompt", "seed", "width", "height", "strength", "guidance_scale"),
    *("num_inference_steps", "init_width", "init_height", "size", "media_type", "data"),
    *("privacy", "priority", "engine", "draft_count", "fit", "draft_model", "draft_seed"),
    *("page_size", "dead", "by", "since", "since_day", "from_day", "until_day", "period"),
    *("name", "weight", "scheduler", "clip_skip", "control_scale", "control_kind"),
    *("auto_strength", "prompt_moved", "draft_score"),
    *("limit_usd_micros", "soft", "remove", "because", "rebuild", "text"),
}


async def theirs(house: dict[str, Client]) -> dict[str, str]:
    """For each field that names something, what is ann's or acme's."""
    promotion = await house["ann"].get("promotion-1")
    assert promotion.artifact
    listing = await ask(house["ada"], "ListPromotions", pb.ListPromotionsRequest(page_size=1))
    return {
        "promotion_id": "acme/promotion-1",
        "quote_id": (await house["ann"].quote()).id,
        "sha256": promotion.artifact.sha256,
        "scope": "user:acme/growth/web/ann",
        "organisation": "acme",
        "team": "growth",
        "project": "web",
        "user": "ann",
        "page_token": listing.next_page_token,
        "after_event_id": (await house["ann"].events("promotion-1"))[0].id,
        "retry_of": "acme/promotion-1",
        "draft_id": "acme/ann/draft-1",
    }


def fields_of(descriptor: Descriptor) -> Iterator[tuple[str, ...]]:
    """The path of each field that holds a value, through the messages within."""
    for field in descriptor.fields:
        inner = field.message_type
        if inner and inner.full_name.startswith("underpaint."):
            yield from ((field.name, *path) for path in fields_of(inner))
        else:
            yield (field.name,)


def with_field(message: Any, path: tuple[str, ...], value: str) -> Any:
    changed = type(message)()
    changed.CopyFrom(message)
    holder = changed
    for name in path[:-1]:
        inner = getattr(holder, name)
        holder = inner if hasattr(inner, "DESCRIPTOR") else inner.add()
    setattr(holder, path[-1], value)
    return changed


def opens(rpc: str, field: str) -> bool:
    """Whether a field says what is to be reached, so that another's must be refused."""
    if field == "sha256":
        return rpc == "GetArtifact"  # a draft's digest opens nothing without its bytes
    return field in ("promotion_id", "quote_id", "page_token", "user")


def own_messages(own: Promotion, quote_id: str) -> dict[str, Any]:
    """For every RPC what its caller may say about what is its own."""
    named = {"promotion_id": own.id}
    sent = request(draft_count=3)
    head = pb.PromoteHead(promotion_id="promotion-7", quote_id=quote_id, promotion=sent)
    assert own.artifact
    return {
        "Quote": pb.QuoteRequest(promotion=sent),
        "Promote": pb.PromoteRequest(head=head),
        "Watch": pb.WatchRequest(**named),
        "Cancel": pb.CancelRequest(**named),
        "GetPromotion": pb.GetPromotionRequest(**named),
        "ListPromotions": pb.ListPromotionsRequest(),
        "GetArtifact": pb.GetArtifactRequest(**named, sha256=own.artifact.sha256),
        "SetBudget": pb.SetBudgetRequest(scope="project:web", limit_usd_micros=0),
        "ListBudgets": pb.ListBudgetsRequest(),
        "GetSpend": pb.GetSpendRequest(),
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
        "RetryPromotion": pb.RetryPromotionRequest(**named, quote_id=quote_id),
    }


async def test_every_field_is_tried_or_names_nothing(house: dict[str, Client]) -> None:
    naming = (await theirs(house)).keys()
    assert all((await theirs(house)).values())
    assert not naming & PLAIN
    methods = SERVICE.methods
    known = {path[-1] for each in methods for path in fields_of(each.input_type)}
    assert known == naming | PLAIN


@pytest.mark.parametrize("name", ["ria", "bob"])
async def test_no_field_opens_what_is_somebody_else_s(house: dict[str, Client], name: str) -> None:
    """Neither to the one who has every role elsewhere, nor to a colleague."""
    caller = house[name]
    small = request(draft_count=3)
    small.request.width = small.request.height = 512
    await caller.promote("promotion-5", small)
    own = await caller.finished("promotion-5")
    async with sdk(house["odo"]) as odo:
        before = await house["ann"].get("promotion-1"), await odo.budgets()
    values = await theirs(house)
    quoted = await caller.quote(request(draft_count=3))
    every = own_messages(own, quoted.id)
    assert set(every) == set(SERVICE.methods_by_name)
    tried = set()
    for rpc, message in every.items():
        for path in fields_of(message.DESCRIPTOR):
            if path[-1] not in values:
                continue
            tried.add(path[-1])
            refused = False
            try:
                told = str(await ask(caller, rpc, with_field(message, path, values[path[-1]])))
            except UnderpaintError as error:
                told, refused = str(error), True
            assert refused or not opens(rpc, path[-1]), (rpc, path, told)
            # What was sent may be said back.
            sent = values[path[-1]]
            said = sent.partition(":")[2] or sent  # a scope is told by its path alone
            told = told.replace(said if "/" in said else f"for {path[-1]} {said}", "")
            # A colleague's organisation is acme, too, and its budget and policy are theirs.
            assert not re.search(r"\bann\b" if name == "bob" else r"\b(acme|ann)\b", told), (
                rpc,
                path,
                told,
            )
    assert tried == values.keys()
    async with sdk(house["odo"]) as odo:
        after = [each for each in await odo.budgets() if each.scope == "organisation:acme"]
        assert await house["ann"].get("promotion-1") == before[0]
    if name == "ria":
        assert after == [each for each in before[1] if each.scope == "organisation:acme"]
    assert await house["ann"].artifact("promotion-1", values["sha256"])
    assert (await house["ann"].promote("promotion-6", quote_id=values["quote_id"])).id
