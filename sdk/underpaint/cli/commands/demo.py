"""The command `demo`: the whole path from a prompt to a finished and paid picture."""

from __future__ import annotations

import json
import time
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from PIL import Image
from rich.text import Text
from underpaint.cli import hardware
from underpaint.cli.command import CommandContext
from underpaint.cli.commands.drafts import SHORT, draft_progress
from underpaint.cli.commands.promotions import fetch, still_there
from underpaint.cli.commands.up import running
from underpaint.cli.output import files, sheet, terminal
from underpaint.cli.output.console import Sheet
from underpaint.cli.output.files import Force
from underpaint.cli.output.json import document
from underpaint.cli.output.legible import marked
from underpaint.cli.output.progress import check_previews, follow
from underpaint.cli.output.promotion import print_outcome, print_quote
from underpaint.contract.drafts import Draft, InitImage
from underpaint.contract.errors import EngineFailed, InvalidRequest
from underpaint.contract.money import format_usd
from underpaint.contract.pictures import encode_png
from underpaint.contract.promotion import Lineage, Promotion, Quote, Receipt
from underpaint.local.bundled import example_prompt
from underpaint.local.stack import StackOptions
from underpaint.sdk.client import AsyncUnderpaint
from underpaint.sdk.discovery import read_running
from underpaint.sdk.requests import DraftRequest, PolishRequest

FILES: Final = ("drafts.png", "final.png", "story.png", "receipt.json")


@dataclass(slots=True, kw_only=True)
class Times:
    """Seconds that each part took, as the user experiences them."""

    start: float = 0.0
    first_draft: float = 0.0
    drafts: float = 0.0
    polish: float = 0.0


async def demo(
    context: CommandContext,
    prompt: Annotated[
        str, typer.Argument(help="What to draw; default: something that the model draws well.")
    ] = "",
    count: Annotated[int, typer.Option("--count", "-n", help="How many drafts, 1 to 64.")] = 8,
    seed: Annotated[int, typer.Option(help="The seed of the first draft.")] = 7,
    strength: Annotated[
        float, typer.Option(help="How much it may change the draft: 0.01 to 1.")
    ] = 0.6,
    out: Annotated[
        Path | None,
        typer.Option(help="Directory for the results; default: demo-out, demo-out-2 and so on."),
    ] = None,
    device: hardware.Device = [],  # noqa: B006 - typer copies it
    dtype: hardware.Dtype = [],  # noqa: B006
    offload: hardware.Offload = [],  # noqa: B006
    compile: hardware.Compile = [],  # noqa: A002, B006
    quantise: hardware.Quantise = [],  # noqa: B006
    force: Force = False,
) -> object:
    """Show the whole path: drafts, a choice, a quote, the finished picture, the bill."""
    wanted = DraftRequest(prompt=prompt or example_prompt(), seed=seed, count=count)
    polish = PolishRequest(strength=strength, draft_count=count)
    placements = hardware.by_engine(
        device=device, dtype=dtype, offload=offload, compile=compile, quantise=quantise
    )
    out = files.first_free(Path("demo-out")) if out is None else out
    for name in FILES:
        files.check_file(out / name, force=force, kinds=())
    check_previews(out / "previews", force=force)
    times = Times()
    async with AsyncExitStack() as started:
        await _start(context, started, times, placements)
        told = "\n[bold]{} drafts[/] of “{}”, on this machine, free"
        context.out.print(marked(told, count, wanted.prompt))
        drafts = await _draft(context, wanted, times)
        index = next((i for i, (one, _) in enumerate(drafts) if not one.warnings), 0)
        chosen, picture = drafts[index]
        page = sheet.contact_sheet(wanted.prompt, _tiles(drafts), chosen=index)
        files.save_picture(out / "drafts.png", encode_png(page), force=force)
        context.out.print(
            marked(
                "\nchosen: [bold]{}[/], seed {} [dim](the first{})[/]",
                chosen.id[:SHORT],
                chosen.request.seed,
                "" if chosen.warnings else " without warnings",
            )
        )
        init_image = InitImage(draft=chosen, picture=picture)
        quote = await context.client.quote(init_image, polish)
        print_quote(context, quote)
        begun = time.monotonic()
        promotion = await context.client.promote(init_image, polish, quote_id=quote.id)
        told = "\n[bold]finishing[/] it in the cloud, promotion {}"
        context.out.print(marked(told, promotion.id))
        await follow(context, promotion.id, previews=out / "previews")
        times.polish = time.monotonic() - begun
        promotion = await context.client.get_promotion(promotion.id)
        print_outcome(context, promotion)
        if promotion.receipt is None or promotion.lineage is None:
            raise EngineFailed(f"the promotion ended {promotion.state.value}: {promotion.reason}")
        final = await fetch(context, promotion)
        receipt = _receipt(drafts, quote, promotion, promotion.receipt, promotion.lineage, times)
        story = _story(wanted.prompt, drafts, index, final, promotion.receipt)
        with still_there(promotion.id):
            files.save_picture(out / "final.png", final, force=force)
            files.save_picture(out / "story.png", encode_png(story), force=force)
            with files.whole_file(out / "receipt.json", force=force) as unfinished:
                unfinished.write_text(json.dumps(receipt, indent=2) + "\n", encoding="utf-8")
        if context.pictures:
            terminal.show(context.out, final)
        await context.client.close()
    _print_bill(context, count, times, promotion.receipt)
    for name in FILES:
        context.out.print(f"  {out / name}", soft_wrap=True)
    return receipt


