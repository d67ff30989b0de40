"""What the pages take from the code itself, so that it cannot differ from it.

```{layers} tiers             the layers that import-linter holds, as a picture
```{rooms} orchestrator       what lives in each, from its docstring
```{roles}                    RPC by role
```{flags} orchestrator       the flags of a service
```{commands}                 the command line
```{families}                 what the models of each family can do
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from underpaint.cli.command import COMMON
from underpaint.cli.commands import families as families_of_models
from underpaint.cli.main import app as command_line
from underpaint.engines import capabilities
from underpaint.orchestrator.api.roles import TABLE
from underpaint.orchestrator.callers import BUILT_IN

log = logging.getLogger(__name__)

ROOT: Final = Path(__file__).parents[1]
SOURCE_ROOTS: Final = ("cloud", "edge", "engines", "orchestrator", "proto", "sdk")
WIDTH: Final = 560
BOX: Final = 46
GAP: Final = 26


def layers(which: str) -> list[list[str]]:
    """The layers from the highest down; those side by side do not know each other."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (found,) = (
        contract["layers"]
        for contract in contracts["contracts"]
        if contract["type"] == "layers"
        and contract.get("containers", ["tiers"]) in ([which], [f"underpaint.{which}"])
    )
    return [[name.strip() for name in layer.split("|")] for layer in found]


def picture(rows: Sequence[Sequence[str]]) -> str:
    """The layers as SVG; its colours are the page's, light or dark."""
    height = len(rows) * (BOX + GAP) - GAP
    drawn = []
    for number, row in enumerate(rows):
        top = number * (BOX + GAP)
        wide = (WIDTH - 2 - 12 * (len(row) - 1)) / len(row)
        for place, name in enumerate(row):
            left = 1 + place * (wide + 12)
            label = escape(name.removeprefix("underpaint."))
            drawn.append(
                f'<rect x="{left:.1f}" y="{top + 1}" width="{wide:.1f}" height="{BOX - 2}" rx="8"/>'
                f'<text x="{left + wide / 2:.1f}" y="{top + BOX / 2 + 6}">{label}</text>'
            )
        if number + 1 < len(rows):
            middle, start = WIDTH / 2, top + BOX + 3
            drawn.append(f'<path d="M{middle} {start}v16m-6 -7l6 7l6 -7"/>')
    words = "; ".join(" | ".join(row) for row in rows)
    return (
        f'<svg class="layers" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Layers from the highest down: {escape(words)}">{"".join(drawn)}</svg>'
    )


def says(name: str) -> str:
    """The first sentence of a module's or package's docstring."""
    dotted = Path(*name.split("."))
    for root in SOURCE_ROOTS:
        for file in (
            ROOT / root / dotted / "__init__.py",
            (ROOT / root / dotted).with_suffix(".py"),
        ):
            if file.exists():
                text = ast.get_docstring(ast.parse(file.read_text())) or ""
                return text.split("\n\n")[0].replace("\n", " ")
    return "The gRPC contract: code that is generated from `proto/underpaint/v1/*.proto`."


def rooms(which: str) -> str:
    """What each layer's packages say of themselves."""
    inside = "" if which == "tiers" else f"underpaint.{which}."
    lines = [
        f"| `{name.removeprefix('underpaint.')}` | {says(inside + name)} |"
        for row in layers(which)
        for name in row
    ]
    return "\n".join(["| | |", "| --- | --- |", *lines])


def roles() -> str:
    """RPC by role."""
    head = ["| RPC | " + " | ".join(BUILT_IN) + " |", "| --- |" + " :-: |" * len(BUILT_IN)]
    lines = []
    for rpc, row in TABLE.items():
        cells = []
        for role in BUILT_IN:
            reach = [
                word
                for word, holders in (
                    ("own", row.own),
                    ("others'", row.others),
                    ("all", row.everything),
                )
                if role in holders
            ]
            cells.append(", ".join(reach))
        star = r" \*" if row.by_policy else ""
        lines.append(f"| `{rpc}`{star} | " + " | ".join(cells) + " |")
    return "\n".join([*head, *lines])


def flags(service: str) -> str:
    """What `--help` of a service says of each flag."""
    shown = subprocess.run(
        [sys.executable, "-m", f"underpaint.{service}", "--help"],
        check=True,
        capture_output=True,
        text=True,
        env={"COLUMNS": "400", "PATH": "", "HOME": "/home/you"},
    ).stdout
    _, _, options = shown.replace(f"{ROOT}/", "").partition("options:\n")
    # Its meaning is beside a short flag and below a long one.
    found = re.findall(r"^  (-.*?)(?:  +|\n +)(\S.*)$", options, re.MULTILINE)
    rows = [f"| {_as_code(flag)} | {escape(meaning)} |" for flag, meaning in found]
    return "\n".join(["| flag | |", "| --- | --- |", *rows])


