"""What bad input gets: one line, the right exit code, and nothing lost or charged."""

from __future__ import annotations

import shutil
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from underpaint.contract.chunks import split
from underpaint.contract.pictures import Digest
from underpaint.local.bundled import model_directory
from underpaint.sdk.blocking import Underpaint
from underpaint.sdk.client import AsyncUnderpaint
from underpaint.v1 import common_pb2, orchestrator_pb2, orchestrator_pb2_grpc

from tests.e2e.conftest import FREE_PORTS, Ended, Stack, run_cli
from tests.unit.engines.other_kinds import OTHER_KINDS

DRAFT = "{draft}"


@pytest.fixture(scope="module")
def draft(stack: Stack) -> str:
    made = stack.ok("draft", "a 3d dog on a red background", "-n", 1, "--seed", 3)
    return str(made["drafts"][0]["id"])


def standing(stack: Stack) -> Any:
    """All that money and work could be seen in."""
    addresses = stack.state["addresses"]
    client = AsyncUnderpaint(edge=addresses["edge"], orchestrator=addresses["orchestrator"])
    with Underpaint(client) as asked:
        return (
            asked.budgets(),
            asked.spend(),
            asked.list_promotions(1_000),
            asked.list_drafts(1_000),
        )


COMMANDS: list[tuple[str, tuple[object, ...], int, str]] = [
    ("empty prompt", ("draft", "  "), 2, "the prompt is empty"),
    ("long prompt", ("draft", "x" * 1_001), 2, "at most 1000"),
    ("width no multiple of 8", ("draft", "a cat", "--width", 130), 2, "multiple of 8"),
    ("height over the cap", ("draft", "a cat", "--height", 4_096), 2, "64 to 2048"),
    ("no steps", ("draft", "a cat", "--steps", 0), 2, "use 1 to 150"),
    ("too many drafts", ("draft", "a cat", "-n", 65), 2, "1 to 64"),
    ("polish size", ("quote", DRAFT, "--size", 1_001), 2, "multiple of 8"),
    ("polish steps", ("quote", DRAFT, "--steps", 151), 2, "use 1 to 150"),
    ("no strength", ("promote", DRAFT, "--yes", "--strength", 0), 2, "strength 0"),
    ("too much strength", ("promote", DRAFT, "--yes", "--strength", 1.5), 2, "strength 1.5"),
    ("unknown engine and price", ("promote", DRAFT, "--yes", "--engine", "dream"), 2, "dream"),
    ("unknown draft", ("promote", "nothere", "--yes"), 2, "nothere"),
    ("unknown promotion", ("watch", "nothere0"), 2, "nothere0"),
    ("cancel of none", ("cancel", "nothere0"), 2, "nothere0"),
    ("promotion id", ("promote", DRAFT, "--yes", "--promotion-id", "a b"), 2, "promotion"),
    ("unknown scope", ("budget", "set", "planet:earth", "5"), 2, "planet:earth"),
    ("no sum", ("budget", "set", "project:x", "5.0000001"), 2, "finer"),
    ("no confirmation", ("promote", DRAFT), 2, "--yes"),
    ("too large by policy", ("quote", DRAFT, "--size", 2_048), 3, "larger than 1536"),
    ("stopped edge", ("drafts", "--edge", "127.0.0.1:1"), 4, "out of reach"),
    ("stopped orchestrator", ("spend", "--orchestrator", "127.0.0.1:1"), 4, "out of reach"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "told"), [row[1:] for row in COMMANDS], ids=[row[0] for row in COMMANDS]
)
def test_a_wrong_command_changes_nothing(
    stack: Stack, draft: str, arguments: tuple[object, ...], code: int, told: str
) -> None:
    before = standing(stack)

    expect(stack.cli(*[draft if a == DRAFT else a for a in arguments]), code, told)

    assert standing(stack) == before


def test_a_draft_that_must_stay_is_refused(stack: Stack) -> None:
    made = stack.ok("draft", "a 3d dog", "-n", 1, "--privacy", "device")["drafts"][0]
    before = standing(stack)

    expect(stack.cli("promote", made["id"], "--yes"), 3, "stays on this device")

    assert standing(stack) == before


def test_a_budget_too_small_is_refused_and_nothing_is_held(stack: Stack, draft: str) -> None:
    stack.ok("budget", "set", "project:poor", "0.000001")
    before = standing(stack)

    refused = stack.cli("promote", draft, "--yes", "--scope", "project:poor")

    expect(refused, 3, "project:default/default/poor")
    assert standing(stack) == before


def test_the_same_promotion_id_with_other_content_is_refused(stack: Stack, draft: str) -> None:
    again = ("promote", draft, "--yes", "--wait", "--promotion-id", "twice-the-same")
    first = stack.ok(*again)
    before = standing(stack)

    expect(stack.cli(*again, "--strength", 0.5), 2, "twice-the-same")
    assert stack.ok(*again)["receipt"] == first["receipt"]  # the same is no conflict

    assert standing(stack) == before


def huge_png() -> bytes:
    """A whole PNG of 20,000 x 20,000 pixels in a few kilobytes."""

    def block(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = block(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0))
    pixels = block(b"IDAT", zlib.compress(bytes(2_501) * 20_000, 9))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + block(b"IEND", b"")


