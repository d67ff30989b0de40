"""Commands about policies: show, check, explain and replay."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text
from underpaint.cli import exits
from underpaint.cli.command import CommandContext, Ended
from underpaint.cli.output import times
from underpaint.cli.output.console import Sheet
from underpaint.cli.output.legible import marked
from underpaint.contract.durations import parse_duration
from underpaint.contract.errors import InvalidRequest, ServiceUnreachable
from underpaint.contract.money import format_usd
from underpaint.contract.policy import PolicyCheck, PolicyProblem
from underpaint.local.extras import missing

PolicyFile = Annotated[Path, typer.Argument(metavar="FILE", help="A policy, YAML.")]

SHORT_VERSION: Final = 12  # digits of a SHA-256 that people see
SHOWN_CHANGES: Final = 20


async def policy_show(context: CommandContext) -> object:
    """Show the policy in force, and the problems of a newer text in its file."""
    status = await context.client.policy()
    context.out.print(status.text.rstrip(), soft_wrap=True)
    since = f"{times.moment(status.since, '%Y-%m-%d %H:%M:%S')} ({times.zone()})"
    told = status.version[:SHORT_VERSION], since, status.file
    context.out.print(marked("[dim]policy {} is in force since {}, from[/] {}", *told))
    for problem in status.problems:
        _print_problem(context, Path(status.file), problem)
    if status.problems:
        context.err.print("so the present text of the file is not in force")
    return status


async def policy_check(
    context: CommandContext,
    file: PolicyFile,
    prices: Annotated[
        Path | None,
        typer.Option(help="Check with this price table, without a running orchestrator."),
    ] = None,
) -> object:
    """Check a policy: unknown fields, rules that can never decide, engines without a price."""
    text = _read(file)
    if prices is None:
        try:
            found = await context.client.check_policy(text)
        except ServiceUnreachable as error:
            raise ServiceUnreachable(
                f"{error}; or check it here with a price table: --prices FILE"
            ) from None
    else:
        found = await asyncio.to_thread(_check_here, file, prices)
    for problem in found.problems:
        _print_problem(context, file, problem)
    if found.problems:
        number = len(found.problems)
        context.err.print(f"{number} problem{'s' if number > 1 else ''}; it would not be loaded")
        raise Ended(exits.WRONG_INPUT, found)
    rules = "1 rule" if found.rules == 1 else f"{found.rules} rules"
    version = found.version[:SHORT_VERSION]
    context.out.print(marked("{} is sound: {}, version {}", file, rules, version))
    return found


async def policy_explain(
    context: CommandContext,
    promotion_id: Annotated[str, typer.Argument(metavar="PROMOTION", help="Its id.")],
) -> object:
    """Show for a promotion each rule, the facts that it used, and which rule decided."""
    told = await context.client.explain(promotion_id)
    headings = ("line", "rule", "when", "saw", "said")
    table = Sheet(*headings, fold=headings)
    for each in told.rules:
        verdict = each.verdict
        style = "bold green" if verdict.decided else "" if each.reached else "dim"
        mark = "→" if verdict.decided else "·" if each.reached else " "
        saw = "\n".join(f"{name} = {value}" for name, value in verdict.saw.items())
        said = verdict.reason if verdict.decided or not saw else "no"
        table.add_row(
            str(each.line or ""),
            Text(f"{mark} {verdict.rule}", style=style),
            each.when or ("always" if each.line else ""),
            saw,
            said if each.reached else "not reached",
        )
    context.out.print(table)
    quote = told.promotion.quote
    version = quote.policy_version[:SHORT_VERSION] or "of an older release"
    state = "still in force" if told.in_force else "no longer in force"
    context.out.print(
        marked("[dim]policy {}, {}; promotion is {}[/]", version, state, told.promotion.state.value)
    )
    return told


async def policy_replay(
    context: CommandContext,
    file: PolicyFile,
    since: Annotated[str, typer.Option(metavar="SPAN", help="How far back: 12h, 7d, 4w.")] = "7d",
) -> object:
    """Compare what happened to past promotions with what another policy would have decided."""
    text = _read(file)
    begin = datetime.now(UTC) - timedelta(seconds=parse_duration(since))
    checked = await context.client.check_policy(text)
    if checked.problems:
        for problem in checked.problems:
            _print_problem(context, file, problem)
        raise Ended(exits.WRONG_INPUT, checked)
    replay = await context.client.replay_policy(text, begin)
    table = Sheet("outcome", "happened", "would have", right=("happened", "would have"))
    for line in replay.lines:
        if line.before or line.after or line.outcome != "unknown":
            table.add_row(line.outcome, str(line.before), str(line.after))
    table.add_row(
        "spent", format_usd(replay.before_usd_micros), format_usd(replay.after_usd_micros)
    )
    context.out.print(table)
    if replay.changes:
        headings = ("promotion", "happened", "would have", "spent", "why")
        changes = Sheet(*headings, fold=headings)
        for each in replay.changes[:SHOWN_CHANGES]:
            spent = f"{format_usd(each.before_usd_micros)} → {format_usd(each.after_usd_micros)}"
            changes.add_row(each.promotion_id, each.before, each.after, spent, each.reason)
        context.out.print(changes)
    more = replay.changed - min(len(replay.changes), SHOWN_CHANGES)
    if more:
        context.out.print(marked("[dim]and {} more[/]", more))
    context.out.print(
        marked(
            "[dim]requests that were refused when quoted are not stored, so they are missing here; "
            "every approval counts as given, and spending is an estimate[/]"
        )
    )
    return replay


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{file} cannot be read: {error}") from None


def _check_here(file: Path, prices: Path) -> PolicyCheck:
    """Runs the orchestrator's code in another process, because tiers do not import each other."""
    absent = missing("orchestrator")
    if absent:
        raise InvalidRequest(
            f"checking here needs {', '.join(absent)}; "
            'pip install "underpaint[orchestrator]", or leave out --prices'
        )
    command = [sys.executable, "-m", "underpaint.orchestrator.policy", str(file)]
    ended = subprocess.run(  # noqa: S603 - our own module, no shell
        [*command, "--prices", str(prices)], capture_output=True, text=True, check=False
    )
    if not ended.stdout:
        raise InvalidRequest(ended.stderr.strip().removeprefix("underpaint policy: "))
    found = json.loads(ended.stdout)
    return PolicyCheck(
        version=found["version"],
        rules=found["rules"],
        problems=tuple(PolicyProblem(**each) for each in found["problems"]),
    )


def _print_problem(context: CommandContext, file: Path, problem: PolicyProblem) -> None:
    told = marked("{}:{}: {}", file, problem.line, problem.told)
    context.err.print(told, soft_wrap=True)
