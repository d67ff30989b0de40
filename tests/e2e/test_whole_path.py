"""From a prompt to a finished, paid-for picture, with every process real."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from PIL import Image

from tests.e2e.conftest import Stack, until


def test_a_prompt_becomes_a_paid_picture_that_outlives_crash_and_restart(
    stack: Stack, tmp_path: Path
) -> None:
    charged_before = charged(stack)

    drafts = stack.ok("draft", "a 3d cat on a blue background", "-n", 2, "--seed", 7)["drafts"]
    assert [draft["request"]["seed"] for draft in drafts] == [7, 8]
    chosen = drafts[0]["id"]

    quote = stack.ok("quote", chosen, "--strength", 0.6)
    assert quote["engine"] == "full"
    assert sum(line["usd_micros"] for line in quote["lines"]) == quote["max_usd_micros"]
    assert [v["rule"] for v in quote["verdicts"] if v["decided"]] == ["polish"]

    final = tmp_path / "final.png"
    promotion = stack.ok("promote", chosen, "--yes", "--wait", "--out", final)
    assert promotion["state"] == "settled"
    with Image.open(final) as image:
        assert image.size == (1024, 1024)
    receipt = promotion["receipt"]
    assert 0 < receipt["charged_usd_micros"] <= receipt["quoted_usd_micros"]
    assert receipt["cloud_only_usd_micros"] > receipt["charged_usd_micros"]
    assert promotion["lineage"]["draft_sha256"] == drafts[0]["digest"]["sha256"]
    assert charged(stack) - charged_before == receipt["charged_usd_micros"]
    assert spent(stack) == charged(stack)

    events = stack.cli("watch", promotion["id"], "--previews", tmp_path / "previews")
    assert events.code == 0
    assert len(list((tmp_path / "previews").glob("*.jpg"))) >= 2

    # The control plane is killed: it comes back, and has forgotten nothing.
    killed = stack.pid("orchestrator")
    os.kill(killed, signal.SIGKILL)
    until(lambda: stack.pid("orchestrator") != killed, "the orchestrator is restarted")
    assert known(stack, promotion["id"]) == promotion["receipt"]

    # Ctrl-C: nothing is left running.
    assert stack.left()
    assert stack.interrupt() == 0
    assert stack.left() == set()
    assert stack.cli("promotions").code == 4

    # A new start on the same directory: everything is there.
    stack.start()
    assert known(stack, promotion["id"]) == promotion["receipt"]
    assert {draft["id"] for draft in stack.ok("drafts")["drafts"]} >= {d["id"] for d in drafts}
    assert spent(stack) == charged(stack)
    shown = stack.ok("show", promotion["id"])
    assert Path(shown["path"]).read_bytes() == final.read_bytes()


def known(stack: Stack, promotion_id: str) -> object:
    found = {p["id"]: p for p in stack.ok("promotions")["promotions"]}
    assert found[promotion_id]["state"] == "settled"
    return found[promotion_id]["receipt"]


def spent(stack: Stack) -> int:
    budgets = {b["scope"]: b for b in stack.ok("budget", "show")["budgets"]}
    budget = budgets["organisation:default"]
    assert budget["reserved_usd_micros"] == 0
    return int(budget["spent_usd_micros"])


def charged(stack: Stack) -> int:
    lines = stack.ok("spend", "organisation:default")["spend"]
    return sum(int(line["charged_usd_micros"]) for line in lines)
