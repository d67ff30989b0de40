"""The command line: what it prints, and the code it ends with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from underpaint.contract.errors import (
    BudgetExceeded,
    DeadlineExceeded,
    EngineBusy,
    EngineFailed,
    InvalidRequest,
    LedgerUnavailable,
    PolicyRefused,
    QuoteExpired,
    ReservationExpired,
    Unauthenticated,
    UnderpaintError,
)
from underpaint.contract.promotion import PromotionState, Withheld

from tests.integration.cli.conftest import Cli
from tests.integration.sdk.stubs import Stubs


def draft(cli: Cli, *more: object) -> str:
    made = cli("draft", "a red fox", "-n", 1, "--seed", 7, "--json", *more)
    assert made.code == 0, made.err
    return str(made.json["drafts"][0]["id"])


def test_draft_saves_what_it_names(cli: Cli, tmp_path: Path) -> None:
    made = cli("draft", "a red fox", "-n", 3, "--seed", 7, "--out", tmp_path / "new", "--json")

    drafts = made.json["drafts"]
    assert [d["request"]["seed"] for d in drafts] == [7, 8, 9]
    for one in drafts:
        with Image.open(one["path"]) as image:
            assert image.size == (128, 128)


def test_a_warning_is_told_once_and_apart_from_the_result(cli: Cli, stubs: Stubs) -> None:
    stubs.edge.warnings = ("it was never taught: quokka",)
    made = cli("draft", "a quokka", "-n", 3, "--json")

    assert made.err.count("quokka") == 1
    assert made.json["drafts"][0]["warnings"] == ["it was never taught: quokka"]


def test_a_withheld_draft_is_told_and_the_others_are_there(cli: Cli, stubs: Stubs) -> None:
    stubs.edge.withheld = {8: "the safety checker flagged the [picture]"}
    made = cli("draft", "a red fox", "-n", 3, "--seed", 7, "--json")

    assert made.code == 0
    assert [d["request"]["seed"] for d in made.json["drafts"]] == [7, 9]
    (missing,) = made.json["withheld"]
    assert missing == {"seed": 8, "reason": "the safety checker flagged the [picture]"}
    assert "seed 8: the safety checker flagged the [picture]" in made.err


def test_lists_are_for_people_and_for_programs(cli: Cli) -> None:
    assert "no drafts yet" in cli("drafts").out
    id_ = draft(cli)
    assert id_[:10] in cli("drafts").out
    assert [d["id"] for d in cli("drafts", "--json").json["drafts"]] == [id_]
    assert "no promotions yet" in cli("promotions").out
    assert "no budgets yet" in cli("budget", "show").out


def test_quote_says_what_where_and_why(cli: Cli) -> None:
    quote = cli("quote", draft(cli))

    assert quote.code == 0
    for told in ("$0.0125", "28 steps x 1.049 megapixels", "full", "stays-on-device", "→ polish"):
        assert told in quote.out


def test_what_to_do_with_a_draft_of_another_shape_can_be_asked(cli: Cli, stubs: Stubs) -> None:
    id_ = draft(cli)
    assert cli("quote", id_, "--json").json["request"]["fit"] == "crop"
    assert cli("quote", id_, "--fit", "pad", "--json").json["request"]["fit"] == "pad"
    done = cli("promote", id_, "--yes", "--fit", "refuse", "--json")
    assert done.json["promotion"]["request"]["fit"] == "refuse"
    assert cli("quote", id_, "--fit", "stretch").code == 2


def test_warnings_are_shown_with_the_quote_and_with_the_outcome(cli: Cli, stubs: Stubs) -> None:
    stubs.orchestrator.warnings = ("the draft is 2:1",)
    id_ = draft(cli)
    assert "! the draft is 2:1" in cli("quote", id_).out
    done = cli("promote", id_, "--yes", "--wait")
    assert done.code == 0
    assert done.out.count("! the draft is 2:1") == 2  # quoted, and done


def test_a_strength_that_is_far_too_small_is_refused_before_anything_is_sent(
    cli: Cli, stubs: Stubs
) -> None:
    refused = cli("quote", draft(cli), "--strength", 1e-7)
    assert refused.code == 2
    assert "use 0.01 (keep the draft) to 1" in refused.err
    assert "at most 50 steps" in cli("quote", "0000", "--strength", 0.05, "--steps", 150).err
    assert "Quote" not in stubs.orchestrator.script.calls


def test_quote_counts_the_drafts_it_was_chosen_from(cli: Cli) -> None:
    cli("draft", "a red fox", "-n", 5, "--seed", 1)
    cli("draft", "a blue fox", "-n", 2, "--seed", 1)

    assert cli("quote", "00000000", "--json").json["cloud_only_usd_micros"] == 12_500 * 6


def test_promote_waits_and_saves_the_finished_picture(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "new" / "final.png"
    done = cli("promote", draft(cli), "--yes", "--wait", "--out", out, "--size", 512, "--json")

    assert done.code == 0
    assert done.json["state"] == "settled"
    assert done.json["receipt"]["charged_usd_micros"] <= done.json["receipt"]["quoted_usd_micros"]
    assert done.json["path"] == str(out)
    assert "2/4 (preview)" in done.err
    with Image.open(out) as image:
        assert image.size == (512, 512)


def test_promote_without_wait_says_how_to_follow(cli: Cli) -> None:
    done = cli("promote", draft(cli), "--yes", "--promotion-id", "promotion-1")

    assert done.code == 0
    assert "underpaint watch promotion-1" in done.out


def test_a_batch_says_that_it_gives_way(cli: Cli) -> None:
    id_ = draft(cli)
    assert "gives way" not in cli("quote", id_).out
    assert "gives way to interactive work" in cli("quote", id_, "--priority", "batch").out
    done = cli("promote", id_, "--yes", "--priority", "batch", "--json")
    assert done.json["promotion"]["priority"] == "batch"
    assert cli("promote", id_, "--yes", "--json").json["promotion"]["priority"] == "interactive"
    assert cli("promote", id_, "--yes", "--priority", "soon").code == 2


def test_promote_asks_nobody_when_nobody_is_there(cli: Cli, stubs: Stubs) -> None:
    refused = cli("promote", draft(cli))

    assert refused.code == 2
    assert "--yes" in refused.err
    assert not stubs.orchestrator.promotions


def test_promote_refuses_a_place_it_cannot_write_before_paying(
    cli: Cli, stubs: Stubs, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    id_ = draft(cli)

    for out in (tmp_path / "file" / "final.png", tmp_path):
        assert cli("promote", id_, "--yes", "--out", out).code == 2
    assert not stubs.orchestrator.promotions


@pytest.mark.parametrize("privacy", ["device", "structure"])
def test_a_draft_that_must_stay_is_refused_and_nothing_is_asked(
    cli: Cli, stubs: Stubs, privacy: str
) -> None:
    id_ = draft(cli, "--privacy", privacy)

    for command in (("quote", id_), ("promote", id_, "--yes")):
        ended = cli(*command)
        assert ended.code == 3
        assert "stays on this device" in ended.err
    assert stubs.orchestrator.script.calls == []


def test_a_promotion_that_fails_ends_with_1_and_its_reason(cli: Cli, stubs: Stubs) -> None:
    stubs.orchestrator.outcome = PromotionState.RELEASED
    ended = cli("promote", draft(cli), "--yes", "--wait")

    assert ended.code == 1
    assert "ran out of memory; nothing was charged" in ended.out


def flagged(cli: Cli, stubs: Stubs, state: PromotionState) -> str:
    """A promotion whose picture is withheld."""
    promotion_id = str(cli("promote", draft(cli), "--yes", "--wait", "--json").json["id"])
    stored = stubs.orchestrator.promotions[promotion_id]
    why = "flagged by a [checker]" + ("; $0.0094 is charged" if stored.receipt else "")
    stubs.orchestrator.promotions[promotion_id] = replace(
        stored, state=state, withheld=Withheld.FLAGGED, reason=why, artifact=None, dead=True
    )
    return promotion_id


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (PromotionState.RELEASED, "flagged: flagged by a [checker]; nothing was charged"),
        (PromotionState.SETTLED, "flagged: flagged by a [checker]; $0.0094 is charged"),
    ],
)
def test_a_flagged_promotion_says_so_why_and_what_would_do(
    cli: Cli, stubs: Stubs, state: PromotionState, told: str
) -> None:
    stubs.orchestrator.outcome = state
    promotion_id = flagged(cli, stubs, state)
    ended = cli("watch", promotion_id)
    assert ended.code == 1
    assert f"promotion {promotion_id} {told}" in ended.out
    assert f"underpaint promotions retry {promotion_id}" in ended.out
    listed = cli("promotions").out
    assert "flagged" in listed
    assert state.value not in listed
    (one,) = cli("promotions", "--json").json["promotions"]
    assert (one["withheld"], one["state"]) == ("flagged", state.value)
    shown = cli("show", promotion_id)
    assert (shown.code, "is flagged and has no picture" in shown.err) == (2, True)
    retried = cli("promotions", "retry", promotion_id, "--yes")
    assert "it was flagged, so the next seed is taken" in retried.out
    paid = "$0.0094 was charged" if state is PromotionState.SETTLED else "nothing was charged"
    assert f"the dead one was quoted $0.0125; {paid}" in retried.out


def test_watch_resumes_and_saves_previews(cli: Cli, stubs: Stubs, tmp_path: Path) -> None:
    cli("promote", draft(cli), "--yes", "--promotion-id", "promotion-1")
    stubs.orchestrator.break_watch_after = [2]
    watched = cli("watch", "promotion-1", "--previews", tmp_path / "previews")

    assert watched.code == 0
    assert len(list((tmp_path / "previews").glob("*.jpg"))) == 2
    assert "charged $0.0094" in watched.out


def test_cancel_show_and_the_money(cli: Cli) -> None:
    id_ = draft(cli)
    cli("promote", id_, "--yes", "--promotion-id", "promotion-1")

    assert "settled" in cli("cancel", "promotion-1").out
    assert cli("show", id_).out.strip().endswith(f"{id_}.png")
    with Image.open(cli("show", "promotion-1", "--json").json["path"]) as image:
        assert image.size == (1024, 1024)
    assert "$5.00" in cli("budget", "set", "project:x", "$5").out
    assert cli("budget", "show", "--json").json["budgets"][0]["limit_usd_micros"] == 5_000_000
    assert "$0.1031" in cli("spend").out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("change it"), 2),
        (PolicyRefused("a rule says no"), 3),
        (BudgetExceeded("too little"), 3),
        (QuoteExpired("quote again"), 3),
        (ReservationExpired("too late"), 3),
        (Unauthenticated("no token"), 4),
        (LedgerUnavailable("not now"), 4),
        (EngineBusy("not now"), 4),
        (DeadlineExceeded("too slow"), 4),
        (EngineFailed("it broke"), 1),
    ],
)
def test_each_error_has_its_exit_code_its_line_and_its_document(
    cli: Cli, stubs: Stubs, error: UnderpaintError, code: int
) -> None:
    id_ = draft(cli)
    stubs.orchestrator.script.errors["Quote"] = [error, error]

    told = cli("quote", id_)
    assert (told.code, told.out) == (code, "")
    assert told.err == f"error: {error}\n"
    as_json = cli("quote", id_, "--json")
    assert as_json.json["error"] == {
        "kind": type(error).__name__,
        "message": str(error),
        "exit": code,
    }


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("draft", ""), 2, "prompt is empty"),
        (("draft", "x" * 1_001), 2, "1001 characters"),
        (("draft", "fox", "--width", 100), 2, "multiple of 8"),
        (("draft", "fox", "--privacy", "public"), 2, "public"),
        (("show", "nothing"), 2, "no draft nothing"),
        (("quote", "00000000", "--size", "big"), 2, "not a size"),
        (("quote", "00000000", "--scope", "catalogue"), 2, "not a scope"),
        (("quote", "00000000", "--strength", 2), 2, "strength 2"),
        (("promote", "nothing", "--yes"), 2, "no draft nothing"),
        (("watch", "nothing"), 2, "no promotion nothing"),
        (("cancel", "nothing"), 2, "no promotion nothing"),
        (("budget", "set", "project:x", "lots"), 2, "not a sum in dollars"),
        (("budget", "set", "project:x", "0.0000001"), 2, "finer than a micro-dollar"),
        (("drafts", "--edge", "127.0.0.1:1"), 4, "out of reach"),
        (("drafts", "--token-file", "nowhere"), 2, "token file"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_wrong_input_is_one_clear_line(
    cli: Cli, stubs: Stubs, arguments: tuple[object, ...], code: int, told: str
) -> None:
    draft(cli)
    ended = cli(*arguments)

    assert ended.code == code
    assert told in ended.err
    assert not stubs.orchestrator.promotions


def test_the_same_promotion_id_for_other_content_is_wrong_input(cli: Cli, stubs: Stubs) -> None:
    id_ = draft(cli)
    first = ("promote", id_, "--yes", "--promotion-id", "promotion-1")

    assert cli(*first).code == 0
    assert cli(*first).code == 0  # the same content answers with what is stored
    other = cli(*first, "--strength", 0.5)
    assert other.code == 2
    assert "taken by other content" in other.err
    assert len(stubs.orchestrator.promotions) == 1


def test_nothing_running_says_how_to_start_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("UNDERPAINT_EDGE")
    monkeypatch.delenv("UNDERPAINT_ORCHESTRATOR")
    ended = cli("drafts", "--data-dir", tmp_path)

    assert ended.code == 4
    assert "underpaint up" in ended.err


def test_the_account_is_whose_scopes_were_named(cli: Cli, stubs: Stubs) -> None:
    scopes = ("--scope", "project:catalogue", "--scope", "user:ada")
    cli("promote", draft(cli), "--yes", "--promotion-id", "promotion-1", *scopes)

    account = stubs.orchestrator.promotions["promotion-1"].promotion.account
    assert account == replace(account, project="catalogue", user="ada", team="default")
