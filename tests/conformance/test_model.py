"""Thousands of random but repeatable steps, each compared with a small plain model."""

from __future__ import annotations

import logging
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conformance.implementations import Implementation
from tests.conformance.machine import LedgerMachine

EXAMPLES, STEPS, AT_LEAST = 45, 80, 2_000


@pytest.mark.timeout(600)
def test_a_store_does_what_the_model_says(
    implementation: Implementation, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL + 1, logger="underpaint")  # thousands of alarms
    machine = type(
        f"{implementation.name.title()}Machine",
        (LedgerMachine,),
        {
            "implementation": implementation,
            "redis_url": redis_url,
            "steps": 0,
            "seen": Counter(),
        },
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=True,
            phases=[Phase.generate],  # shrinking a failure takes longer than all the rest
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{implementation.name}: {machine.steps} steps; {dict(machine.seen.most_common())}")
    assert machine.steps >= AT_LEAST
    # A machine that never gets there proves nothing.
    for what in (
        "reserved",
        "reserved, over a soft limit",
        "refused",
        "frozen",
        "settled",
        "released",
        "expired",
        "retried",
        "replayed",
        "conflict",
        "overcharge",
        "stale",
        "checkpoint",
        "closed days",
        "archived",
    ):
        assert machine.seen[what] >= 3, what
