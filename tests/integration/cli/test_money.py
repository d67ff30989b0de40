"""The commands about money: what they ask, print and write."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from underpaint.contract.accounting import LedgerEntry
from underpaint.contract.errors import LedgerFrozen

from tests.integration.cli.conftest import Cli
from tests.integration.sdk.stubs import Stubs

SETTLED = LedgerEntry(
    id="5-1",
    number=2,
    at=datetime(2026, 11, 21, 6, 0, 0, 123000, tzinfo=UTC),
    kind="settle",
    promotion_id="promotion-1",
    scopes=("organisation:o", "team:t", "project:p", "user:u"),
    day="2026-11-20",
    reserved_usd_micros=-12_500,
    spent_usd_micros=9_400,
    model="stub, with a comma",
    cloud_only_usd_micros=112_500,
)
LIMITED = LedgerEntry(
    id="4-0", number=1, at=SETTLED.at, kind="limit", scopes=("project:p",), note="$5.00 a day"
)


def test_a_scope_has_a_limit_for_each_period(cli: Cli) -> None:
    assert cli("budget", "set", "project:x", 5, "--per", "day").code == 0
    assert cli("budget", "set", "project:x", 50, "--per", "month", "--soft").code == 0
    days = ("--from", "2026-11-01", "--until", "2026-12-24")
    assert "2026-11-01 to 2026-12-24" in cli("budget", "set", "project:x", 70, *days).out
    assert "ever" in cli("budget", "set", "user:ada", 9).out

    shown = cli("budget", "show").out.splitlines()
    assert [line.split()[:3] for line in shown[1:3]] == [
        ["project:x", "day", "$5.00"],
        ["project:x", "month", "$50.00"],
    ]
    assert shown[2].split()[-1] == "soft"
    assert len(shown) == 6
    assert shown[5] == "days and months are in UTC"
    (day, *_) = cli("budget", "show", "--json").json["budgets"]
    assert (day["period"], day["soft"], day["from_day"]) == ("day", False, "")

    assert (
        "no longer has a limit for a day"
        in cli("budget", "remove", "project:x", "--per", "day").out
    )
    assert len(cli("budget", "show", "--json").json["budgets"]) == 3
    assert cli("budget", "set", "project:x", 5, "--per", "week").code == 2


@pytest.mark.parametrize(
    "command", [("budget", "set", "project:x"), ("up", "--budget")], ids=["budget", "up"]
)
def test_a_sum_that_can_be_read_in_two_ways_is_refused(cli: Cli, command: tuple[str, ...]) -> None:
    ended = cli(*command, "1,50")
    assert ended.code == 2
    assert "$1.50 or $150" in ended.err
    assert cli("budget", "show", "--json").json == {"budgets": []}


def test_spend_by_dimensions_as_table_bars_and_picture(
    cli: Cli, stubs: Stubs, tmp_path: Path
) -> None:
    png = tmp_path / "new" / "spend.png"
    shown = cli("spend", "--by", "team,project,model,day", "--since", "2026-11-01", "--png", png)

    assert stubs.orchestrator.spend_requests == [
        ("", ("team", "project", "model", "day"), "2026-11-01")
    ]
    for told in ("a-team", "a-day", "$0.0094", "$0.1125", "$0.1031", str(png)):
        assert told in shown.out
    charged, all_cloud = (line.count("█") for line in shown.out.splitlines()[1:3])
    assert (charged, all_cloud) == (2, 30)  # 9,400 of 112,500 on 30 columns: two and a half
    with Image.open(png) as image:
        colours = image.convert("RGB").getcolors(1 << 20)
    assert colours
    counts = {colour: count for count, colour in colours}
    charged, all_cloud = counts[0x2F, 0x9E, 0x75], counts[0xD3, 0xDA, 0xE0]
    assert 8 < (all_cloud - 200) / (charged - 200) < 16  # about 112,500 / 9,400 = 12


def test_since_takes_the_last_days(cli: Cli, stubs: Stubs) -> None:
    before = datetime.now(UTC).date()
    cli("spend", "--since", "7d")
    after = datetime.now(UTC).date()
    ((_, _, asked),) = stubs.orchestrator.spend_requests
    assert asked in {(day - timedelta(days=6)).isoformat() for day in (before, after)}
    for wrong in ("yesterday", "2026-13-01", "2026-1-1"):
        ended = cli("spend", "--since", wrong)
        assert ended.code == 2
        assert "not a day" in ended.err


def test_verify_says_that_it_adds_up_or_what_does_not(cli: Cli, stubs: Stubs) -> None:
    good = cli("ledger", "verify")
    assert good.code == 0
    assert "12 entries since entry 28" in good.out
    assert "the ledger adds up" in good.out

    found = replace(stubs.orchestrator.verification, mismatches=("user:u [1]",), frozen="a hole")
    stubs.orchestrator.verification = found
    bad = cli("ledger", "verify")
    assert bad.code == 1
    for told in ("✗ user:u [1]", "spending is frozen: a hole", "ledger thaw --because"):
        assert told in bad.out
    assert "adds up" not in bad.out
    as_json = cli("ledger", "verify", "--json")
    assert (as_json.code, as_json.json["mismatches"]) == (1, ["user:u [1]"])


def test_thaw_needs_a_reason(cli: Cli, stubs: Stubs) -> None:
    stubs.orchestrator.verification = replace(stubs.orchestrator.verification, frozen="a hole")
    assert cli("ledger", "thaw").code == 2
    assert "it was frozen: a hole" in cli("ledger", "thaw", "--because", "checked").out
    assert cli("ledger", "thaw", "--because", "again", "--rebuild").code == 0
    assert stubs.orchestrator.thawed == [("checked", False), ("again", True)]
    stubs.orchestrator.script.errors["ThawLedger"] = [LedgerFrozen("entries are missing")]
    refused = cli("ledger", "thaw", "--because", "again", "--rebuild")
    assert (refused.code, refused.err) == (3, "error: entries are missing\n")


def test_export_writes_every_entry_as_csv(cli: Cli, stubs: Stubs, tmp_path: Path) -> None:
    stubs.orchestrator.entries = [LIMITED, SETTLED]
    out = tmp_path / "new" / "ledger.csv"
    assert "2 entries" in cli("ledger", "export", "--output", out).out

    with out.open(newline="") as file:
        limited, settled = csv.DictReader(file)
    assert (limited["project"], limited["team"], limited["note"]) == ("p", "", "$5.00 a day")
    assert settled["at"] == "2026-11-21T06:00:00.123000+00:00"
    assert (settled["organisation"], settled["user"]) == ("o", "u")
    assert (settled["reserved_usd_micros"], settled["spent_usd_micros"]) == ("-12500", "9400")
    assert settled["model"] == "stub, with a comma"
    assert [path.name for path in out.parent.iterdir()] == ["ledger.csv"]


def test_export_writes_parquet_with_whole_numbers(cli: Cli, stubs: Stubs, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    stubs.orchestrator.entries = [LIMITED, SETTLED]
    out = tmp_path / "ledger.parquet"
    assert cli("ledger", "export", "--format", "parquet", "--output", out).code == 0

    table = parquet.read_table(out)
    assert str(table.schema.field("spent_usd_micros").type) == "int64"
    assert table.column("spent_usd_micros").to_pylist() == [0, 9_400]
    assert table.column("at").to_pylist()[1] == SETTLED.at


def test_parquet_without_pyarrow_says_what_to_install(
    cli: Cli, stubs: Stubs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = tmp_path / "ledger.parquet"
    ended = cli("ledger", "export", "--format", "parquet", "--output", out)
    assert ended.code == 2
    assert 'pip install "underpaint[parquet]"' in ended.err
    assert not out.exists()
    assert stubs.orchestrator.script.calls == []


def test_export_to_a_place_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    ended = cli("ledger", "export", "--output", tmp_path / "dir")
    assert (ended.code, [*tmp_path.glob(".*")]) == (2, [])
    assert "cannot write" in ended.err
