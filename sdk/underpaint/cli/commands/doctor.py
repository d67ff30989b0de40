"""The command `doctor`: checks a machine and says what to do about each problem."""

from __future__ import annotations

import asyncio

from rich.text import Text
from underpaint.cli import exits
from underpaint.cli.command import CommandContext, Ended
from underpaint.cli.output.console import Sheet
from underpaint.cli.output.legible import marked
from underpaint.local import checks
from underpaint.local.findings import Finding, Verdict

_STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


async def doctor(context: CommandContext) -> object:
    """Check this machine and say what to do about each problem."""
    findings: list[Finding] = []
    # In threads: some start programs or look at many files.
    for check in checks.CHECKS:
        findings.extend(await asyncio.to_thread(list, check(context.settings)))
    findings.extend(await checks.services(context.settings))
    table = Sheet("", "what", "seen", fold=("what", "seen"))
    for finding in findings:
        seen = Text(finding.seen)
        if finding.advice and finding.verdict is not Verdict.OK:
            seen.append(f"\n→ {finding.advice}", style=_STYLES[finding.verdict])
        mark = Text(finding.verdict.value, style=_STYLES[finding.verdict])
        table.add_row(mark, Text(finding.what, style="bold"), seen)
    context.out.print(table)
    failed = sum(finding.verdict is Verdict.FAIL for finding in findings)
    context.out.print(
        marked("\n[bold red]{} must be fixed[/]", failed)
        if failed
        else marked("\n[green]nothing is wrong[/]")
    )
    if failed:
        raise Ended(exits.FAILED, {"findings": findings})
    return {"findings": findings}