async def _start(
    context: CommandContext,
    started: AsyncExitStack,
    times: Times,
    placements: tuple[dict[str, str], dict[str, str]],
) -> None:
    """Uses services that are named or running; otherwise starts all for the time of the demo."""
    settings = context.settings
    if (settings.edge and settings.orchestrator) or read_running(settings.data_directory):
        if any(placements):
            flag = next(iter(placements[0] or placements[1]))
            raise InvalidRequest(
                f"--{flag} is for engines that the demo starts, and these run already; leave it "
                "out, or end them with `underpaint down` first"
            )
        return
    begun = time.monotonic()
    # Kept, so that the next demo starts in seconds; separate from the user's real data.
    data_dir = settings.data_dir or settings.data_directory / "demo"
    options = StackOptions(
        data_dir=data_dir,
        edge_port=0,
        orchestrator_port=0,
        cloud_port=0,
        lite_placement=placements[0],
        full_placement=placements[1],
        tls_dir=settings.tls_dir,
    )
    _, state = await started.enter_async_context(running(context, options))
    context.client = AsyncUnderpaint(
        edge=state.addresses["edge"],
        orchestrator=state.addresses["orchestrator"],
        tls_dir=settings.tls_dir,
    )
    times.start = time.monotonic() - begun
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in state.seconds.items())
    told = "everything started in [bold]{} s[/] [dim]({})[/]"
    context.out.print(marked(told, f"{times.start:.1f}", seconds))


async def _draft(
    context: CommandContext, wanted: DraftRequest, times: Times
) -> list[tuple[Draft, bytes]]:
    drafts: list[tuple[Draft, bytes]] = []
    begun = time.monotonic()
    with draft_progress(context, wanted.count) as progress:
        bar = progress.add_task("drafting", total=wanted.count)
        async with aclosing(context.client.make_drafts(wanted)) as stream:
            async for one, picture in stream:
                drafts.append((one, picture))
                times.drafts = time.monotonic() - begun
                times.first_draft = times.first_draft or times.drafts
                progress.advance(bar)
    if not drafts:
        raise EngineFailed("the edge node made no drafts; see its log")
    if context.pictures:
        images = [terminal.open_picture(picture) for _, picture in drafts]
        for row in terminal.strip(images, context.out.width):
            context.out.print(row, no_wrap=True, crop=True)
    context.out.print(f"the first after {times.first_draft:.2f} s, all after {times.drafts:.2f} s")
    return drafts


def _tiles(drafts: list[tuple[Draft, bytes]]) -> list[sheet.Tile]:
    return [
        (terminal.open_picture(data), f"seed {one.request.seed}   {one.elapsed_ms / 1000:.2f} s")
        for one, data in drafts
    ]


def _story(
    prompt: str,
    drafts: list[tuple[Draft, bytes]],
    index: int,
    final: bytes,
    receipt: Receipt,
) -> Image.Image:
    image = terminal.open_picture(final)
    charged = format_usd(receipt.charged_usd_micros)
    captions = ("sketched on the edge, free", f"finished in the cloud, {charged}")
    caption = f"{image.width} x {image.height}"
    return sheet.story(prompt, _tiles(drafts), index, (image, caption), captions=captions)


def _receipt(
    drafts: list[tuple[Draft, bytes]],
    quote: Quote,
    promotion: Promotion,
    receipt: Receipt,
    lineage: Lineage,
    times: Times,
) -> dict[str, object]:
    return {
        "drafts": [
            {
                "id": one.id,
                "sha256": one.digest.sha256,
                "seed": one.request.seed,
                "ms": one.elapsed_ms,
            }
            for one, _ in drafts
        ],
        "promotion_id": promotion.id,
        "quoted_usd_micros": quote.max_usd_micros,
        "charged_usd_micros": receipt.charged_usd_micros,
        "cloud_only_usd_micros": receipt.cloud_only_usd_micros,
        "artifact_sha256": promotion.artifact.sha256 if promotion.artifact else "",
        "lineage": document(lineage),
        "price_table_version": receipt.price_table_version,
        "gpu_seconds": receipt.gpu_seconds,
        "seconds": document(times),
    }


def _print_bill(context: CommandContext, count: int, times: Times, receipt: Receipt) -> None:
    table = Sheet()
    table.add_column()
    table.add_column(justify="right")
    for what, value, style in (
        ("start of everything", f"{times.start:.1f} s" if times.start else "was running", ""),
        ("time to the first draft", f"{times.first_draft:.2f} s", ""),
        (f"time of {count} drafts", f"{times.drafts:.2f} s", ""),
        ("time of the polish", f"{times.polish:.2f} s", ""),
        ("quoted, at most", format_usd(receipt.quoted_usd_micros), ""),
        ("charged", format_usd(receipt.charged_usd_micros), "bold green"),
        (f"{count} + 1 all in the cloud", format_usd(receipt.cloud_only_usd_micros), ""),
    ):
        table.add_row(Text(what, style=style), Text(value, style=style))
    context.out.print()
    context.out.print(table)
    context.out.print()
