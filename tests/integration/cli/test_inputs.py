"""What the command line sends beside a draft."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from underpaint.contract.edges import edge_map

from tests.integration.cli.conftest import Cli
from tests.integration.cli.test_commands import draft
from tests.integration.sdk.script import picture
from tests.integration.sdk.stubs import Stubs


def test_a_mask_edges_and_references_leave_with_the_draft_and_are_listed(
    cli: Cli, stubs: Stubs, tmp_path: Path
) -> None:
    mask, other = tmp_path / "mask.png", tmp_path / "other.png"
    Image.new("L", (128, 128), 255).save(mask)
    other.write_bytes(picture(5))
    beside = ("--mask", mask, "--control", "edges", "--reference", other, "--reference", other)
    more = ("--lora", "ink:0.5", "--scheduler", "euler", "--clip-skip", 2)
    id_ = draft(cli)
    told = cli("quote", id_, *beside).out
    assert "leaves with it: the draft, the mask, a control map (edges), references (2)" in told
    done = cli("promote", id_, "--yes", *beside, *more, "--promotion-id", "promotion-1", "--json")
    assert done.code == 0, done.err
    sent = stubs.orchestrator.inputs["promotion-1"]
    assert sent.mask == mask.read_bytes()
    assert sent.control == edge_map(sent.init_image)
    assert sent.references == (picture(5), picture(5))
    promotion = done.json["promotion"]
    assert promotion["control_kind"] == "edges"
    assert len(promotion["references"]) == 2
    assert promotion["mask"]["size"] == len(sent.mask)
    assert promotion["request"]["loras"] == [{"name": "ink", "weight": 0.5}]
    assert (promotion["request"]["scheduler"], promotion["request"]["clip_skip"]) == ("euler", 2)


def test_a_map_from_a_file_says_what_it_shows(cli: Cli, tmp_path: Path) -> None:
    lines = tmp_path / "map.png"
    Image.new("L", (128, 128), 255).save(lines)
    id_ = draft(cli)
    for named, kind in ((f"depth:{lines}", "depth"), (str(lines), "edges")):
        done = cli("promote", id_, "--yes", "--control", named, "--json")
        assert done.json["promotion"]["control_kind"] == kind


def test_drafts_can_name_loras_and_a_scheduler(cli: Cli) -> None:
    made = cli("draft", "a fox", "-n", 1, "--lora", "ink", "--scheduler", "euler", "--json")
    (one,) = made.json["drafts"]
    assert one["request"]["loras"] == [{"name": "ink", "weight": 1.0}]
    assert one["request"]["scheduler"] == "euler"


def test_without_a_strength_the_quote_says_where_it_comes_from(cli: Cli, stubs: Stubs) -> None:
    quote = cli("quote", draft(cli), "--prompt", "a blue fox", "--json").json
    assert quote["request"]["strength"] == 0.6
    wanted = stubs.orchestrator.wanted[-1]
    assert (wanted.auto_strength, wanted.prompt_moved) == (True, 0.5)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--mask", "none.png"), "none.png cannot be read: No such file"),
        (("--control", "none.png"), "none.png cannot be read"),
        (("--lora", "ink:much"), "'ink:much' is not a LoRA; write NAME or NAME:WEIGHT"),
        (("--clip-skip", "13"), "less than or equal to 12"),
    ],
)
def test_a_wrong_option_is_one_line(cli: Cli, option: tuple[str, str], told: str) -> None:
    refused = cli("quote", draft(cli), *option)
    assert refused.code == 2
    assert told in refused.err


def test_a_mask_of_another_size_is_refused_before_anything_is_sent(
    cli: Cli, stubs: Stubs, tmp_path: Path
) -> None:
    mask = tmp_path / "mask.png"
    Image.new("L", (64, 64), 255).save(mask)
    refused = cli("promote", draft(cli), "--yes", "--mask", mask)
    assert refused.code == 2
    assert "the mask is 64 x 64, the draft 128 x 128" in refused.err
    assert "Quote" not in stubs.orchestrator.script.calls
