"""`doctor` and `demo` against the stubs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from underpaint.contract.errors import InvalidModel
from underpaint.contract.promotion import PromotionState
from underpaint.local import checks

from tests.integration.cli.conftest import Cli
from tests.integration.sdk.stubs import Stubs


def verdicts(document: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {finding["what"]: finding["verdict"] for finding in document["findings"]}


def test_doctor_finds_a_service_that_answers_and_one_that_does_not(cli: Cli) -> None:
    well = cli("doctor", "--json")
    assert well.code == 0, well.out
    found = verdicts(well.json)
    for what in ("Python", "extra [edge]", "Redis or Valkey", "model lite", "service edge"):
        assert found[what] == "ok"

    ill = cli("doctor", "--edge", "127.0.0.1:1")
    assert ill.code == 1
    assert "127.0.0.1:1 is out of reach: nothing listens there; is it running?" in ill.out
    assert "1 must be fixed" in ill.out


def test_doctor_names_what_is_wrong_with_a_model(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def unfit(directory: Path) -> None:
        raise InvalidModel(f"{directory} is half-written")

    monkeypatch.setattr(checks, "check_directory", unfit)
    ill = cli("doctor", "--json")

    assert ill.code == 1
    assert verdicts(ill.json)["model full"] == "fail"


def test_doctor_names_a_directory_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ill = cli("doctor", "--json", "--data-dir", tmp_path / "file" / "data")

    assert ill.code == 1
    assert verdicts(ill.json)["data directory"] == "fail"


def test_demo_leaves_pictures_and_a_receipt_that_add_up(cli: Cli, tmp_path: Path) -> None:
    shown = cli("demo", "a red fox", "-n", 8)
    assert shown.code == 0, shown.err

    out = tmp_path / "demo-out"
    receipt = json.loads((out / "receipt.json").read_text())
    assert [draft["seed"] for draft in receipt["drafts"]] == list(range(7, 15))
    assert set(receipt["drafts"][0]) == {"id", "sha256", "seed", "ms"}
    assert receipt["charged_usd_micros"] <= receipt["quoted_usd_micros"]
    assert receipt["cloud_only_usd_micros"] == 9 * 12_500
    assert receipt["lineage"]["draft_sha256"] == receipt["drafts"][0]["sha256"]
    with Image.open(out / "final.png") as final:
        assert final.size == (1024, 1024)
    for name in ("drafts.png", "story.png"):
        with Image.open(out / name) as page:
            assert page.width > 600
    assert len(list((out / "previews").glob("*.jpg"))) == 2
    for told in ("time to the first draft", "$0.0094", "8 + 1 all in the cloud", "$0.1125"):
        assert told in shown.out


def test_demo_takes_the_first_draft_if_none_is_without_warnings(cli: Cli, stubs: Stubs) -> None:
    stubs.edge.warnings = ("unknown word",)
    receipt = cli("demo", "a quokka", "-n", 3, "--json").json

    assert receipt["lineage"]["draft_id"] == receipt["drafts"][0]["id"]


def test_demo_that_ends_without_a_picture_says_why(cli: Cli, stubs: Stubs) -> None:
    stubs.orchestrator.outcome = PromotionState.RELEASED
    ended = cli("demo", "a red fox", "-n", 2)

    assert ended.code == 1
    assert "ran out of memory" in ended.err
