"""One pair of foreign checkpoints goes through the whole chain: SD-Turbo drafts, SDXL finishes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.e2e.conftest import Stack
from tests.tiny import make
from tests.tiny.extras import make_controlnet

POLICY = """\
rules:
  - name: no-masks-in-bulk
    when: request.mask && request.priority == "batch"
    refuse: masks are drawn by hand, one by one
  - name: polish
    route: full
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("pair")
    (folder / "policy.yaml").write_text(POLICY)
    running = Stack(folder / "data")
    running.start(
        *("--lite", make("sd-turbo", folder / "sd-turbo")),
        *("--full", make("sdxl", folder / "my-xl")),
        *("--control", make_controlnet("sdxl-controlnet", folder / "sdxl-canny")),
        *("--policy", folder / "policy.yaml"),
    )
    try:
        yield running
    finally:
        if running.process and running.process.poll() is None:
            running.interrupt()


def test_a_pair_of_foreign_checkpoints_goes_through_the_whole_chain(
    pair: Stack, tmp_path: Path
) -> None:
    # Each is called as its own makers call it: one step without guidance, and SDXL's 50 with 5.
    (draft, _) = pair.ok("draft", "a red cat", "-n", 2, "--seed", 7)["drafts"]
    asked = draft["request"]
    assert draft["model"] == "sd-turbo"
    assert (asked["num_inference_steps"], asked["guidance_scale"]) == (1, 0.0)
    assert (asked["width"], asked["height"]) == (128, 128)

    # The further the prompt moves, the less of the draft is kept, and the quote says so.
    moved = ("--prompt", "a blue dog on a hill", "--size", 128)
    quote = pair.ok("quote", draft["id"], *moved)
    made = quote["request"]
    assert (made["num_inference_steps"], made["guidance_scale"]) == (50, 5.0)
    assert made["strength"] == 0.86
    assert quote["strength_reason"] == (
        "strength 0.86: the prompt changed by 88% since the draft (0.6 is the engine's own)"
    )
    assert pair.ok("quote", draft["id"], *moved, "--strength", 0.4)["request"]["strength"] == 0.4

    mask = tmp_path / "mask.png"
    painted = Image.new("L", (128, 128), 0)
    painted.paste(255, (32, 32, 96, 96))
    painted.save(mask)
    final = tmp_path / "final.png"
    short = (*moved, "--steps", 4, "--mask", mask, "--control", "edges")
    promotion = pair.ok("promote", draft["id"], *short, "--yes", "--out", final)

    assert promotion["state"] == "settled"
    assert promotion["warnings"] == []
    with Image.open(final) as picture:
        assert picture.size == (128, 128)
    lineage, receipt = promotion["lineage"], promotion["receipt"]
    assert (lineage["draft_model"], lineage["model"]) == ("sd-turbo", "my-xl")
    assert lineage["draft_sha256"] == draft["digest"]["sha256"]
    assert lineage["mask_sha256"] == sent(promotion, "mask")
    assert lineage["control_sha256"] == sent(promotion, "control")
    assert lineage["control_kind"] == "edges"
    assert 0 < receipt["charged_usd_micros"] <= receipt["quoted_usd_micros"]

    # The policy sees the mask; what the model cannot use is refused before anything is reserved.
    bulk = pair.cli("promote", draft["id"], *short, "--yes", "--priority", "batch")
    assert (bulk.code, "masks are drawn by hand" in bulk.err) == (3, True)
    shown = pair.cli("promote", draft["id"], "--yes", "--reference", final)
    assert (shown.code, "engine full (sdxl) takes no references" in shown.err) == (2, True)
    assert len(pair.ok("promotions")["promotions"]) == 1

    assert pair.ok("down")["stopped"]
    assert pair.left() == set()


def sent(promotion: Any, name: str) -> str:
    """The digest of what was sent beside the draft."""
    return str(promotion["promotion"][name]["sha256"])
