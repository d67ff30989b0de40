"""The `underpaint` command line: what there is, and under which name."""

from __future__ import annotations

import sys

import typer
from underpaint.sdk import (
    accounting,
    deciding,
    demo,
    doctor,
    drafting,
    exits,
    exporting,
    models,
    outbox,
    promoting,
    retrying,
    spending,
    up,
)
from underpaint.sdk.desk import add_command, add_default

app = typer.Typer(
    name="underpaint",
    help="Sketch on the edge, finish in the cloud.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
budget = typer.Typer(help="Limit spending, and see what is left.", no_args_is_help=True)
promotions = typer.Typer()
policy = typer.Typer(help="Check a policy, explain and replay its decisions.", no_args_is_help=True)
ledger = typer.Typer(help="Prove that the money adds up, and take it along.", no_args_is_help=True)
bundled = typer.Typer(help="What the bundled models know and can do.", no_args_is_help=True)

waiting = typer.Typer(
    help="Promotions that wait on this node for the orchestrator.", no_args_is_help=True
)

add_command(app, "up", up.up)
add_command(app, "doctor", doctor.doctor)
add_command(app, "draft", drafting.draft)
add_command(app, "drafts", drafting.drafts)
add_command(app, "show", drafting.show)
add_command(app, "quote", promoting.quote)
add_command(app, "promote", promoting.promote)
add_command(app, "watch", promoting.watch)
add_command(app, "cancel", promoting.cancel)
app.add_typer(promotions, name="promotions")
add_default(promotions, promoting.promotions)
add_command(promotions, "approve", deciding.approve)
add_command(promotions, "deny", deciding.deny)
add_command(promotions, "dead", retrying.dead)
add_command(promotions, "retry", retrying.retry)
app.add_typer(waiting, name="outbox")
add_command(waiting, "list", outbox.outbox_list)
add_command(waiting, "send", outbox.outbox_send)
add_command(waiting, "drop", outbox.outbox_drop)
app.add_typer(budget, name="budget")
add_command(budget, "set", accounting.budget_set)
add_command(budget, "show", accounting.budget_show)
add_command(budget, "remove", accounting.budget_remove)
add_command(app, "spend", spending.spend)
app.add_typer(ledger, name="ledger")
add_command(ledger, "verify", accounting.ledger_verify)
add_command(ledger, "thaw", accounting.ledger_thaw)
add_command(ledger, "export", exporting.ledger_export)
app.add_typer(bundled, name="models")
add_command(bundled, "show", models.models_show)
add_command(bundled, "verify", models.models_verify)
add_command(bundled, "eval", models.models_eval)
app.add_typer(policy, name="policy")
add_command(policy, "show", deciding.policy_show)
add_command(policy, "check", deciding.policy_check)
add_command(policy, "explain", deciding.policy_explain)
add_command(policy, "replay", deciding.policy_replay)
add_command(app, "demo", demo.demo)


def main() -> None:
    """The entry point; Ctrl-C ends it without a word."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(exits.INTERRUPTED)
