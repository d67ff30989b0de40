"""Commands about promotions: quote, promote, watch, cancel and list."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
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
from underpaint.cli.commands.polishing import (
    ClipSkip,
    Control,
    DraftArgument,
    Engine,
    FitOption,
    Guidance,
    Loras,
    Mask,
    Pictures,
    PolishPrompt,
    PriorityOption,
    References,
    Scheduler,
    Scopes,
    Size,
    Steps,
    Strength,
    polish_request,
    with_edges,
)
from underpaint.cli.output import files, terminal, times
from underpaint.cli.output.console import Sheet, prompt_cell
from underpaint.cli.output.files import Force, NotWritten
from underpaint.cli.output.json import document
from underpaint.cli.output.legible import marked
from underpaint.cli.output.progress import check_previews, follow
from underpaint.cli.output.promotion import (
    print_leaving,
    print_outcome,
    print_quote,
    state_cell,
)
from underpaint.contract.drafts import Draft, InitImage
from underpaint.contract.errors import EngineFailed, InvalidRequest, UnderpaintError
from underpaint.contract.generation import Fit
from underpaint.contract.money import format_usd
from underpaint.contract.outbox import AT_ANY_PRICE
from underpaint.contract.promotion import (
    Priority,
    Promotion,
    PromotionState,
)
from underpaint.sdk.requests import new_promotion_id


async def quote(
    context: CommandContext,
    draft: DraftArgument,
    strength: Strength = None,
    steps: Steps = None,
    guidance: Guidance = None,
    size: Size = None,
    fit: FitOption = Fit.CROP,
    prompt: PolishPrompt = None,
    engine: Engine = "",
    scope: Scopes = None,
    priority: PriorityOption = Priority.INTERACTIVE,
    mask: Mask = None,
    control: Control = None,
    reference: References = None,
    lora: Loras = None,
    scheduler: Scheduler = "",
    clip_skip: ClipSkip = 0,
) -> object:
    """Show what finishing a draft would cost at most, at which engine, and why. Spends nothing."""
    polish = polish_request(
        strength=strength,
        steps=steps,
        guidance=guidance,
        size=size,
        prompt=prompt,
        engine=engine,
        scope=scope,
        priority=priority,
        fit=fit,
        pictures=Pictures(mask=mask, control=control, references=reference),
        loras=lora,
        scheduler=scheduler,
        clip_skip=clip_skip,
    )
    one, picture = await context.client.get_draft(draft)
    init_image = InitImage(draft=one, picture=picture)
    polish = with_edges(replace(polish, draft_count=await _siblings(context, one)), picture)
    offer = await context.client.quote(init_image, polish)
    print_quote(context, offer)
    print_leaving(context, polish.inputs(init_image))
    return offer


async def promote(
    context: CommandContext,
    draft: DraftArgument,
    strength: Strength = None,
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
    mask: Mask = None,
    control: Control = None,
    reference: References = None,
    lora: Loras = None,
    scheduler: Scheduler = "",
    clip_skip: ClipSkip = 0,
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
    polish = polish_request(
        strength=strength,
        steps=steps,
        guidance=guidance,
        size=size,
        prompt=prompt,
        engine=engine,
        scope=scope,
        priority=priority,
        fit=fit,
        pictures=Pictures(mask=mask, control=control, references=reference),
        loras=lora,
        scheduler=scheduler,
        clip_skip=clip_skip,
    )
    promotion_id = promotion_id or new_promotion_id()
    if wait and out is None:
        out = default_file(promotion_id)
    if out is not None:
        files.check_file(out, force=force)  # before any money is spent
    one, picture = await context.client.get_draft(draft)
    init_image = InitImage(draft=one, picture=picture)
    polish = with_edges(replace(polish, draft_count=await _siblings(context, one)), picture)
    accepted = AT_ANY_PRICE if yes else 0
    try:
        offer = await context.client.quote(init_image, polish)
        print_quote(context, offer)
        print_leaving(context, polish.inputs(init_image))
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


async def _siblings(context: CommandContext, draft: Draft) -> int:
    """How many of the newest drafts differ from this one only in the seed."""
    wanted = replace(draft.request, seed=0)
    newest = await context.client.list_drafts(200)
    return max(1, sum(replace(one.request, seed=0) == wanted for one in newest))
