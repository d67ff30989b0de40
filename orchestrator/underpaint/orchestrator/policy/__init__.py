"""Policy: ordered rules that say where a promotion goes, what it may cost, or why not.

`facts` is what a condition may look at, `expressions` the language of conditions, `rules`
the decision, `fit` how a promotion is made to fit a ceiling, `coverage` which rule can
never decide, `cost` what a condition can cost at most, `reading` the YAML. All of this is
pure: clock, balances and the health of engines are arguments.

`service` answers those who ask about policies. What it does with a text that they send, or
with one of former times, is in `jobs` and happens in a process of its own: `isolation`.
"""

from underpaint.orchestrator.policy.in_force import InForce
from underpaint.orchestrator.policy.reading import check, load, parse_policy
from underpaint.orchestrator.policy.rules import Candidate, Decision, Policy, Rule, decide

__all__ = [
    "Candidate",
    "Decision",
    "InForce",
    "Policy",
    "Rule",
    "check",
    "decide",
    "load",
    "parse_policy",
]
