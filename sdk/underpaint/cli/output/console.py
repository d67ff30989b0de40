"""The console and the table that all commands use for output."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text
from underpaint.cli.output.legible import one_line, safe_lines, safe_text

_IN_A_FILE = 200  # columns: room enough for whole lines


class SafeConsole(Console):
    """Rich's console, which lets no control character of a text reach the terminal.

    Strings are printed as they are: markup is for `marked`, which takes other people's words as
    values. Rich's own control codes, such as those of a bar that moves, are no texts.
    """

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        """Prints to a stream; with `quiet` it prints nothing."""
        whole = stream.isatty() or "COLUMNS" in os.environ
        super().__init__(
            file=stream,
            quiet=quiet,
            highlight=False,
            markup=False,
            emoji=False,
            width=None if whole else _IN_A_FILE,
        )

    def print(self, *objects: Any, **how: Any) -> None:
        """Prints; texts are made safe before the layout, because that can make them longer."""
        super().print(*map(_laid_out, objects), **how)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Makes every segment of the output safe, however deep in a table it is."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text == "\n":
                yield segment
            else:
                yield Segment(safe_lines(segment.text), segment.style)

    @property
    def draws_blocks(self) -> bool:
        """Whether its encoding has the characters for spinners, bars and pictures."""
        return not self.options.ascii_only


class Sheet(Table):
    """A table without lines; text in it is shown literally, including brackets."""

    def __init__(self, *headings: str, right: Iterable[str] = (), fold: Iterable[str] = ()) -> None:
        """Columns keep what they hold on one line, except as said.

        Args:
            headings: of the columns; none at all for a table without headings.
            right: headings of columns with figures.
            fold: headings of columns that are broken into lines where room is short.
        """
        super().__init__(box=None, pad_edge=False, header_style="dim", show_header=any(headings))
        right, fold = tuple(right), tuple(fold)
        for heading in headings:
            self.add_column(
                Text(heading, no_wrap=True, overflow="ellipsis"),
                no_wrap=heading not in fold,
                overflow="fold" if heading in fold else "ellipsis",
                justify="right" if heading in right else "left",
            )

    def add_row(self, *cells: RenderableType | None, **how: Any) -> None:
        """Adds a row, its texts made safe."""
        super().add_row(*map(_laid_out, cells), **how)


def prompt_cell(prompt: str) -> Text:
    """A prompt as a cell of a column in `fold`, cut to the room that the other columns leave."""
    return Text(one_line(prompt), no_wrap=True, overflow="ellipsis")


def _laid_out(value: Any) -> Any:
    if isinstance(value, str):
        return Text(safe_lines(value))
    return safe_text(value) if isinstance(value, Text) else value
