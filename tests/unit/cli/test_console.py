"""The console and its tables, with words that would steer a terminal."""

from __future__ import annotations

import io
import re
from importlib.resources import files
from pathlib import Path

import pytest
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text
from underpaint.cli.output.console import SafeConsole, Sheet, prompt_cell
from underpaint.cli.output.legible import marked, one_line

EVIL = "\x1b]0;owned\x9b31m\u202eevil"
SPELLED = "\\x1b]0;owned\\x9b31m\\u202eevil"


def printed(*objects: RenderableType) -> str:
    out = io.StringIO()
    SafeConsole(out).print(*objects)
    return out.getvalue()


@pytest.mark.parametrize(
    "wrapped",
    [
        EVIL,
        Text(EVIL),
        Group(EVIL),
        Group(Text(EVIL)),
        Padding(EVIL, 1),
        Panel("x", title=Text(EVIL)),
        Panel(Group(Padding(Text(EVIL), 1))),
    ],
)
def test_however_deep_words_stand_they_are_characters(wrapped: RenderableType) -> None:
    assert SPELLED in printed(wrapped)
    assert not {"\x1b", "\x9b", "\u202e"} & set(printed(wrapped))


@pytest.mark.parametrize("words", ["[bold]x[/] [/oops]", ":bomb:", "[link=http://evil]x[/link]"])
def test_markup_and_emoji_of_others_are_characters(words: str) -> None:
    sheet = Sheet("heading")
    sheet.add_row(words)
    for shown in (words, Group(words), sheet, marked("told: [dim]{}[/]", words)):
        assert words in printed(shown)


def test_nothing_of_what_is_spelled_out_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    sheet = Sheet("heading", fold=("heading",))
    sheet.add_row(EVIL * 5)
    for shown in (Text(EVIL * 5), EVIL * 5, sheet):
        lines = printed(shown).splitlines()
        assert max(map(len, lines)) <= 30
        assert SPELLED * 5 in "".join(line.rstrip() for line in lines)


def test_headings_stay_on_one_line_where_there_is_little_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    sheet = Sheet("id", "prompt", fold=("prompt",))
    sheet.add_row("44sf7kv27f-12345", prompt_cell("a long prompt"))
    assert printed(sheet).splitlines() == ["id                p…", "44sf7kv27f-12345  a…"]


def test_a_value_takes_the_style_of_its_place_and_stays_on_its_line() -> None:
    text = marked("[bold]{}[/] costs [green]{}[/], {}", "a [fox]\n\\", "$1", Text("x", "red"))
    assert text.plain == "a [fox]\\n\\ costs $1, x"
    styles = {text.plain[span.start : span.end]: str(span.style) for span in text.spans}
    assert styles == {"a [fox]\\n\\": "bold", "$1": "green", "x": "red"}


def test_lines_of_a_file_stay_lines() -> None:
    assert printed("a:\r\n\tb\n") == "a:\n        b\n\n"
    assert one_line(" a \r\n\t b\x85c ") == "a b c"


def test_nobody_prints_around_the_console() -> None:
    cli = Path(str(files("underpaint.cli")))
    around = re.compile(r"(?<![\w.])print\(|(?<!Safe)\bConsole\(|\bTable\(|std(out|err)\.write")
    found = {
        path.relative_to(cli).as_posix(): match.group()
        for path in cli.rglob("*.py")
        if path.name != "console.py"
        for match in around.finditer(path.read_text())
    }
    assert found == {
        "command.py": "stderr.write",  # of errors, made safe, and of JSON, in ASCII
        "main.py": "stderr.write",  # that standard output cannot be written
    }
