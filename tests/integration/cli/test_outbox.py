"""The command line of the outbox, against a node's own outbox."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from underpaint.contract.drafts import Privacy
from underpaint.contract.errors import (
    DeadlineExceeded,
    LedgerUnavailable,
    PolicyRefused,
    ServiceUnreachable,
)
from underpaint.sdk.client import AsyncUnderpaint

from tests.integration.cli.conftest import Cli, run_cli
from tests.integration.edge.test_outbox import own_draft, running
from tests.integration.sdk.script import picture
from tests.integration.sdk.stubs import Stubs

DRAFT = "aaaaaaaaaaaa"
CUT = ServiceUnreachable("the orchestrator is out of reach; is it running?")


@pytest.fixture
def node(stubs: Stubs, tmp_path: Path) -> Iterator[str]:
    """A node with a draft, on a thread of its own; its address. It sends only when told to."""
    loop, stop, address = asyncio.new_event_loop(), asyncio.Event(), ""
    started = threading.Event()

    async def run() -> None:
        nonlocal address
        async with running(tmp_path / "node", stubs.orchestrator_address) as own:
            own.store.add(own_draft("private00000", Privacy.DEVICE), picture(1))
            address = own.client._edge.address
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    started.wait(60)
    yield address
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.fixture
def cli(stubs: Stubs, node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("UNDERPAINT_EDGE", node)
    monkeypatch.setenv("UNDERPAINT_ORCHESTRATOR", stubs.orchestrator_address)
    monkeypatch.setenv("UNDERPAINT_DATA_DIR", str(tmp_path / "data"))
    return run_cli


@pytest.mark.parametrize("error", [CUT, LedgerUnavailable("not now"), DeadlineExceeded("too slow")])
def test_cut_off_a_promotion_waits_in_the_outbox_and_says_so(
    cli: Cli, stubs: Stubs, error: ServiceUnreachable
) -> None:
    assert cli("outbox", "list").out == "the outbox is empty\n"
    stubs.orchestrator.script.errors["Quote"] = [error]
    kept = cli("promote", DRAFT, "--yes", "--promotion-id", "promotion-1")
    assert kept.code == 0
    assert kept.err == f"{error}\n"
    assert "promotion promotion-1 is in the outbox of this node" in kept.out
    assert "quoted again and sent once, at the price it then has" in kept.out
    listed = cli("outbox", "list")
    assert "promotion-1" in listed.out
    assert "held" in listed.out
    sent = cli("outbox", "send")
    assert sent.code == 0
    assert "promotion promotion-1 is sent, for at most $0.0125: reserved" in sent.out
    assert cli("outbox", "list", "--json").json == {"items": []}
    assert stubs.orchestrator.heads == ["promotion-1"]


def test_the_price_that_was_accepted_is_the_most_that_is_sent_unasked(
    cli: Cli, stubs: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(AsyncUnderpaint.__init__.__kwdefaults__, "pauses_s", ())
    stubs.orchestrator.script.errors["Promote"] = [CUT]
    kept = cli("promote", DRAFT, "--yes", "--promotion-id", "promotion-1", "--json")
    item = kept.json["outbox"]
    assert (item["accepted_usd_micros"], item["state"]) == (12_500, "held")
    stubs.orchestrator.price = 20_000
    asks = cli("outbox", "send", "promotion-1")
    assert asks.code == 3
    assert "it costs at most $0.02 now, and $0.0125 was accepted" in " ".join(asks.out.split())
    assert "consent and send: underpaint outbox send promotion-1" in asks.out
    assert stubs.orchestrator.heads == []
    told = cli("outbox", "list", "--json").json["items"]
    assert (told[0]["state"], told[0]["quoted_usd_micros"]) == ("asks", 20_000)
    assert "for at most $0.02" in cli("outbox", "send", "promotion-1", "--yes").out
    assert stubs.orchestrator.heads == ["promotion-1"]


def test_a_picture_that_was_waited_for_is_not_there(cli: Cli, stubs: Stubs, tmp_path: Path) -> None:
    stubs.orchestrator.script.errors["Quote"] = [CUT]
    kept = cli("promote", DRAFT, "--yes", "--out", tmp_path / "final.png", "--json")
    assert kept.code == 4
    assert kept.json["outbox"]["state"] == "held"
    assert not (tmp_path / "final.png").exists()


def test_a_refusal_does_not_enter(cli: Cli, stubs: Stubs) -> None:
    stubs.orchestrator.script.errors["Quote"] = [PolicyRefused("a rule says no")]
    refused = cli("promote", DRAFT, "--yes")
    assert (refused.code, refused.err) == (3, "error: a rule says no\n")
    private = cli("promote", "private00000", "--yes")
    assert private.code == 3
    assert cli("outbox", "list", "--json").json == {"items": []}


def test_still_cut_off_it_stays_and_can_be_dropped(cli: Cli, stubs: Stubs) -> None:
    stubs.orchestrator.script.errors = {"Quote": [CUT], "GetPromotion": [CUT]}
    cli("promote", DRAFT, "--yes", "--promotion-id", "promotion-1")
    still = cli("outbox", "send", "--json")
    assert still.code == 4
    assert [each["promotion_id"] for each in still.json["left"]] == ["promotion-1"]
    dropped = cli("outbox", "drop", "promotion-1")
    assert (dropped.code, "is removed; its draft aaaaaaaaaaaa stays" in dropped.out) == (0, True)
    gone = cli("outbox", "drop", "promotion-1")
    assert (gone.code, gone.err.count("\n")) == (2, 1)
    assert stubs.orchestrator.heads == []


def test_a_node_that_cannot_keep_it_is_told_beside_the_first_error(
    stubs: Stubs, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stub of a node knows no outbox, as an older one."""
    monkeypatch.setenv("UNDERPAINT_EDGE", stubs.edge_address)
    made = cli("draft", "a red fox", "-n", 1, "--json").json["drafts"][0]["id"]
    stubs.orchestrator.script.errors["Quote"] = [CUT]
    refused = cli("promote", made, "--yes")
    assert refused.code == 4
    assert refused.err.startswith(f"error: {CUT}; and it could not be put into the outbox: ")
    assert refused.err.count("\n") == 1
