"""Policy: ordered rules that route a promotion to an engine, limit its cost, or refuse it.

- `facts`: the fields that a condition may use
- `expressions`: the language of conditions
- `rules`: how the rules decide
- `fit`: how a promotion is made to fit a cost ceiling
- `coverage`: finds rules that can never decide
- `cost`: bounds how long a condition can take
- `reading`: reads the YAML

These modules are pure: the time, the balances and the health of engines are arguments.

`service` holds the use cases. Policy texts that callers send, and stored texts of older policies,
are handled by `jobs` in a separate process with limits: see `isolation`.
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
