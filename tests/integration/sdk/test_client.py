"""The client against real gRPC services that misbehave on request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest
import pytest_asyncio
from underpaint.contract.drafts import Draft, InitImage, Privacy
from underpaint.contract.errors import (
    BudgetExceeded,
    DraftNotFound,
    EngineBusy,
    EngineFailed,
    InvalidRequest,
    LedgerUnavailable,
    PrivacyViolation,
    PromotionNotFound,
    ServiceUnreachable,
    Unauthenticated,
    Unavailable,
)
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import PromotionState
from underpaint.sdk.blocking import Underpaint
from underpaint.sdk.client import AsyncUnderpaint
from underpaint.sdk.peer import answers
from underpaint.sdk.requests import DraftRequest, PolishRequest

from tests.integration.sdk.stubs import Stubs, serving

LIMIT_S = 10.0  # until a test that would wait for ever fails
AT_ONCE = (0.0, 0.0, 0.0)
FOX = DraftRequest(prompt="a red fox", seed=7, count=3)
POLISH = PolishRequest(strength=0.6)


def client_of(stubs: Stubs, token: str = "") -> AsyncUnderpaint:
    return AsyncUnderpaint(
        edge=stubs.edge_address,
        orchestrator=stubs.orchestrator_address,
        token=token,
        pauses_s=AT_ONCE,
    )


@pytest_asyncio.fixture
async def client(stubs: Stubs) -> AsyncIterator[AsyncUnderpaint]:
    async with client_of(stubs) as opened:
        yield opened


async def drafted(client: AsyncUnderpaint, request: DraftRequest = FOX) -> list[InitImage]:
    async with aclosing(client.make_drafts(request)) as drafts:
        return [InitImage(draft=one, picture=data) async for one, data in drafts]


async def promoted(client: AsyncUnderpaint, promotion_id: str = "promotion-1") -> None:
    chosen = (await drafted(client))[0]
    quote = await client.quote(chosen, POLISH)
    await client.promote(chosen, POLISH, quote_id=quote.id, promotion_id=promotion_id)


async def test_each_draft_comes_with_its_own_picture(client: AsyncUnderpaint) -> None:
    drafts = await drafted(client)

    assert [one.draft.request.seed for one in drafts] == [7, 8, 9]
    assert all(Digest.of(one.picture) == one.draft.digest for one in drafts)
    assert drafts[0].draft.request.width == 128  # the model's own, since none was asked for


async def test_a_damaged_picture_is_never_handed_out(client: AsyncUnderpaint, stubs: Stubs) -> None:
    stubs.edge.damage = True

    with pytest.raises(EngineFailed, match="damaged"):
        await drafted(client)


async def test_a_reader_that_stops_early_cancels_the_call(
    client: AsyncUnderpaint, stubs: Stubs
) -> None:
    """Else the node would go on drawing, for nobody."""
    stubs.edge.pause_after = 1
    async with aclosing(client.make_drafts(replace(FOX, count=64))) as drafts:
        async for one, _ in drafts:
            assert one.request.seed == 7
            break

    assert await asyncio.to_thread(stubs.edge.left.wait, LIMIT_S)
    assert len(await client.list_drafts()) == 1  # the channel is as good as before


async def test_a_watcher_that_stops_early_cancels_the_call(
    client: AsyncUnderpaint, stubs: Stubs
) -> None:
    await promoted(client)
    stubs.orchestrator.hanging = True
    stubs.orchestrator.break_watch_after = [1]
    async with aclosing(client.watch("promotion-1")) as events:
        await anext(events)

    assert await asyncio.to_thread(stubs.orchestrator.left.wait, LIMIT_S)


def test_a_reader_of_the_sync_face_that_stops_early_cancels_the_call(stubs: Stubs) -> None:
    stubs.edge.pause_after = 1
    with Underpaint(client_of(stubs)) as underpaint:
        drafts = underpaint.make_drafts(replace(FOX, count=64))
        next(iter(drafts))
        drafts.close()  # type: ignore[attr-defined]
        assert stubs.edge.left.wait(LIMIT_S)


async def test_answers_cancel_their_call_though_somebody_still_holds_it(
    client: AsyncUnderpaint, stubs: Stubs
) -> None:
    """Without a holder the collector may do it, some day."""
    stubs.edge.pause_after = 1
    with client._edge.call("MakeDrafts") as options:
        call = client._edge.stub.MakeDrafts(replace(FOX, count=64).to_wire(), **options)
        async with aclosing(answers(call)) as parts:
            await anext(parts)
    assert call.cancelled()
    assert await asyncio.to_thread(stubs.edge.left.wait, LIMIT_S)


async def test_lists_turn_the_pages(client: AsyncUnderpaint) -> None:
    await drafted(client, replace(FOX, count=8))

    assert [one.request.seed for one in await client.list_drafts()] == list(range(14, 6, -1))
    assert len(await client.list_drafts(limit=4)) == 4


async def test_a_draft_is_found_by_the_beginning_of_its_id_and_forgotten(
    client: AsyncUnderpaint,
) -> None:
    chosen = (await drafted(client))[1]

    found, picture = await client.get_draft(chosen.draft.id[:8])
    assert (found, picture) == (chosen.draft, chosen.picture)

    await client.delete_draft(found.id)
    with pytest.raises(DraftNotFound):
        await client.get_draft(found.id)


async def test_a_draft_that_must_stay_cannot_be_quoted_or_sent(client: AsyncUnderpaint) -> None:
    async with aclosing(client.make_drafts(replace(FOX, privacy=Privacy.DEVICE))) as drafts:
        draft, picture = await anext(drafts)

    with pytest.raises(PrivacyViolation, match="stays on this device"):
        InitImage(draft=draft, picture=picture)


async def test_a_promotion_whose_reply_is_lost_is_retried_under_the_same_id(
    client: AsyncUnderpaint, stubs: Stubs
) -> None:
    stubs.orchestrator.lose_promote_replies = 2
    chosen = (await drafted(client))[0]

    promotion = await client.promote(chosen, POLISH, quote_id="quote-1")

    assert stubs.orchestrator.heads == [promotion.id] * 3
    assert len(stubs.orchestrator.promotions) == 1


async def test_a_promotion_is_not_retried_for_ever(client: AsyncUnderpaint, stubs: Stubs) -> None:
    stubs.orchestrator.lose_promote_replies = 99
    chosen = (await drafted(client))[0]

    with pytest.raises(Unavailable):
        await client.promote(chosen, POLISH, quote_id="quote-1")

    assert len(stubs.orchestrator.heads) == 1 + len(AT_ONCE)


async def test_only_what_is_unavailable_is_retried(client: AsyncUnderpaint, stubs: Stubs) -> None:
    stubs.orchestrator.script.errors["Promote"] = [BudgetExceeded("project:x has $0.00 left")]
    chosen = (await drafted(client))[0]

    with pytest.raises(BudgetExceeded, match="project:x"):
        await client.promote(chosen, POLISH, quote_id="quote-1")

    assert stubs.orchestrator.script.calls.count("Promote") == 1


async def test_a_busy_engine_is_reported_not_retried(client: AsyncUnderpaint, stubs: Stubs) -> None:
    stubs.edge.script.errors["MakeDrafts"] = [EngineBusy("other work is being done")]

    with pytest.raises(EngineBusy):
        await drafted(client)

    assert stubs.edge.script.calls == ["MakeDrafts"]


async def test_a_watcher_resumes_without_gap_or_repeat(
    client: AsyncUnderpaint, stubs: Stubs
) -> None:
    await promoted(client)
    stubs.orchestrator.break_watch_after = [2, 0, 1]
    stubs.orchestrator.script.errors["Watch"] = [LedgerUnavailable("not now")]

    async with aclosing(client.watch("promotion-1")) as stream:
        events = [event async for event in stream]

    assert [event.id for event in events] == [f"{i:04d}" for i in range(1, 7)]
    assert events[-1].state is PromotionState.SETTLED


async def test_a_watcher_gives_up_when_nothing_comes_any_more(
    client: AsyncUnderpaint, stubs: Stubs
) -> None:
    await promoted(client)
    stubs.orchestrator.break_watch_after = [1] + [0] * 9
    stream = client.watch("promotion-1")

    assert (await anext(stream)).id == "0001"
    with pytest.raises(Unavailable):
        await anext(stream)
    assert stubs.orchestrator.script.calls.count("Watch") == 1 + len(AT_ONCE)


async def test_watching_from_the_last_event_on_ends(client: AsyncUnderpaint) -> None:
    await promoted(client)

    async with aclosing(client.watch("promotion-1", after_event_id="0006")) as stream:
        assert [event async for event in stream] == []


async def test_watching_what_does_not_exist_says_so(client: AsyncUnderpaint) -> None:
    with pytest.raises(PromotionNotFound):
        async with aclosing(client.watch("promotion-9")) as stream:
            await anext(stream)


async def test_an_artifact_is_checked_against_the_name_it_was_asked_by(
    client: AsyncUnderpaint, stubs: Stubs
) -> None:
    await promoted(client)
    promotion = await client.get_promotion("promotion-1")
    assert promotion.artifact is not None
    sha256 = promotion.artifact.sha256
    assert Digest.of(await client.get_artifact("promotion", sha256)).sha256 == sha256

    stubs.orchestrator.artifacts[sha256] = b"something else of some length"
    with pytest.raises(EngineFailed, match="damaged"):
        await client.get_artifact("promotion", sha256)


async def test_nobody_there_is_a_domain_error() -> None:
    async with AsyncUnderpaint(edge="127.0.0.1:1", orchestrator="", pauses_s=()) as client:
        with pytest.raises(ServiceUnreachable, match=r"edge at 127\.0\.0\.1:1 is out of reach"):
            await client.node()
        with pytest.raises(ServiceUnreachable, match="the address of the orchestrator"):
            await client.budgets()


async def test_the_token_is_sent_and_its_lack_is_told() -> None:
    with serving(token="secret") as stubs:
        async with client_of(stubs, "secret") as client:
            assert (await client.node()).model == "stub-lite"
        async with client_of(stubs) as client:
            with pytest.raises(Unauthenticated):
                await client.node()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"prompt": " "}, "prompt is empty"),
        ({"prompt": "x" * 1_001}, "1001 characters"),
        ({"prompt": "fox \udcff"}, "UTF-8"),
        ({"count": 0}, "1 to 64"),
        ({"count": 65}, "1 to 64"),
        ({"seed": -1}, "seed -1"),
        ({"width": 100}, "multiple of 8"),
        ({"width": 0}, "multiple of 8"),
        ({"height": 4_096}, "64 to 2048"),
        ({"num_inference_steps": 0}, "1 to 150"),
        ({"guidance_scale": float("nan")}, "guidance_scale"),
    ],
)
def test_a_wrong_draft_request_is_refused_before_anything_is_sent(
    wrong: dict[str, object], told: str
) -> None:
    with pytest.raises(InvalidRequest, match=told):
        replace(FOX, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"strength": 0.0}, "strength 0"),
        ({"strength": 1.1}, "strength 1.1"),
        ({"strength": float("nan")}, "strength nan"),
        ({"prompt": ""}, "prompt is empty"),
        ({"width": 1_001}, "multiple of 8"),
        ({"num_inference_steps": 151}, "1 to 150"),
        ({"draft_count": 0}, "at least 1"),
    ],
)
def test_a_wrong_polish_request_is_refused_before_anything_is_sent(
    wrong: dict[str, object], told: str
) -> None:
    with pytest.raises(InvalidRequest, match=told):
        replace(POLISH, **wrong)  # type: ignore[arg-type]


def test_the_sync_face_does_the_same(stubs: Stubs) -> None:
    with Underpaint(client_of(stubs)) as client:
        made: list[tuple[Draft, bytes]] = list(client.make_drafts(FOX))
        chosen = InitImage(draft=made[0][0], picture=made[0][1])
        quote = client.quote(chosen, POLISH)
        promotion = client.promote(chosen, POLISH, quote_id=quote.id)
        states = [event.state for event in client.watch(promotion.id)]
        with pytest.raises(DraftNotFound):
            client.get_draft("nothing")

        assert states[-1] is PromotionState.SETTLED
        assert client.set_budget("project:x", 5_000_000).limit_usd_micros == 5_000_000
        for _ in client.make_drafts(FOX):
            break
    client.close()  # once more does no harm


async def test_cancelling_the_caller_cancels_the_call(
    client: AsyncUnderpaint, stubs: Stubs
) -> None:
    await promoted(client)
    stubs.orchestrator.hanging = True
    stubs.orchestrator.break_watch_after = [1]
    first = asyncio.Event()

    async def watch() -> None:
        async with aclosing(client.watch("promotion-1")) as stream:
            async for _ in stream:
                first.set()

    watching = asyncio.create_task(watch())
    await asyncio.wait_for(first.wait(), 10)
    watching.cancel()

    with pytest.raises(asyncio.CancelledError):
        await watching
