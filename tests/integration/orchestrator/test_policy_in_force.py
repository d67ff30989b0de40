"""Policy in a whole orchestrator: explained, replayed, and exchanged while it runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from underpaint.contract import wire
from underpaint.contract.errors import InvalidRequest, PolicyRefused, UnderpaintError
from underpaint.contract.policy import Explanation, PolicyCheck, PolicyStatus, Replay
from underpaint.contract.rim import translated
from underpaint.contract.wire import policy
from underpaint.orchestrator.app import run
from underpaint.orchestrator.settings import Settings
from underpaint.v1 import orchestrator_pb2 as pb

from tests.integration.orchestrator.client import Client, request
from tests.integration.orchestrator.stub_cloud import StubCloud
from tests.unit.orchestrator.samples import GENERATION

BEFORE = """rules:
  - {name: large, when: request.pixels > 2000000, refuse: too large}
  - name: fit
    when: request.num_inference_steps > 20
    downgrade: {engine: full, most: {num_inference_steps: 20}}
  - {name: polish, route: full}
"""
STRICT = """rules:
  - {name: no, when: quote.max_usd_micros > 5, refuse: dear}
  - {name: p, route: full}
"""
HEALTHY = """rules:
  - {name: down, when: "!('full' in engines.healthy)", refuse: the engine is down}
  - name: rest
    when: budget.left_usd_micros < quote.max_usd_micros
    refuse: keep the rest
  - {name: polish, route: full}
"""
BAD = "rules:\n  - {name: no, when: draft.x > 5, refuse: dear}\n"
# Twenty times a list is doubled: it took all memory there was.
HOSTILE = f"""rules:
  - name: no
    when: "[[1, 1, 1]]{".map(a, a + a)" * 20}[0].size() > 0"
    refuse: no
  - {{name: p, route: full}}