def _as_code(flags: str) -> str:
    # What argparse writes after a flag is mostly the flag again.
    return ", ".join(f"`{flag.split()[0]}`" for flag in flags.split(", "))


def commands(group: Any, name: str = "underpaint") -> str:
    """Every command with its arguments and its own options."""
    parts = []
    for word, command in group.commands.items():
        called = f"{name} {word}"
        own = [each for each in command.params if each.name not in {*COMMON, "context"}]
        arguments = [
            each.metavar or each.name.upper() for each in own if each.param_type_name == "argument"
        ]
        parts.append(f"## `{' '.join([called, *arguments])}`\n\n{command.help or ''}\n")
        rows = [
            f"| {_as_code(', '.join(each.opts))} | {escape(each.help or '')} |"
            for each in own
            if each.param_type_name == "option"
        ]
        if rows:
            parts.append("\n".join(["| option | |", "| --- | --- |", *rows]) + "\n")
        if hasattr(command, "commands"):
            parts.append(commands(command, called))
    return "\n".join(parts)


def families() -> str:
    """What the models of each family can do, and what is not tried or not loaded."""
    meanings = "".join(f"| {name} | {what} |\n" for name, what in _abilities())
    made = families_of_models.as_markdown(capabilities.table())
    return f"| column | |\n| --- | --- |\n{meanings}\n{made}\n\n{families_of_models.reasons()}"


def _abilities() -> zip[tuple[str, str]]:
    return zip(families_of_models.HEADINGS[1:], capabilities.ABILITIES.values(), strict=True)


class _FromCode(SphinxDirective):
    """Puts text made from the code in its place."""

    optional_arguments = 1

    def text(self, argument: str) -> str:
        """Markdown."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """The nodes of the text."""
        self.env.note_dependency(__file__)
        argument = self.arguments[0] if self.arguments else ""
        return self.parse_text_to_nodes(self.text(argument), allow_section_headings=True)


class Layers(SphinxDirective):
    """The picture of the layers."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """One inline SVG."""
        self.env.note_dependency(str(ROOT / "pyproject.toml"))
        return [nodes.raw("", picture(layers(self.arguments[0])), format="html")]


class Rooms(_FromCode):
    """What lives in each layer."""

    def text(self, argument: str) -> str:
        """A table."""
        return rooms(argument)


class Roles(_FromCode):
    """Who may call what."""

    def text(self, argument: str) -> str:
        """A table."""
        return roles()


class Flags(_FromCode):
    """The flags of a service."""

    def text(self, argument: str) -> str:
        """A table."""
        return flags(argument)


class Commands(_FromCode):
    """The command line."""

    def text(self, argument: str) -> str:
        """A section for each command."""
        return commands(typer.main.get_command(command_line))


class Families(_FromCode):
    """What the models of each family can do."""

    def text(self, argument: str) -> str:
        """Tables and lists."""
        return families()


def plain(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Docstrings are plain text with code in backticks; what else means something to RST does not.

    A module's may be drawn, such as the tree of errors.
    """
    if what == "module":
        lines[:] = ["::", "", *(f"   {line}" for line in lines)]
        return
    for number, line in enumerate(lines):
        parts = line.split("`")
        # Outside of backticks are those with an even number.
        parts[::2] = [re.sub(r"(?<=\w)(_)(?=\W|$)|(\*)", r"\\\1\2", part) for part in parts[::2]]
        lines[number] = "`".join(parts)


def bare(app: Sphinx, what: str, name: str, obj: object, *_: object) -> tuple[str, None] | None:
    """A protocol is never called, so it is shown without arguments."""
    return ("", None) if getattr(obj, "_is_protocol", False) and what == "class" else None


def fetched(site: Path) -> list[str]:
    """What pages would load from elsewhere when somebody looks at them; links do not count."""
    loads = {
        ".html": r"""<(?!a\b)[^>]*\b(?:src|href)=["']((?:https?:)?//[^"']+)""",
        ".css": r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')]+)""",
    }
    return [
        f"{file.relative_to(site)}: {address}"
        for suffix, pattern in loads.items()
        for file in sorted(site.rglob(f"*{suffix}"))
        for address in re.findall(pattern, file.read_text())
    ]


def check_alone(app: Sphinx, error: Exception | None) -> None:
    """The site must work where there is no network."""
    for found in [] if error else fetched(Path(app.outdir)):
        log.warning("it would be fetched from elsewhere: %s", found)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tells Sphinx of the directives."""
    for name, directive in (
        ("layers", Layers),
        ("rooms", Rooms),
        ("roles", Roles),
        ("flags", Flags),
        ("commands", Commands),
        ("families", Families),
    ):
        app.add_directive(name, directive)
    # Before napoleon, whose own marks are meant.
    app.connect("autodoc-process-docstring", plain, priority=100)
    app.connect("autodoc-process-signature", bare)
    app.connect("build-finished", check_alone)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
