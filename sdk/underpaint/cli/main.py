"""The `underpaint` command line: registers every command under its name."""

from __future__ import annotations

import sys

import typer
from underpaint.cli import exits
from underpaint.cli.command import add_command, add_default
from underpaint.cli.commands import (
    approvals,
    budget,
    callers,
    certs,
    dead_letters,
    demo,
    doctor,
    drafts,
    families,
    ledger,
    model_cards,
    models,
    outbox,
    policy,
    promotions,
    spend,
    up,
)
from underpaint.cli.output import streams

app = typer.Typer(
    name="underpaint",
    help="Sketch on the edge, finish in the cloud.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
budget_app = typer.Typer(help="Limit spending and see what is left.", no_args_is_help=True)
promotions_app = typer.Typer()
policy_app = typer.Typer(
    help="Show and check policies, explain and replay decisions.", no_args_is_help=True
)
ledger_app = typer.Typer(help="Verify, export and thaw the ledger.", no_args_is_help=True)
models_app = typer.Typer(
    help="Inspect models and say how they are called; verify the bundled ones.",
    no_args_is_help=True,
)

callers_app = typer.Typer(
    help="Give callers tokens and roles, or revoke them.", no_args_is_help=True
)
outbox_app = typer.Typer(
    help="Promotions that this node will send to the orchestrator.", no_args_is_help=True
)

certs_app = typer.Typer(help="Make certificates for TLS between services.", no_args_is_help=True)

add_command(app, "up", up.up)
add_command(app, "down", up.down)
add_command(app, "doctor", doctor.doctor)
add_command(app, "draft", drafts.draft)
add_command(app, "drafts", drafts.drafts)
add_command(app, "show", drafts.show)
add_command(app, "quote", promotions.quote)
add_command(app, "promote", promotions.promote)
add_command(app, "watch", promotions.watch)
add_command(app, "cancel", promotions.cancel)
app.add_typer(promotions_app, name="promotions")
add_default(promotions_app, promotions.promotions)
add_command(promotions_app, "approve", approvals.approve)
add_command(promotions_app, "deny", approvals.deny)
add_command(promotions_app, "dead", dead_letters.dead)
add_command(promotions_app, "retry", dead_letters.retry)
app.add_typer(outbox_app, name="outbox")
add_command(outbox_app, "list", outbox.outbox_list)
add_command(outbox_app, "send", outbox.outbox_send)
add_command(outbox_app, "drop", outbox.outbox_drop)
app.add_typer(budget_app, name="budget")
add_command(budget_app, "set", budget.budget_set)
add_command(budget_app, "show", budget.budget_show)
add_command(budget_app, "remove", budget.budget_remove)
app.add_typer(callers_app, name="callers")
add_command(callers_app, "add", callers.callers_add)
add_command(callers_app, "revoke", callers.callers_revoke)
add_command(callers_app, "list", callers.callers_list)
add_command(app, "spend", spend.spend)
app.add_typer(ledger_app, name="ledger")
add_command(ledger_app, "verify", ledger.ledger_verify)
add_command(ledger_app, "thaw", ledger.ledger_thaw)
add_command(ledger_app, "export", ledger.ledger_export)
app.add_typer(models_app, name="models")
add_command(models_app, "inspect", model_cards.models_inspect)
add_command(models_app, "card", model_cards.models_card)
add_command(models_app, "families", families.models_families)
add_command(models_app, "show", models.models_show)
add_command(models_app, "verify", models.models_verify)
add_command(models_app, "eval", models.models_eval)
app.add_typer(policy_app, name="policy")
add_command(policy_app, "show", policy.policy_show)
add_command(policy_app, "check", policy.policy_check)
add_command(policy_app, "explain", policy.policy_explain)
add_command(policy_app, "replay", policy.policy_replay)
app.add_typer(certs_app, name="certs")
add_command(certs_app, "init", certs.certs_init)
add_command(certs_app, "issue", certs.certs_issue)
add_command(certs_app, "show", certs.certs_show)
add_command(app, "demo", demo.demo)


def main() -> None:
    """The entry point; Ctrl-C ends it without a message."""
    output = streams.replace()
    code: int | str | None
    try:
        app()
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = exits.INTERRUPTED
    sys.stdout.flush()
    lost = output.lost
    # If the reader has gone, as with `| head`, that is fine; a full disk is an error.
    if lost is not None and not isinstance(lost, BrokenPipeError):
        done = "" if code else "; what the command had to do is done"
        sys.stderr.write(f"error: standard output cannot be written ({lost.strerror}){done}\n")
        code = code or exits.NOT_WRITTEN
    sys.exit(code)
