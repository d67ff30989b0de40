"""Measures how long a decision takes: facts gathered, conditions evaluated, verdicts written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from underpaint.contract.drafts import Privacy
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import Account, PromotionRequest
from underpaint.orchestrator import pricing
from underpaint.orchestrator.policy import Candidate, decide, facts, load, parse_policy
from underpaint.orchestrator.pricing.table import bound_of
from underpaint.orchestrator.settings import POLICY, PRICES

OUT = Path("bench-out")
ROUNDS = 5_000
RULES = 50
REQUEST = PromotionRequest(
    request=GenerationRequest(
        prompt="a 3d cat on a blue background",
        seed=7,
        width=1024,
        height=1024,
        num_inference_steps=28,
        guidance_scale=2.5,
        strength=0.6,
    ),
    init_image=Digest(sha256="0" * 64, size=20_000),
    init_width=128,
    init_height=128,
    privacy=Privacy.FULL,
    account=Account(),
)


def many() -> str:
    """A policy whose first 49 rules use three fields each and do not apply."""
    lines = ["rules:"]
    for number in range(RULES - 1):
        lines.append(f"  - name: team-{number}")
        lines.append(
            f"    when: \"user.team == 'team-{number}' || ('role-{number}' in user.roles && "
            f'quote.max_usd_micros > {number + 1}000)"'
        )
        lines.append("    refuse: no")
    return "\n".join([*lines, "  - {name: rest, route: full}", ""])


def main() -> None:
    """Measures the shipped policy, one of 50 rules, and a downgrade."""
    prices = pricing.load(PRICES)
    price = prices.engine("full")
    downgrade = (
        "rules:\n  - name: fit\n    downgrade: {engine: full, ceiling_usd: 0.09, "
        "most: {num_inference_steps: 20}, least: {width: 512, height: 512}}\n"
    )
    policies = {
        "the shipped policy, 5 rules": load(POLICY, prices.engines),
        f"{RULES} rules of three fields": parse_policy(many(), Path("many"), prices.engines),
        "a downgrade": parse_policy(downgrade, Path("downgrade"), prices.engines),
    }
    rows = {}
    for name, policy in policies.items():

        def once(policy: object = policy) -> None:
            shared = facts.of_request(REQUEST, "", datetime.now(UTC))
            shared |= facts.of_roles(["artist"]) | facts.of_limits([])
            candidate = Candidate("full", REQUEST.request, bound_of(price))
            assert decide(policy, shared, [candidate]).engine == "full"  # type: ignore[arg-type]

        rows[name] = measured(once)
    columns = {"p50_us": "p50", "p99_us": "p99", "cpu_p50_us": "CPU p50", "cpu_p99_us": "CPU p99"}
    table = Table("decision", *columns.values(), title=f"{ROUNDS:,} decisions each")
    for name, row in rows.items():
        table.add_row(name, *(f"{row[column]:.0f} us" for column in columns))
    Console().print(table)
    OUT.mkdir(exist_ok=True)
    (OUT / "policy.json").write_text(json.dumps(rows, indent=2) + "\n")


def measured(once: Callable[[], None]) -> dict[str, float]:
    """Microseconds of one call, in wall time and in CPU time of this thread."""
    for _ in range(ROUNDS // 20):
        once()
    taken, worked = [], []
    for _ in range(ROUNDS):
        begun, begun_work = time.perf_counter_ns(), time.thread_time_ns()
        once()
        worked.append(time.thread_time_ns() - begun_work)
        taken.append(time.perf_counter_ns() - begun)
    taken.sort()
    worked.sort()
    middle, last = ROUNDS // 2, ROUNDS * 99 // 100
    return {
        "p50_us": taken[middle] / 1e3,
        "p99_us": taken[last] / 1e3,
        "cpu_p50_us": worked[middle] / 1e3,
        "cpu_p99_us": worked[last] / 1e3,
    }


if __name__ == "__main__":
    main()
