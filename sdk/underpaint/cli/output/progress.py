"""Follows a promotion to its end: a progress bar and preview, or one line for each event."""

from __future__ import annotations

from contextlib import AbstractContextManager, aclosing, nullcontext
from pathlib import Path

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text
from underpaint.cli.command import CommandContext
from underpaint.cli.output import files, terminal
from underpaint.cli.output.legible import one_line
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.promotion import PromotionEvent

PREVIEW_COLUMNS = 32


def check_previews(directory: Path, *, force: bool) -> None:
    """Makes a directory for previews.

    Raises:
        InvalidRequest: it cannot be written, or has previews already.
    """
    files.make_directory(directory)
    if not force and any(directory.glob("*-step-*.jpg")):
        raise InvalidRequest(
            f"{directory} has previews already; name another directory, or add --force"
        )


async def follow(
    context: CommandContext,
    promotion_id: str,
    *,
    after_event_id: str = "",
    previews: Path | None = None,
) -> list[PromotionEvent]:
    """Shows all events up to the final one as they come, and returns them.

    Args:
        context: where it is shown.
        promotion_id: which.
        after_event_id: the last event seen; empty for all.
        previews: a directory to save each preview in; `check_previews` has been there before.

    Raises:
        NotWritten: a preview cannot be written; the promotion goes on.
    """
    view = _View(context)
    events: list[PromotionEvent] = []
    with view.live:
        async with aclosing(
            context.client.watch(promotion_id, after_event_id=after_event_id)
        ) as stream:
            async for event in stream:
                if event.preview and previews is not None:
                    name = f"{len(events):03d}-step-{event.step}.jpg"
                    files.save_picture(previews / name, event.preview, force=True)
                events.append(event)
                view.take(event)
    return events


class _View:
    def __init__(self, context: CommandContext) -> None:
        self._context = context
        self._preview: RenderableType = Text("")
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[message]}", style="dim", markup=False),
            console=context.stage,
        )
        self._line = self._bar.add_task("waiting", total=None, count="", message="")
        self._said = ""

    @property
    def live(self) -> AbstractContextManager[object]:
        """Draws while a promotion is followed."""
        if not self._context.stage.is_terminal:
            return nullcontext()
        return Live(console=self._context.stage, transient=True, get_renderable=self._render)

    def take(self, event: PromotionEvent) -> None:
        """Shows one event."""
        if not self._context.stage.is_terminal:
            self._say(event)
            return
        if event.preview and self._context.stage.draws_blocks:
            image = terminal.open_picture(event.preview)
            self._preview = terminal.half_blocks(image, PREVIEW_COLUMNS)
        self._bar.update(
            self._line,
            description=event.state.value,
            completed=event.step,
            total=event.steps or None,
            count=f"{event.step}/{event.steps}" if event.steps else "",
            message=one_line(event.message),
        )

    def _say(self, event: PromotionEvent) -> None:
        count = f" {event.step}/{event.steps}" if event.steps else ""
        preview = " (preview)" if event.preview else ""
        line = f"{event.state.value}{count}{preview} {one_line(event.message)}".strip()
        if line != self._said:
            self._said = line
            self._context.err.print(line, soft_wrap=True)

    def _render(self) -> RenderableType:
        return Group(self._preview, self._bar)
