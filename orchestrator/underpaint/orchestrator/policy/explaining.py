"""Explains a decision: the rules of the policy, each with its verdict."""

from __future__ import annotations

from underpaint.contract.durations import format_duration
from underpaint.contract.money import format_usd
from underpaint.contract.policy import ExplainedRule
from underpaint.contract.promotion import Quote, RuleVerdict
from underpaint.orchestrator.policy.fit import Limits
from underpaint.orchestrator.policy.rules import Downgrade, Outcome, Refuse, RequireApproval, Rule


def explain(quote: Quote, rules: tuple[Rule, ...]) -> tuple[ExplainedRule, ...]:
    """Every rule of the policy of a quote, with its verdict.

    Args:
        quote: holds the verdict of each rule up to the one that decided.
        rules: the rules of that policy; empty if its text is lost.
    """
    said = {verdict.rule: verdict for verdict in quote.verdicts}
    if not rules:
        return tuple(
            ExplainedRule(verdict=verdict, reached=True, line=0, when="", outcome="")
            for verdict in quote.verdicts
        )
    return tuple(
        ExplainedRule(
            verdict=said.get(rule.name) or _unreached(rule),
            reached=rule.name in said,
            line=rule.line,
            when=rule.when.text if rule.when else "",
            outcome=in_words(rule.outcome),
        )
        for rule in rules
    )


def in_words(outcome: Outcome) -> str:
    """An outcome in words, such as "route: full, at most 40 steps, up to $0.50"."""
    if isinstance(outcome, Refuse):
        return f"refuse: {outcome.reason}"
    parts = [outcome.engine]
    if outcome.most:
        parts.append(f"at most {_limits(outcome.most)}")
    if isinstance(outcome, Downgrade) and outcome.least:
        parts.append(f"at least {_limits(outcome.least)}")
    if outcome.ceiling_usd_micros is not None:
        parts.append(f"up to {format_usd(outcome.ceiling_usd_micros)}")
    if isinstance(outcome, RequireApproval):
        parts.append(f"by {outcome.role} within {format_duration(outcome.within_s)}")
        return f"require_approval: {', '.join(parts)}"
    kind = "downgrade" if isinstance(outcome, Downgrade) else "route"
    return f"{kind}: {', '.join(parts)}"


def _limits(limits: Limits) -> str:
    named = {
        "steps": limits.num_inference_steps,
        "pixels wide": limits.width,
        "pixels high": limits.height,
    }
    return " and ".join(f"{value} {name}" for name, value in named.items() if value is not None)


def _unreached(rule: Rule) -> RuleVerdict:
    return RuleVerdict(rule=rule.name, matched=False, decided=False, reason="was not reached")