"""
# Takes seconds to check: each rule is compared with all before it.
LONG = "rules:\n" + "".join(
    f"  - {{name: r{n}, when: request.width > {n} && request.height > {n}, refuse: no}}\n"
    for n in range(199, 0, -1)
)
Reload = Callable[[str], None]


class Asker(Client):
    async def explain(self, promotion_id: str) -> Explanation:
        with translated("orchestrator"):
            answer = await self.stub.ExplainPromotion(
                pb.ExplainPromotionRequest(promotion_id=promotion_id), timeout=20
            )
        return policy.explanation_from_wire(answer)

    async def replay(self, text: str, since: datetime) -> Replay:
        with translated("orchestrator"):
            answer = await self.stub.ReplayPolicy(
                pb.ReplayPolicyRequest(text=text, since=wire.time_to_wire(since)), timeout=20
            )
        return policy.replay_from_wire(answer)

    async def check(self, text: str) -> PolicyCheck:
        with translated("orchestrator"):
            answer = await self.stub.CheckPolicy(pb.CheckPolicyRequest(text=text), timeout=20)
        return policy.check_from_wire(answer)

    async def status(self) -> PolicyStatus:
        return policy.status_from_wire(await self.stub.GetPolicy(pb.GetPolicyRequest(), timeout=20))

    async def status_when(self, holds: Callable[[PolicyStatus], bool]) -> PolicyStatus:
        async with asyncio.timeout(20):
            while not holds(status := await self.status()):
                pass
        return status


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(BEFORE)
    return file


@pytest.fixture
async def asker(settings: Settings, file: Path) -> AsyncIterator[tuple[Asker, Reload]]:
    """A client, and a way to change the policy as SIGHUP does."""
    stop, reload = asyncio.Event(), asyncio.Event()
    own = settings.model_copy(update={"policy": file})
    running = asyncio.create_task(run(own, stop, reload))
    client = Asker(own.listen)
    await client.wait_until_served(running)

    def change(text: str) -> None:
        file.write_text(text)
        reload.set()

    yield client, change
    await client.close()
    stop.set()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_promotion_is_explained_by_the_policy_of_its_time(
    asker: tuple[Asker, Reload],
) -> None:
    client, change = asker
    await client.promote("promotion-1")
    first = await client.explain("promotion-1")
    assert first.in_force
    assert [(e.verdict.rule, e.line, e.reached, e.verdict.decided) for e in first.rules] == [
        ("large", 2, True, False),
        ("fit", 3, True, True),
        ("polish", 6, False, False),
    ]
    assert first.rules[0].verdict.saw == {"request.pixels": "1048576"}
    assert first.rules[1].when == "request.num_inference_steps > 20"
    assert first.rules[1].verdict.reason == "goes to full with 20 steps for 28"
    change(STRICT)
    await client.status_when(lambda status: status.text == STRICT)
    later = await client.explain("promotion-1")
    assert not later.in_force
    assert later.rules == first.rules


async def test_a_downgraded_promotion_is_made_charged_and_repeated_as_quoted(
    asker: tuple[Asker, Reload],
) -> None:
    client, _ = asker
    quote = await client.quote()
    assert quote.asked == GENERATION
    assert quote.request.num_inference_steps == 20
    first = await client.promote("promotion-1", quote_id=quote.id)
    again = await client.promote("promotion-1", quote_id=quote.id)
    assert again.created_at == first.created_at
    finished = await client.finished("promotion-1")
    assert finished.lineage
    assert finished.lineage.request.num_inference_steps == 20
    unset = request()
    unset.request.num_inference_steps = 0
    await client.promote("promotion-2", unset)
    assert (await client.finished("promotion-2")).quote.request.num_inference_steps == 20


async def test_a_bad_file_leaves_the_policy_before_in_force(
    asker: tuple[Asker, Reload], file: Path
) -> None:
    client, change = asker
    quote = await client.quote()
    change(BAD)
    status = await client.status_when(lambda status: bool(status.problems))
    assert (status.text, status.file) == (BEFORE, str(file))
    assert "draft.x is unknown" in status.problems[0].told
    assert (await client.quote()).policy_version == quote.policy_version == status.version
    change(STRICT)
    status = await client.status_when(lambda status: not status.problems)
    assert status.text == STRICT
    with pytest.raises(PolicyRefused, match="dear"):
        await client.quote()
    # What was quoted before keeps its policy, as it keeps its price.
    promoted = await client.promote("promotion-1", quote_id=quote.id)
    assert promoted.quote.policy_version == quote.policy_version


async def test_health_and_balance_are_found_out_and_kept_with_the_quote(
    asker: tuple[Asker, Reload], cloud: StubCloud
) -> None:
    client, change = asker
    assert "engines.healthy" not in (await client.quote()).facts  # no rule looks at it
    change(HEALTHY)
    await client.status_when(lambda status: status.text == HEALTHY)
    quote = await client.quote()
    assert quote.facts["engines.healthy"] == '["full"]'
    assert quote.facts["budget.scope"] == '"organisation:default"'
    assert quote.facts["budget.left_usd_micros"] == "10000000"
    assert [each.decided for each in quote.verdicts] == [False, False, True]
    await client.set_budget("project:default", 80_000)
    with pytest.raises(PolicyRefused, match="keep the rest"):
        await client.quote()
    cloud.served = []
    async with asyncio.timeout(20):  # until what was heard is no longer fresh
        while True:
            try:
                await client.quote()
            except PolicyRefused as refusal:
                if "down" in str(refusal):
                    break


async def test_a_replay_is_beside_what_happened(asker: tuple[Asker, Reload]) -> None:
    client, _ = asker
    for number in range(3):
        await client.promote(f"promotion-{number}")
        await client.finished(f"promotion-{number}")
    since = datetime.now(UTC) - timedelta(days=7)
    same = await client.replay(BEFORE, since)
    assert {each.outcome: (each.before, each.after) for each in same.lines if each.before} == {
        "downgraded": (3, 3)
    }
    assert same.before_usd_micros == same.after_usd_micros > 0
    assert same.changed == 0
    strict = await client.replay(STRICT, since)
    assert {each.outcome: each.after for each in strict.lines if each.after} == {"refused": 3}
    assert strict.after_usd_micros == 0
    assert [each.promotion_id for each in strict.changes] == [f"promotion-{n}" for n in (2, 1, 0)]
    with pytest.raises(InvalidRequest, match=r"policy:2: .*draft.x is unknown"):
        await client.replay(BAD, since)
    with pytest.raises(InvalidRequest, match="future"):
        await client.replay(STRICT, datetime.now(UTC) + timedelta(days=1))


async def test_a_policy_that_could_take_all_memory_is_refused_and_nothing_else_suffers(
    asker: tuple[Asker, Reload],
) -> None:
    client, change = asker
    await client.promote("promotion-1")
    check = await client.check(HOSTILE)
    assert [each.line for each in check.problems] == [3]
    assert "steps; at most 20,000 are allowed; use shorter lists" in check.problems[0].told
    with pytest.raises(InvalidRequest, match=r"policy:3: rules\[0\].when: may take .* steps"):
        await client.replay(HOSTILE, datetime.now(UTC) - timedelta(days=7))
    change(HOSTILE)
    status = await client.status_when(lambda status: bool(status.problems))
    assert (status.text, status.problems[0].line) == (BEFORE, 3)
    assert (await client.explain("promotion-1")).in_force
    assert (await client.check(STRICT)).rules == 2


async def test_an_orchestrator_that_stops_ends_what_reads_policies(
    settings: Settings,
) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, stop))
    client = Asker(settings.listen)
    await client.wait_until_served(running)
    before = children()
    asking = asyncio.create_task(client.check(LONG))
    async with asyncio.timeout(20):
        while not (started := children() - before):
            await client.status()
    stop.set()
    await running
    assert not started & children()
    with pytest.raises(UnderpaintError):
        await asking
    await client.close()


def children() -> set[str]:
    """Processes that this one started and that have not ended."""
    return {
        pid
        for listed in Path("/proc/self/task").glob("*/children")
        for pid in listed.read_text().split()
    }
