"""Files that commands write: checked before anything is paid, whole, never over another."""

from __future__ import annotations

import io
import json
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from underpaint.cli.output import files
from underpaint.contract.accounting import LedgerEntry
from underpaint.contract.errors import ServiceUnreachable
from underpaint.contract.pictures import Digest, encode_preview
from underpaint.contract.promotion import PromotionEvent

from tests.integration.cli.conftest import Cli
from tests.integration.cli.shell import Said, shell
from tests.integration.cli.test_commands import draft
from tests.integration.sdk.script import NOW
from tests.integration.sdk.stubs import Stubs

THERE = b"somebody's own work"
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def settled(cli: Cli) -> str:
    """A promotion that is finished."""
    cli("promote", draft(cli), "--yes", "--promotion-id", "promotion-1")
    return "promotion-1"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("a.webp", "WEBP")],
)
def test_a_file_holds_what_its_name_says(
    cli: Cli, settled: str, tmp_path: Path, name: str, kind: str
) -> None:
    for command in (
        ("promote", draft(cli), "--yes"),
        ("watch", settled),
        ("show", settled),
    ):
        assert cli(*command, "--out", name, "--force").code == 0
        with Image.open(tmp_path / name) as image:
            assert (image.format, image.size) == (kind, (1024, 1024))
    assert cli("spend", "--png", name, "--force").code == 0
    with Image.open(tmp_path / name) as image:
        assert image.format == kind


def test_a_png_is_saved_byte_for_byte(cli: Cli, stubs: Stubs, settled: str, tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG", compress_level=0)  # not as we would write it
    ((draft_, _),) = stubs.edge.drafts.values()
    drawn = replace(draft_, digest=Digest.of(out.getvalue()))
    stubs.edge.drafts = {drawn.id: (drawn, out.getvalue())}
    assert cli("show", drawn.id, "--out", "a.png").code == 0
    assert (tmp_path / "a.png").read_bytes() == out.getvalue()


@pytest.mark.parametrize("name", ["final.gif", "final", "final.png.txt", ".png"])
def test_an_unknown_kind_is_refused_before_anything_is_paid(
    cli: Cli, stubs: Stubs, tmp_path: Path, name: str
) -> None:
    id_ = draft(cli)
    before = list(stubs.orchestrator.script.calls)
    for command in (("promote", id_, "--yes", "--out"), ("show", id_, "--out"), ("spend", "--png")):
        ended = cli(*command, name)
        assert (ended.code, "end its name in .png, .jpg, .jpeg or .webp" in ended.err) == (2, True)
    assert stubs.orchestrator.script.calls == before
    assert not (tmp_path / name).exists()


def test_a_name_that_no_file_can_have_is_refused_before_anything_is_paid(
    cli: Cli, stubs: Stubs, tmp_path: Path
) -> None:
    id_ = draft(cli)
    (tmp_path / "file").write_bytes(THERE)
    for name in ("a" * 300 + ".png", "file/final.png", "file/more/final.png"):
        refused = cli("promote", id_, "--yes", "--out", name)
        assert (refused.code, "cannot write" in refused.err) == (2, True)
    assert not stubs.orchestrator.promotions


def lines(id_: str, settled: str) -> dict[str, list[str]]:
    """Every command that writes a file of a name that is given; the name comes last."""
    return {
        "promote": ["promote", id_, "--yes", "--out"],
        "watch": ["watch", settled, "--out"],
        "show": ["show", id_, "--out"],
        "spend": ["spend", "--png"],
        "export": ["ledger", "export", "--format", "csv", "--output"],
    }


@pytest.mark.parametrize("name", list(lines("", "")))
def test_a_file_that_is_there_is_replaced_only_if_that_is_asked_for(
    cli: Cli, stubs: Stubs, settled: str, tmp_path: Path, name: str
) -> None:
    line = lines("00000000", settled)[name]
    there = tmp_path / ("there.csv" if name == "export" else "there.png")
    there.write_bytes(THERE)
    before = list(stubs.orchestrator.script.calls)

    refused = cli(*line, there)
    assert refused.code == 2
    assert "exists already; name another file, or add --force" in refused.err
    assert there.read_bytes() == THERE
    assert stubs.orchestrator.script.calls == before

    assert cli(*line, there, "--force").code == 0
    assert there.read_bytes() != THERE
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_wait_without_a_name_replaces_nothing_either(
    cli: Cli, stubs: Stubs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = draft(cli)
    (tmp_path / "underpaint-promotion-.png").write_bytes(THERE)
    done = cli("promote", id_, "--yes", "--wait", "--promotion-id", "promotion-7", "--json")
    assert (done.code, done.json["path"]) == (0, "underpaint-promotion--2.png")
    assert (tmp_path / "underpaint-promotion-.png").read_bytes() == THERE
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 2**40, 2**20))
    assert cli("promote", id_, "--yes", "--wait", "--promotion-id", "promotion-8").code == 2
    assert "promotion-8" not in stubs.orchestrator.promotions


def test_what_has_come_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    def write() -> None:
        with files.whole_file(tmp_path / "a.png", force=False) as unfinished:
            unfinished.write_bytes(b"ours")
            (tmp_path / "a.png").write_bytes(THERE)

    with pytest.raises(files.NotWritten, match="File exists"):
        write()
    assert (tmp_path / "a.png").read_bytes() == THERE
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_disk_without_room_is_told_before_anything_is_paid(
    cli: Cli, stubs: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = draft(cli)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 2**40, 2**20))
    refused = cli("promote", id_, "--yes", "--out", "final.png")
    assert (refused.code, "has only 1 MiB left" in refused.err) == (2, True)
    assert not stubs.orchestrator.promotions


