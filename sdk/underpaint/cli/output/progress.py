"""Follows a promotion to its end: a bar, the latest preview, one line when nobody looks."""

from __future__ import annotations

from contextlib import AbstractContextManager, aclosing, nullcontext
from pathlib import Path

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text
from underpaint.cli.command import CommandContext
from underpaint.cli.output import terminal
from underpaint.contract.promotion import PromotionEvent

PREVIEW_COLUMNS = 32


async def follow(
    context: CommandContext,
    promotion_id: str,
    *,
    after_event_id: str = "",
    previews: Path | None = None,
) -> list[PromotionEvent]:
    """All events up to the final one, shown as they come.

    Args:
        context: where it is shown.
        promotion_id: which.
        after_event_id: the last event seen; empty for all.
        previews: a directory to save each preview in.
    """
    view = _View(context)
    events: list[PromotionEvent] = []
    with view.live:
        async with aclosing(
            context.client.watch(promotion_id, after_event_id=after_event_id)
        ) as stream:
            async for event in stream:
                if event.preview and previews is not None:
                    path = previews / f"{len(events):03d}-step-{event.step}.jpg"
                    path.write_bytes(event.preview)
                events.append(event)
                view.take(event)
    return events


class _View:
    def __init__(self, context: CommandContext) -> None:
        self._desk = context
        self._preview: RenderableType = Text("")
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[message]}"),
            console=context.stage,
        )
        self._line = self._bar.add_task("waiting", total=None, count="", message="")
        self._said = ""

    @property
    def live(self) -> AbstractContextManager[object]:
        """Draws while a promotion is followed."""
        if not self._desk.stage.is_terminal:
            return nullcontext()
        return Live(console=self._desk.stage, transient=True, get_renderable=self._render)

    def take(self, event: PromotionEvent) -> None:
        """Shows one event."""
        if not self._desk.stage.is_terminal:
            self._say(event)
            return
        if event.preview:
            image = terminal.open_picture(event.preview)
            self._preview = terminal.half_blocks(image, PREVIEW_COLUMNS)
        self._bar.update(
            self._line,
            description=event.state.value,
            completed=event.step,
            total=event.steps or None,
            count=f"{event.step}/{event.steps}" if event.steps else "",
            message=event.message,
        )

    def _say(self, event: PromotionEvent) -> None:
        count = f" {event.step}/{event.steps}" if event.steps else ""
        preview = " (preview)" if event.preview else ""
        line = f"{event.state.value}{count}{preview} {event.message}".strip()
        if line != self._said:
            self._said = line
            self._desk.err.print(line, markup=False, soft_wrap=True)

    def _render(self) -> RenderableType:
        return Group(self._preview, self._bar)
