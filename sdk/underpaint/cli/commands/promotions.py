"""Commands about promotions: quote, promote, watch, cancel and list."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text
from underpaint.cli import exits
from underpaint.cli.command import CommandContext, Ended
from underpaint.cli.commands import outbox
from underpaint.cli.commands.drafts import SHORT
from underpaint.cli.output import files, terminal, times
from underpaint.cli.output.console import Sheet, prompt_cell
from underpaint.cli.output.files import Force, NotWritten
from underpaint.cli.output.json import document
from underpaint.cli.output.legible import marked
from underpaint.cli.output.progress import check_previews, follow
from underpaint.cli.output.promotion import print_outcome, print_quote, state_cell
from underpaint.contract.drafts import Draft, InitImage
from underpaint.contract.errors import EngineFailed, InvalidRequest, UnderpaintError
from underpaint.contract.generation import Fit
from underpaint.contract.money import format_usd
from underpaint.contract.outbox import AT_ANY_PRICE
from underpaint.contract.promotion import (
    SCOPE_KINDS,
    Account,
    Priority,
    Promotion,
    PromotionState,
)
from underpaint.sdk.requests import PolishRequest, new_promotion_id

DraftArgument = Annotated[
    str, typer.Argument(metavar="DRAFT", help="A draft's id, or the beginning of it.")
]
Strength = Annotated[float, typer.Option(help="How much it may change the draft: 0.01 to 1.")]
Steps = Annotated[int | None, typer.Option(help="Denoising steps.")]
Guidance = Annotated[float | None, typer.Option(help="Guidance scale; 1 means none.")]
Size = Annotated[
    str | None,
    typer.Option(
        metavar="PIXELS", help="Size of the result: 1024 or 1024x768. Default: the draft's shape."
    ),
]
FitOption = Annotated[
    Fit, typer.Option("--fit", help="How to fit a draft whose shape differs from the result's.")
]
PolishPrompt = Annotated[
    str | None, typer.Option("--prompt", help="Another prompt than the draft's.")
]
Engine = Annotated[str, typer.Option(help="The engine; default: the policy chooses.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="KIND:NAME", help="Who pays, such as project:catalogue."),
]
PriorityOption = Annotated[
    Priority, typer.Option("--priority", help="batch gives way to interactive work.")
]


async def quote(
    context: CommandContext,
    draft: DraftArgument,
    strength: Strength = 0.6,
    steps: Steps = None,
    guidance: Guidance = None,
    size: Size = None,
    fit: FitOption = Fit.CROP,
    prompt: PolishPrompt = None,
    engine: Engine = "",
    scope: Scopes = None,
    priority: PriorityOption = Priority.INTERACTIVE,
) -> object:
    """Show what finishing a draft would cost at most, at which engine, and why. Spends nothing."""
    polish = _polish(strength, steps, guidance, size, prompt, engine, scope, priority, fit)
    one, picture = await context.client.get_draft(draft)
    init_image = InitImage(draft=one, picture=picture)
    polish = replace(polish, draft_count=await _siblings(context, one))
    offer = await context.client.quote(init_image, polish)
    print_quote(context, offer)
    return offer


async def promote(
    context: CommandContext,
    draft: DraftArgument,
    strength: Strength = 0.6,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Accept the quote without asking.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until it is finished.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Wait, and save the finished picture in this file.")
    ] = None,
    steps: Steps = None,
    guidance: Guidance = None,
    size: Size = None,
    fit: FitOption = Fit.CROP,
    prompt: PolishPrompt = None,
    engine: Engine = "",
    scope: Scopes = None,
    priority: PriorityOption = Priority.INTERACTIVE,
    promotion_id: Annotated[
        str, typer.Option(help="The id of an earlier attempt, to repeat it without paying twice.")
    ] = "",
    force: Force = False,
) -> object:
    """Finish a draft in the cloud: quote, confirm, reserve the money, send the draft.

    If the orchestrator is out of reach, the promotion waits in the edge node's outbox.
    """
    if not yes and not context.asks:
        raise InvalidRequest(
            "promoting costs money and there is no terminal to confirm it; "
            "look at `underpaint quote` and add --yes"
        )
    polish = _polish(strength, steps, guidance, size, prompt, engine, scope, priority, fit)
    promotion_id = promotion_id or new_promotion_id()
    if wait and out is None:
        out = default_file(promotion_id)
    if out is not None:
        files.check_file(out, force=force)  # before any money is spent
    one, picture = await context.client.get_draft(draft)
    init_image = InitImage(draft=one, picture=picture)
    polish = replace(polish, draft_count=await _siblings(context, one))
    accepted = AT_ANY_PRICE if yes else 0
    try:
        offer = await context.client.quote(init_image, polish)
        print_quote(context, offer)
        most = offer.max_usd_micros
        if not yes and not context.confirm(f"Promote for at most {format_usd(most)}?"):
            context.err.print("not promoted; nothing was spent")
            raise Ended(exits.FAILED)
        accepted = most
        promotion = await context.client.promote(
            init_image, polish, quote_id=offer.id, promotion_id=promotion_id
        )
    except outbox.OUT_OF_REACH as error:
        item = await outbox.keep(context, init_image, polish, promotion_id, accepted, error)
        if out is not None:  # the picture that was asked for does not exist yet
            raise Ended(exits.OUT_OF_REACH, {"outbox": item}) from None
        return {"outbox": item}
    told = promotion.id, promotion.state.value
    context.out.print(marked("promotion [bold]{}[/] is {}", *told))
    if promotion.state is PromotionState.WAITING:
        context.out.print(marked("{}", promotion.reason), soft_wrap=True)
    if out is None:
        context.out.print(marked("[dim]follow it with[/] underpaint watch {}", promotion.id))
        return promotion
    return await finish(context, promotion.id, out, force=force)


async def watch(
    context: CommandContext,
    promotion_id: Annotated[str, typer.Argument(metavar="ID", help="The promotion's id.")],
    after: Annotated[str, typer.Option(help="The id of the last event already seen.")] = "",
    previews: Annotated[Path | None, typer.Option(help="Save previews in this directory.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Save the finished picture in this file.")
    ] = None,
    force: Force = False,
) -> object:
    """Follow a promotion to its end."""
    if previews is not None:
        check_previews(previews, force=force)
    if out is not None:
        files.check_file(out, force=force)
    return await finish(context, promotion_id, out, after=after, previews=previews, force=force)


async def cancel(
    context: CommandContext,
    promotion_id: Annotated[str, typer.Argument(metavar="ID", help="The promotion's id.")],
) -> object:
    """Cancel a promotion, unless it is finished; nothing is charged."""
    promotion = await context.client.cancel(promotion_id)
    if promotion.state.final:
        print_outcome(context, promotion)
    else:
        context.out.print(marked("promotion {} stops after the present step", promotion.id))
    return promotion


async def promotions(
    context: CommandContext,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
) -> object:
    """List promotions, newest first."""
    found = await context.client.list_promotions(limit)
    headings = ("id", times.heading("made"), "state", "quoted", "charged", "prompt")
    table = Sheet(*headings, right=("quoted", "charged"), fold=("prompt",))
    for one in found:
        table.add_row(
            Text(one.id, style="bold"),
            times.moment(one.created_at),
            state_cell(one),
            format_usd(one.quote.max_usd_micros),
            format_usd(one.receipt.charged_usd_micros) if one.receipt else "",
            prompt_cell(one.quote.request.prompt),
        )
    context.out.print(table if found else "no promotions yet; see underpaint promote --help")
    for one in found:
        if one.state is PromotionState.WAITING and one.quote.approval:
            context.out.print(
                marked(
                    "[dim]{} waits for role {}:[/] underpaint promotions approve {}",
                    one.id,
                    one.quote.approval.role,
                    one.id,
                ),
                soft_wrap=True,
            )
    return {"promotions": found}


async def finish(
    context: CommandContext,
    promotion_id: str,
    out: Path | None,
    *,
    after: str = "",
    previews: Path | None = None,
    force: bool = False,
) -> object:
    """Follows a promotion to its end, saves its picture and prints how it ended.

    Raises:
        Ended: with exit code 1, if it ended without a picture.
        NotWritten: it is finished and paid, but its picture could not be written.
    """
    try:
        await follow(context, promotion_id, after_event_id=after, previews=previews)
    except asyncio.CancelledError:
        context.err.print(f"the promotion continues; see it with: underpaint watch {promotion_id}")
        raise
    except NotWritten as error:
        raise NotWritten(
            f"{error}; the promotion continues: see `underpaint watch {promotion_id}`"
        ) from None
    promotion = await context.client.get_promotion(promotion_id)
    print_outcome(context, promotion)
    if promotion.state is not PromotionState.SETTLED or promotion.withheld.value:
        if promotion.withheld.value:
            told = "[dim]try other words, or another seed:[/] underpaint promotions retry {}"
            context.out.print(marked(told, promotion_id))
        raise Ended(exits.FAILED, promotion)
    if out is not None:
        with still_there(promotion_id):
            picture = await fetch(context, promotion)
            files.save_picture(out, picture, force=force)
        if context.pictures:
            terminal.show(context.out, picture)
        context.out.print(str(out), soft_wrap=True)
    return document(promotion, path=out)


@contextmanager
def still_there(promotion_id: str) -> Iterator[None]:
    """Adds to an error how the finished picture can still be fetched."""
    try:
        yield
    except (UnderpaintError, NotWritten) as error:
        told = "the finished picture is stored: `underpaint show"
        raise type(error)(f"{error}; {told} {promotion_id} --out FILE` fetches it") from None


def default_file(promotion_id: str) -> Path:
    """The default file of a finished picture: a name that is not used yet."""
    name = f"underpaint-{files.plain_name(promotion_id[:SHORT])}.png"
    return files.first_free(Path(name))


async def fetch(context: CommandContext, promotion: Promotion) -> bytes:
    """The finished picture of a settled promotion."""
    if promotion.artifact is None:
        raise EngineFailed(f"promotion {promotion.id} is settled without a picture; report this")
    return await context.client.get_artifact(promotion.id, promotion.artifact.sha256)


def parse_size(text: str | None) -> tuple[int | None, int | None]:
    """The width and height of "1024" or "1024x768", in pixels; None if not given.

    Raises:
        InvalidRequest: the text is neither.
    """
    if text is None:
        return None, None
    width, _, height = text.lower().partition("x")
    try:
        return int(width), int(height or width)
    except ValueError:
        raise InvalidRequest(f"{text!r} is not a size; write 1024 or 1024x768") from None


def parse_account(scopes: Sequence[str] | None) -> Account:
    """The account of scopes such as "project:catalogue".

    Raises:
        InvalidRequest: a scope is not written like that.
    """
    names: dict[str, str] = {}
    for scope in scopes or ():
        kind, _, name = scope.partition(":")
        if kind not in SCOPE_KINDS or not name:
            raise InvalidRequest(
                f"{scope!r} is not a scope; write {', '.join(SCOPE_KINDS)} and a name, "
                "such as project:catalogue"
            )
        names[kind] = name
    return Account(**names)


def _polish(
    strength: float,
    steps: int | None,
    guidance: float | None,
    size: str | None,
    prompt: str | None,
    engine: str,
    scope: Sequence[str] | None,
    priority: Priority,
    fit: Fit,
) -> PolishRequest:
    width, height = parse_size(size)
    return PolishRequest(
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=guidance,
        width=width,
        height=height,
        prompt=prompt,
        engine=engine,
        account=parse_account(scope),
        priority=priority,
        fit=fit,
    )


async def _siblings(context: CommandContext, draft: Draft) -> int:
    """How many of the newest drafts differ from this one only in the seed."""
    wanted = replace(draft.request, seed=0)
    newest = await context.client.list_drafts(200)
    return max(1, sum(replace(one.request, seed=0) == wanted for one in newest))