def limited(stubs: Stubs, tmp_path: Path, line: str) -> Said:
    """A process whose files may have 1,024 bytes: the kernel fails it in the middle."""
    environ = {
        "UNDERPAINT_EDGE": stubs.edge_address,
        "UNDERPAINT_ORCHESTRATOR": stubs.orchestrator_address,
        "UNDERPAINT_DATA_DIR": str(tmp_path / "data"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return shell(f"ulimit -f 1; underpaint {line}", environ, tmp_path)


@pytest.mark.parametrize("as_json", ["", "--json"])
def test_a_picture_that_is_paid_and_cannot_be_written_is_still_there(
    cli: Cli, stubs: Stubs, tmp_path: Path, as_json: str
) -> None:
    line = f"promote {draft(cli)} --yes --promotion-id paid --out final.png {as_json}"
    ended = limited(stubs, tmp_path, line)
    assert ended.code == 5
    told = ended.err.decode().splitlines()[-1]
    assert told == (
        "error: cannot write final.png: File too large; the finished picture is stored: "
        "`underpaint show paid --out FILE` fetches it"
    )
    if as_json:
        assert json.loads(ended.out)["error"]["exit"] == 5
    assert [*tmp_path.glob("*.png"), *tmp_path.glob(".*")] == []
    assert cli("show", "paid", "--out", "final.png").code == 0


def test_a_file_that_was_to_be_replaced_stays_if_the_new_one_cannot_be_written(
    cli: Cli, stubs: Stubs, settled: str, tmp_path: Path
) -> None:
    (tmp_path / "final.png").write_bytes(THERE)
    assert limited(stubs, tmp_path, f"watch {settled} --out final.png --force").code == 5
    assert (tmp_path / "final.png").read_bytes() == THERE


@pytest.mark.parametrize(
    "line",
    [
        "show promotion-1 --out final.png",
        "show promotion-1",
        "spend --png spend.png",
        "ledger export --output ledger.csv",
        "watch promotion-1 --previews previews",
        "demo --out demo",
    ],
)
def test_every_command_has_the_same_code_for_what_it_cannot_write(
    cli: Cli, stubs: Stubs, settled: str, tmp_path: Path, line: str
) -> None:
    events = stubs.orchestrator.events[settled]
    large = PromotionEvent(id="0000", at=events[0].at, state=events[0].state, preview=noise())
    stubs.orchestrator.events[settled] = [large, *events]
    stubs.orchestrator.entries = [entry() for _ in range(100)]
    ended = limited(stubs, tmp_path, line)
    assert (ended.code, b"cannot write" in ended.err) == (5, True)
    assert [*tmp_path.glob("*.png"), *tmp_path.glob("*.csv"), *tmp_path.glob(".*")] == []


def noise() -> bytes:
    """A JPEG of more than 1,024 bytes."""
    return encode_preview(Image.effect_noise((192, 192), 90.0))


def entry() -> LedgerEntry:
    return LedgerEntry(id="1-1", number=1, at=NOW, kind="freeze", note="noted")


def test_a_picture_that_cannot_be_fetched_is_still_there(cli: Cli, stubs: Stubs) -> None:
    id_ = draft(cli)
    stubs.orchestrator.script.errors["GetArtifact"] = [ServiceUnreachable("cut")] * 9
    ended = cli("promote", id_, "--yes", "--promotion-id", "paid", "--out", "final.png")
    assert ended.code == 4
    assert "`underpaint show paid --out FILE` fetches it" in ended.err


def test_previews_of_before_are_not_replaced(cli: Cli, settled: str) -> None:
    watch = ("watch", settled, "--previews", "previews")
    assert cli(*watch).code == 0
    refused = cli(*watch)
    assert (refused.code, "has previews already" in refused.err) == (2, True)
    assert cli(*watch, "--force").code == 0


def test_a_second_demo_has_a_place_of_its_own(cli: Cli, tmp_path: Path) -> None:
    for _ in range(3):
        assert cli("demo", "a red fox", "-n", 1).code == 0
    for name in ("demo-out", "demo-out-2", "demo-out-3"):
        assert (tmp_path / name / "final.png").exists()
    again = ("demo", "a red fox", "-n", 1, "--out", "demo-out")
    assert cli(*again).code == 2
    assert cli(*again, "--force").code == 0


def test_an_export_is_what_its_name_says(cli: Cli, tmp_path: Path) -> None:
    assert cli("ledger", "export", "--output", "a.parquet").code == 0
    assert (tmp_path / "a.parquet").read_bytes().startswith(b"PAR1")
    refused = cli("ledger", "export", "--output", "b.parquet", "--format", "csv")
    assert (refused.code, "does not fit the format csv" in refused.err) == (2, True)
    assert cli("ledger", "export", "--output", "ledger").code == 2
    assert cli("ledger", "export", "--output", "ledger", "--format", "csv").code == 0


def test_a_name_from_a_service_leads_nowhere_else(cli: Cli, stubs: Stubs, tmp_path: Path) -> None:
    id_ = draft(cli)
    ((one, data),) = stubs.edge.drafts.values()
    stubs.edge.drafts = {id_: (replace(one, id="../../../stolen"), data)}
    shown = Path(cli("show", id_, "--json").json["path"])
    assert shown == tmp_path / "data" / "shown" / "_________stolen.png"
    assert shown.exists()
