"""A policy is exchanged whole, or not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidRequest
from underpaint.orchestrator.policy import InForce, Policy
from underpaint.orchestrator.policy.isolation import Isolation

from tests.unit.orchestrator.policy.scenes import decided, rule

GOOD, OTHER, BAD = rule(), rule("quote.max_usd_micros > 5", refuse="no"), rule("draft.x == 1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(GOOD)
    return file


def test_a_bad_file_at_the_start_is_refused(file: Path) -> None:
    file.write_text(BAD)
    with pytest.raises(InvalidRequest, match=r"policy.yaml:3: .*draft.x is unknown"):
        InForce(file, {"full"})


def change(file: Path, text: str | None) -> None:
    """None takes it away."""
    file.unlink() if text is None else file.write_text(text)


async def test_another_text_is_taken_once_it_has_stood_for_a_look(file: Path) -> None:
    force = InForce(file, {"full"})
    before, since = force.current, force.since
    assert not await force.look(settled=False)
    change(file, OTHER)
    assert not await force.look(settled=False)  # it may be half written
    assert force.current is before
    assert await force.look(settled=False)
    assert force.current.text == OTHER
    assert force.since > since
    assert not await force.look(settled=False)


async def test_a_bad_text_leaves_the_policy_before_in_force_and_says_so(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    force = InForce(file, {"full"})
    before = force.current
    change(file, BAD)
    for _ in range(3):
        assert not await force.look(settled=True)
    assert force.current is before
    status = force.status
    assert [each.line for each in status.problems] == [3]
    assert status.version == before.version
    assert sum("stays in force" in line for line in caplog.messages) == 1  # said once
    change(file, GOOD)
    await force.look(settled=True)
    assert not force.problems
    change(file, None)
    await force.look(settled=True)
    assert ["cannot be read" in each.told for each in force.status.problems] == [True]
    assert force.current.text == GOOD


async def test_a_policy_is_taken_once_somebody_has_the_role_that_it_names(file: Path) -> None:
    """Callers come without a restart, so their roles do."""
    roles = {"artist"}
    force = InForce(file, {"full"}, lambda: roles)
    change(file, rule(require_approval="{engine: full, role: lead, within: 4h}"))
    assert not await force.look(settled=True)
    assert ["no caller has role 'lead'" in each.told for each in force.problems] == [True]
    roles = {"artist", "lead"}
    assert await force.look(settled=False)
    assert not force.problems
    roles = {"artist"}
    assert not await force.look(settled=False)
    assert ["no caller has role 'lead'" in each.told for each in force.problems] == [True]


async def test_a_decision_goes_on_with_the_policy_it_began_with(file: Path) -> None:
    force = InForce(file, {"full"})
    taken = force.current
    change(file, OTHER)
    assert await force.look(settled=True)
    assert decided(taken).refusal is None
    assert decided(force.current).refusal


async def test_a_text_that_takes_too_long_is_not_taken_and_another_is(file: Path) -> None:
    force = InForce(file, {"full"}, isolation=Isolation(call_s=0.001))
    before = force.current
    change(file, OTHER)
    assert not await force.look(settled=True)
    assert force.current is before
    (problem,) = force.status.problems
    assert "the policy takes too much time" in problem.told
    slow = InForce(file, {"full"})
    change(file, GOOD)
    assert await slow.look(settled=True)


async def test_a_text_that_cannot_be_read_now_is_no_bad_text(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    isolation = Isolation()
    force = InForce(file, {"full"}, isolation=isolation)
    await isolation.close()
    change(file, OTHER)
    assert not await force.look(settled=True)
    assert not force.status.problems
    assert "it is tried again" in caplog.text


async def test_told_to_it_looks_at_once(file: Path) -> None:
    force = InForce(file, {"full"})
    change(file, OTHER)
    reload = asyncio.Event()
    kept: list[str] = []

    async def keep(policy: Policy) -> None:
        kept.append(policy.text)

    watching = asyncio.create_task(force.watch(reload, keep, every_s=600))
    reload.set()
    async with asyncio.timeout(20):
        while len(kept) < 2:
            await asyncio.to_thread(lambda: None)
    assert force.current.text == OTHER
    assert kept[-1] == OTHER
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
