"""Every time that is shown says by which clock."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from underpaint.cli.output import times
from underpaint.contract.outbox import OutboxItem, OutboxState

from tests.integration.cli.conftest import Cli
from tests.integration.cli.test_commands import draft
from tests.integration.sdk.script import NOW
from tests.integration.sdk.stubs import Stubs


@pytest.fixture
def india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from zone("XXX-5:30", monkeypatch)


def zone(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("name", "told"),
    [("UTC0", "UTC"), ("XXX-2", "UTC+2"), ("XXX-5:45", "UTC+5:45"), ("XXX3:30", "UTC-3:30")],
)
def test_a_zone_is_its_offset(name: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in zone(name, monkeypatch):
        assert times.zone() == told
        assert times.heading("made") == f"made ({told})"


def test_all_moments_have_the_offset_of_their_heading(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list over a change of the clocks: the day's own offset would be another one."""
    for _ in zone("CET-1CEST,M3.5.0,M10.5.0/3", monkeypatch):
        offset = timedelta(hours=int(times.zone().removeprefix("UTC+")))
        for month in (1, 7):
            at = datetime(2026, month, 21, 6, 0, tzinfo=UTC)
            assert times.moment(at) == f"{at + offset:%m-%d %H:%M}"


@pytest.mark.usefixtures("india")
def test_lists_say_by_which_clock_their_moments_are(cli: Cli, stubs: Stubs) -> None:
    id_ = draft(cli)
    cli("promote", id_, "--yes", "--promotion-id", "promotion-1")
    stored = stubs.orchestrator.promotions["promotion-1"]
    object.__setattr__(stored, "dead", True)
    stubs.edge.outbox = [
        OutboxItem(
            promotion_id="kept",
            draft_id="d",
            prompt="a fox",
            state=OutboxState.HELD,
            reason="cut off",
            accepted_usd_micros=0,
            quoted_usd_micros=0,
            kept_at=NOW,
        )
    ]
    for command, heading in (
        (["drafts"], "made (UTC+5:30)"),
        (["promotions"], "made (UTC+5:30)"),
        (["promotions", "dead"], "ended (UTC+5:30)"),
        (["outbox", "list"], "kept (UTC+5:30)"),
    ):
        head, row, *_ = cli(*command).out.splitlines()
        assert heading in head
        assert "11-21 11:30" in row
    assert re.search(r"until \d\d:\d\d:\d\d \(UTC\+5:30\)", cli("quote", id_).out)
    assert "in force since 2026-11-21 11:30:00 (UTC+5:30)" in cli("policy", "show").out


@pytest.mark.usefixtures("india")
def test_what_counts_by_days_says_that_they_are_in_utc(cli: Cli) -> None:
    by_day = cli("spend", "--by", "team,day").out
    assert "day (UTC)" in by_day
    for told in (
        by_day,
        cli("spend", "--since", "7d").out,
        cli("budget", "set", "project:x", 5, "--per", "day").out,
        cli("budget", "show").out,
    ):
        assert "days and months are in UTC" in told
