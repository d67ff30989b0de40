"""Commands about the bundled models: show, verify and evaluate them."""

from __future__ import annotations

import asyncio
import json
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.padding import Padding
from rich.text import Text
from underpaint.cli import exits
from underpaint.cli.command import CommandContext, Ended
from underpaint.cli.output.console import Sheet
from underpaint.cli.output.legible import marked
from underpaint.contract.errors import InvalidModel, InvalidRequest
from underpaint.contract.vocabulary import Vocabulary, Word, read_vocabulary
from underpaint.engines.cards import directory_card
from underpaint.engines.checkpoints import check_directory, check_sums, count_parameters
from underpaint.local import extras
from underpaint.local.bundled import model_directory

CHECKOUT: Final = Path(__file__).parents[4]
"""The repository's root, where the source is run from one."""
_INDENT: Final = (0, 0, 0, 2)


class Bundled(Enum):
    """The models that come with the distribution."""

    LITE = "lite"
    FULL = "full"

    @property
    def tier(self) -> str:
        """The tier that contains it."""
        return "edge" if self is Bundled.LITE else "cloud"

    @property
    def directory(self) -> Path:
        """Its directory.

        Raises:
            InvalidRequest: its tier is not installed.
        """
        found = model_directory(self.tier, self.value)
        if found is None:
            raise InvalidRequest(
                f"the model {self.value} is not here; pip install 'underpaint[{self.tier}]'"
            )
        return found


async def models_show(
    context: CommandContext,
    model: Annotated[Bundled, typer.Argument(help="Which one.")] = Bundled.LITE,
) -> object:
    """Show the words that a bundled model knows, its size and its defaults."""
    directory = model.directory
    check_directory(directory)
    card, vocabulary = directory_card(directory), read_vocabulary(directory)
    files = [path for path in directory.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    parameters = count_parameters(directory)
    try:
        await asyncio.to_thread(check_sums, directory)
        sums = "ok"
    except InvalidModel as error:
        sums = str(error)
    facts = {
        "parameters": f"{parameters:,}",
        "size": f"{size / 2**20:.1f} MiB",
        "picture": f"{card.native_size} x {card.native_size}" if card.native_size else "",
        "steps": str(card.num_inference_steps or ""),
        "guidance": "" if card.guidance_scale is None else f"{card.guidance_scale:g}",
        "strength": "" if card.strength is None else f"{card.strength:g}",
        "sums": sums,
        "directory": str(directory),
    }
    table = Sheet()
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        if fact:
            table.add_row(name, Text(fact, style="" if name != "sums" or fact == "ok" else "red"))
    context.out.print(Text(card.name, style="bold"))
    context.out.print(table)
    _print_vocabulary(context, vocabulary, model)
    return {
        "name": card.name,
        "directory": directory,
        "parameters": parameters,
        "bytes": size,
        "sums": sums,
        "native_size": card.native_size,
        "num_inference_steps": card.num_inference_steps,
        "guidance_scale": card.guidance_scale,
        "strength": card.strength,
        "vocabulary": vocabulary,
    }


def _print_vocabulary(context: CommandContext, vocabulary: Vocabulary, model: Bundled) -> None:
    if not vocabulary.things:
        context.out.print(
            f"\n{model.value} lists no words of its own"
            + ("; it was taught those of `underpaint models show lite`" * (model is Bundled.FULL))
        )
        return
    kinds: dict[str, list[Word]] = {}
    for thing in vocabulary.things:
        kinds.setdefault(thing.kind, []).append(thing)
    context.out.print(marked("\n[bold]{} things[/]", len(vocabulary.things)))
    for kind, things in kinds.items():
        # In sets of words the many other names would hide the words; --json has them.
        _print_words(context, kind or "thing", ", ".join(thing.word for thing in things))
    for name in ("styles", "backgrounds", "sizes", "positions"):
        words: tuple[Word, ...] = getattr(vocabulary, name)
        if words:
            context.out.print(marked("\n[bold]{} {}[/]", len(words), name))
            for word in words:
                _print_words(context, word.word, ", ".join(word.also))
    if vocabulary.examples:
        context.out.print(marked("\n[bold]drawn well[/]"))
        for example in vocabulary.examples:
            context.out.print(Padding(Text(example), _INDENT))


def _print_words(context: CommandContext, name: str, words: str) -> None:
    line = Sheet()
    line.add_column(width=10, style="dim")
    line.add_column()
    line.add_row(name, words)
    context.out.print(Padding(line, _INDENT))


async def models_verify(
    context: CommandContext,
    directories: Annotated[
        list[Path] | None, typer.Argument(help="Model directories; else the bundled ones.")
    ] = None,
) -> object:
    """Check every file of some models against its SHA-256."""
    found = directories or [
        place for one in Bundled if (place := model_directory(one.tier, one.value)) is not None
    ]
    if not found:
        raise InvalidRequest("no bundled models are installed; name a directory")
    results: list[dict[str, Any]] = []
    for directory in found:
        try:
            files = await asyncio.to_thread(check_sums, directory)
        except InvalidModel as error:
            results.append({"directory": directory, "ok": False, "error": str(error)})
            # As it is: a path that is cut by rich's wrapping names nothing.
            context.err.print(f"error: {error}", soft_wrap=True)
        else:
            results.append({"directory": directory, "ok": True, "files": files})
            told = marked("[green]ok[/] {} files in {}", files, directory)
            context.out.print(told, soft_wrap=True)
    document = {"models": results}
    if not all(result["ok"] for result in results):
        raise Ended(exits.WRONG_INPUT, document)
    return document


async def models_eval(
    context: CommandContext,
    lite: Annotated[Path | None, typer.Option(help="A directory; else the bundled one.")] = None,
    full: Annotated[Path | None, typer.Option(help="A directory; else the bundled one.")] = None,
    prompts: Annotated[int, typer.Option(help="How many of the 500.")] = 500,
    polishes: Annotated[int, typer.Option(help="How many drafts Full polishes; slow.")] = 500,
    pairs: Annotated[int, typer.Option(help="How many of the 60 with two things.")] = 60,
    out: Annotated[
        Path | None, typer.Option(help="Where pictures, metrics and sheets go, and go on from.")
    ] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Copy metrics and sheets to training/sheets.")
    ] = False,
) -> object:
    """Draw fixed prompts with both models and judge them; needs the repository."""
    if not (CHECKOUT / "training" / "evaluate").is_dir():
        raise InvalidRequest(
            "the judge is not part of the package; run this from a checkout of the repository: "
            "pip install -e '.[all,training]' there"
        )
    missing = [name for extra in ("edge", "cloud", "training") for name in extras.missing(extra)]
    if missing:
        raise InvalidRequest(
            f"{', '.join(missing)} missing; pip install -e '.[all,training]' in {CHECKOUT}"
        )
    place = (out or CHECKOUT / "training" / "cache" / "evaluation").resolve()
    given: dict[str, object] = {"prompts": prompts, "polishes": polishes, "pairs": pairs}
    given |= {"lite": lite and lite.resolve(), "full": full and full.resolve(), "out": place}
    flags = [f"--{name}={value}" for name, value in given.items() if value is not None]
    # A program of its own: this one must not import torch, nor the repository's other packages.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "training.evaluate", *flags, *["--publish"] * publish),
        cwd=CHECKOUT,
        stdout=sys.stderr.fileno() if context.as_json else None,
    )
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if code:  # it has said why
        raise Ended(code if code in (exits.WRONG_INPUT, exits.INTERRUPTED) else exits.FAILED)
    return json.loads((place / "metrics.json").read_bytes()) if context.as_json else None
