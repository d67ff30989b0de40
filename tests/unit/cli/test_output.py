"""What is shown: exit codes, JSON, pictures in a terminal, sheets."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console
from underpaint.cli import exits
from underpaint.cli.commands.polishing import parse_account, parse_loras, parse_size
from underpaint.cli.output import sheet, terminal
from underpaint.cli.output.json import document
from underpaint.contract import errors
from underpaint.contract.drafts import Draft, Privacy
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.pictures import MAX_BYTES, Digest, encode_png
from underpaint.contract.status import CODES

from tests.unit.contract.outside import saved

RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves() -> Image.Image:
    image = Image.new("RGB", (4, 4), RED)
    image.paste(BLUE, (0, 2, 4, 4))
    return image


def test_every_error_has_an_exit_code_and_only_what_an_engine_did_not_deliver_has_1() -> None:
    codes = {error: exits.exit_code(error("x")) for error in CODES}

    assert set(codes.values()) == {1, 2, 3, 4}
    assert {error for error, code in codes.items() if code == 1} == {
        errors.EngineFailed,
        errors.ResultFlagged,
        errors.ResultUnusable,
    }
    assert all(code == 3 for error, code in codes.items() if issubclass(error, errors.Refused))


def test_a_document_keeps_the_contracts_names_and_leaves_bytes_out() -> None:
    draft = Draft(
        id="d",
        digest=Digest.of(b"x"),
        request=GenerationRequest(
            prompt="p", seed=1, width=64, height=64, num_inference_steps=4, guidance_scale=1.0
        ),
        privacy=Privacy.STRUCTURE,
        model="m",
        elapsed_ms=5,
        created_at=datetime(2026, 11, 21, tzinfo=UTC),
    )
    told = document({"drafts": [document(draft, path=Path("a.png"), data=b"bytes")]})

    one = json.loads(json.dumps(told))["drafts"][0]
    assert one["privacy"] == "structure"
    assert one["created_at"] == "2026-11-21T00:00:00+00:00"
    assert one["path"] == "a.png"
    assert "data" not in one


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-256color"}, "blocks"),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, "blocks"),
        ({}, "blocks"),
    ],
)
def test_a_terminal_gets_the_pictures_it_can_draw(environ: dict[str, str], kind: str) -> None:
    assert terminal.protocol(environ) == kind


def test_half_blocks_hold_two_pixels_a_cell() -> None:
    image = Image.new("RGB", (4, 2), RED)
    image.paste(BLUE, (0, 1, 4, 2))
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="truecolor", width=80)
    console.print(terminal.half_blocks(image, 4))

    assert out.getvalue().count("▀") == 4
    assert "38;2;255;0;0;48;2;0;0;255m" in out.getvalue()


@pytest.mark.parametrize(
    ("environ", "beginning", "end"),
    [
        ({"TERM": "xterm-kitty"}, "\x1b_Ga=T,f=100,c=48,m=", "\x1b\\\n"),
        ({"TERM": "x", "TERM_PROGRAM": "WezTerm"}, "\x1b]1337;File=inline=1;", "\x07\n"),
        ({"TERM": "foot"}, '\x1bPq"1;1;4;4', "\x1b\\\n"),
    ],
)
def test_each_protocol_is_written_whole(
    environ: dict[str, str], beginning: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMUX", "KITTY_WINDOW_ID", "TERM_PROGRAM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    out = io.StringIO()
    terminal.show(Console(file=out, force_terminal=True), encode_png(halves()))

    assert out.getvalue().startswith(beginning)
    assert out.getvalue().endswith(end)


def test_thumbnails_stand_side_by_side_as_wide_as_fits() -> None:
    lines = terminal.strip([halves()] * 5, width=40, columns=12)

    assert max(line.cell_len for line in lines) == 12 * 3 + 2
    assert sum(line.cell_len == 12 * 2 + 1 for line in lines) == 6


def test_a_sheet_has_room_for_every_tile_and_frames_the_chosen_one() -> None:
    tiles = [(halves(), f"seed {i}") for i in range(6)]
    plain = sheet.contact_sheet("a prompt " * 40, tiles, side=64)
    framed = sheet.contact_sheet("a prompt " * 40, tiles, side=64, chosen=5)

    assert plain.size == framed.size
    assert plain.tobytes() != framed.tobytes()
    told = sheet.story("a prompt", tiles, 2, (halves(), "4 x 4"), captions=("left", "right"))
    assert told.width > told.height


@pytest.mark.parametrize(
    ("text", "size"), [(None, (None, None)), ("512", (512, 512)), ("1024X768", (1024, 768))]
)
def test_a_size_is_one_number_or_two(text: str | None, size: tuple[int | None, ...]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "big", "1x2x3", "1.5"])
def test_what_is_no_size_is_told(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a size"):
        parse_size(text)


def test_an_account_is_named_by_its_scopes() -> None:
    account = parse_account(["project:catalogue", "user:ada"])

    assert account.scopes == (
        "organisation:default",
        "team:default/default",
        "project:default/default/catalogue",
        "user:default/default/catalogue/ada",
    )
    for wrong in ("catalogue", "planet:earth", "project:"):
        with pytest.raises(InvalidRequest, match="is not a scope"):
            parse_account([wrong])


def test_a_finished_picture_is_opened_as_it_is_seen_however_large() -> None:
    image = Image.effect_noise((1_400, 1_000), 90)
    data = saved(Image.merge("RGBA", [image, image, image, Image.new("L", image.size)]), "PNG")
    assert len(data) > MAX_BYTES
    opened = terminal.open_picture(data)
    assert (opened.mode, opened.size) == ("RGB", (1_400, 1_000))
    assert opened.getpixel((9, 9)) == (255, 255, 255)


def test_loras_are_named_with_or_without_a_weight() -> None:
    uses = parse_loras(["ink", "gold:0.5", "a:b:-1"])
    assert [(use.name, use.weight) for use in uses] == [("ink", 1.0), ("gold", 0.5), ("a:b", -1.0)]
    assert parse_loras(None) == ()
    for wrong in ("ink:much", "ink:3", ":1"):
        with pytest.raises(InvalidRequest):
            parse_loras([wrong])
