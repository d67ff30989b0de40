"""Commands about drafts: make, list, show."""

from __future__ import annotations

import secrets
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from underpaint.cli.command import CommandContext
from underpaint.cli.output import files, terminal, times
from underpaint.cli.output.console import Sheet, prompt_cell
from underpaint.cli.output.files import Force, NotWritten
from underpaint.cli.output.json import document
from underpaint.cli.output.legible import marked
from underpaint.contract.drafts import Draft, Privacy, WithheldDraft
from underpaint.contract.errors import DraftNotFound, InvalidRequest, UnderpaintError
from underpaint.sdk.requests import DraftRequest

SHORT = 10  # characters of an id that are shown; commands accept any unique beginning


async def draft(
    context: CommandContext,
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    count: Annotated[int, typer.Option("--count", "-n", help="How many, 1 to 64.")] = 8,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of the first draft; each next one adds 1. Default: random."),
    ] = None,
    negative_prompt: Annotated[str, typer.Option(help="What to avoid.")] = "",
    width: Annotated[int | None, typer.Option(help="Pixels, a multiple of 8.")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels, a multiple of 8.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale; 1 means none.")] = None,
    privacy: Annotated[
        Privacy, typer.Option(help="What may leave this device when it is promoted.")
    ] = Privacy.FULL,
    out: Annotated[Path | None, typer.Option(help="Save the pictures in this directory.")] = None,
) -> object:
    """Make drafts of a prompt on this machine: fast, private and free."""
    request = DraftRequest(
        prompt=prompt,
        seed=secrets.randbelow(2**31) if seed is None else seed,
        count=count,
        negative_prompt=negative_prompt,
        width=width,
        height=height,
        num_inference_steps=steps,
        guidance_scale=guidance,
        privacy=privacy,
    )
    if out is not None:
        files.make_directory(out)
    made: list[tuple[Draft, Path | None]] = []
    images: list[Image.Image] = []
    warnings: list[str] = []
    withheld: list[WithheldDraft] = []
    with draft_progress(context, count) as progress:
        bar = progress.add_task("drafting", total=count)
        async with aclosing(
            context.client.make_drafts(request, withheld=withheld.append)
        ) as drafts:
            async for one, picture in drafts:
                path = None
                if out is not None:
                    path = out / f"{files.plain_name(one.id)}.png"
                    _save(path, picture)
                if context.pictures:
                    images.append(terminal.open_picture(picture))
                made.append((one, path))
                warnings.extend(w for w in one.warnings if w not in warnings)
                took = f"{one.request.seed:<12} {one.elapsed_ms / 1000:6.2f} s"
                line = marked("[bold]{}[/]  seed {}  {}", one.id[:SHORT], took, path or "")
                context.out.print(line)
                progress.advance(bar)
    if images:
        context.out.print()
        for row in terminal.strip(images, context.out.width):
            context.out.print(row, no_wrap=True, crop=True)
    for warning in warnings:
        context.err.print(marked("[yellow]note: {}[/]", warning))
    for missing in withheld:
        context.err.print(marked("[yellow]seed {}: {}[/]", missing.seed, missing.reason))
    if made and privacy is Privacy.FULL:
        chosen = made[0][0].id[:SHORT]
        told = "[dim]finish one with[/] underpaint promote {} --strength 0.6"
        context.out.print(marked(told, chosen))
    return {
        "drafts": [document(one, path=path) for one, path in made],
        "withheld": document(withheld),
    }


async def drafts(
    context: CommandContext,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
) -> object:
    """List the drafts on this device, newest first."""
    found = await context.client.list_drafts(limit)
    headings = ("id", times.heading("made"), "seed", "size", "privacy", "time", "prompt")
    table = Sheet(*headings, fold=("prompt",))
    for one in found:
        request = one.request
        table.add_row(
            marked("[bold]{}[/]", one.id[:SHORT]),
            times.moment(one.created_at),
            str(request.seed),
            f"{request.width} x {request.height}",
            one.privacy.value,
            f"{one.elapsed_ms / 1000:.2f} s",
            prompt_cell(request.prompt),
        )
    context.out.print(table if found else 'no drafts yet; make some with underpaint draft "PROMPT"')
    return {"drafts": found}


async def show(
    context: CommandContext,
    id: Annotated[str, typer.Argument(help="A draft, or a finished promotion.")],  # noqa: A002
    out: Annotated[Path | None, typer.Option(help="Save the picture in this file.")] = None,
    columns: Annotated[int, typer.Option(min=4, help="Width in characters.")] = 48,
    force: Force = False,
) -> object:
    """Show the picture of a draft or promotion in the terminal, and the path of its file."""
    if out is not None:
        files.check_file(out, force=force)
    subject: object
    try:
        subject, picture = await context.client.get_draft(id)
        name = subject.id
    except DraftNotFound as not_a_draft:
        try:
            promotion = await context.client.get_promotion(id)
        except UnderpaintError:
            raise not_a_draft from None
        if promotion.artifact is None:
            raise InvalidRequest(
                f"promotion {id} is {promotion.withheld.value or promotion.state.value} and has "
                "no picture (yet); "
                f"see `underpaint watch {id}`"
            ) from None
        subject, name = promotion, promotion.id
        picture = await context.client.get_artifact(promotion.id, promotion.artifact.sha256)
    if out is None:
        # May be overwritten: it is the same picture, or an incomplete one after a full disk.
        shown = context.settings.data_directory / "shown"
        out, force = shown / f"{files.plain_name(name)}.png", True
        files.make_directory(shown)
    files.save_picture(out, picture, force=force)
    if context.pictures:
        terminal.show(context.out, picture, columns)
    # Not wrapped, so that the path can be copied or piped at any terminal width.
    context.out.print(str(out), soft_wrap=True)
    return document(subject, path=out)


def _save(path: Path, picture: bytes) -> None:
    try:
        files.save_picture(path, picture, force=False)
    except NotWritten as error:
        raise NotWritten(
            f"{error}; the drafts made so far stay on the node: see `underpaint drafts`"
        ) from None


def draft_progress(context: CommandContext, count: int) -> Progress:
    """A progress bar of drafts, shown only in a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=context.stage,
        transient=True,
        disable=not context.stage.is_terminal or count == 0,
    )