PICTURES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("not a picture", lambda _: b"no picture at all", "corrupt"),
    ("cut short", lambda whole: whole[: len(whole) // 2], "cut short"),
    ("with a tail", lambda whole: whole + b"PK\x03\x04", "after its end"),
    ("too many pixels", lambda _: huge_png(), "at most 4,194,304 pixels"),
    ("too many bytes", lambda whole: whole + bytes(3 * 2**20), "3,145,728"),
]


@pytest.mark.parametrize(
    ("spoil", "told"), [row[1:] for row in PICTURES], ids=[row[0] for row in PICTURES]
)
def test_a_spoilt_picture_is_refused_by_the_orchestrator_itself(
    stack: Stack, draft: str, tmp_path: Path, spoil: Callable[[bytes], bytes], told: str
) -> None:
    shown = stack.ok("show", draft, "--out", tmp_path / "draft.png")
    picture = spoil((tmp_path / "draft.png").read_bytes())
    digest = Digest.of(picture)
    before = standing(stack)
    wanted = orchestrator_pb2.PromotionRequest(
        request=common_pb2.GenerationRequest(prompt="a dog", seed=3, strength=0.6),
        init_image=common_pb2.Digest(
            sha256=digest.sha256, size=digest.size, media_type=digest.media_type
        ),
        init_width=shown["request"]["width"],
        init_height=shown["request"]["height"],
        privacy=common_pb2.PRIVACY_FULL,
    )
    # Not by our client, which would not send it.
    with grpc.insecure_channel(stack.state["addresses"]["orchestrator"]) as channel:
        stub = orchestrator_pb2_grpc.OrchestratorServiceStub(channel)
        head = orchestrator_pb2.PromoteHead(promotion_id="spoilt-one", promotion=wanted)
        try:
            quote = stub.Quote(orchestrator_pb2.QuoteRequest(promotion=wanted), timeout=30).quote
            head.quote_id = quote.id
            parts = [orchestrator_pb2.PromoteRequest(head=head)] + [
                orchestrator_pb2.PromoteRequest(chunk=common_pb2.Chunk(data=data))
                for data in split(picture)
            ]
            stub.Promote(iter(parts), timeout=60)
        except grpc.RpcError as error:
            refusal = error
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert told in refusal.details()
    assert standing(stack) == before


def missing(directory: Path) -> str:
    shutil.rmtree(directory)
    return "there is no model "


def half_written(directory: Path) -> str:
    weights = next(directory.glob("transformer/*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1_000])
    return "fetch it again"


def without_a_part(directory: Path) -> str:
    shutil.rmtree(directory / "vae")
    return "is incomplete"


def with_a_pickle(directory: Path) -> str:
    (directory / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04N.")
    return "can run code"


@pytest.mark.parametrize("spoil", [missing, half_written, without_a_part, with_a_pickle])
@pytest.mark.parametrize(
    ("flag", "tier", "name"), [("--lite", "edge", "lite"), ("--full", "cloud", "full")]
)
def test_a_spoilt_model_directory_is_refused_at_the_start(
    tmp_path: Path, spoil: Callable[[Path], str], flag: str, tier: str, name: str
) -> None:
    bundled = model_directory(tier, name)
    assert bundled is not None
    directory = tmp_path / "model"
    shutil.copytree(bundled, directory)
    told = spoil(directory)

    ended = run_cli("up", flag, directory, *FREE_PORTS, data_dir=tmp_path / "data")

    expect(ended, 2, told)


@pytest.mark.parametrize(("make", "told"), OTHER_KINDS.values(), ids=OTHER_KINDS)
@pytest.mark.parametrize("flag", ["--lite", "--full"])
def test_a_model_of_another_kind_is_refused_before_anything_starts(
    make: Callable[[Path], Path], told: str, flag: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    ended = run_cli("up", flag, make(tmp_path / "model"), *FREE_PORTS, data_dir=data)

    expect(ended, 2, told)
    assert not list(data.glob("logs/*"))


def test_a_port_in_use_is_named_with_the_flag_to_change_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run_cli("up", "--edge-port", port, data_dir=tmp_path / "data")

    expect(ended, 2, f"port {port} is in use")
    assert "--edge-port" in ended.err


def test_a_second_up_on_the_same_directory_is_refused(stack: Stack) -> None:
    expect(stack.cli("up", *FREE_PORTS), 2, "already runs")
    assert stack.ok("drafts")


@pytest.mark.parametrize(
    ("flag", "text", "told"),
    [
        ("--prices", "version: 1\nengines: {full: {per_image_usd_micros: 1.5}}\n", "prices"),
        ("--policy", "rules: [{name: x, route: full, when: {mood: good}}]\n", "policy"),
        ("--budget", "a lot", "a lot"),
    ],
)
def test_a_wrong_file_or_sum_is_refused_at_the_start(
    tmp_path: Path, flag: str, text: str, told: str
) -> None:
    value: object = text
    if flag != "--budget":
        value = tmp_path / f"{told}.yaml"
        value.write_text(text)

    expect(run_cli("up", flag, value, *FREE_PORTS, data_dir=tmp_path / "data"), 2, told)


def expect(ended: Ended, code: int, told: str) -> None:
    lines = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert ended.code == code, ended.err
    assert len(lines) == 1, ended.err
    assert told in lines[0]
