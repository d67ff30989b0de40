"""What a promotion becomes: its shape, what is told of it, and what is no result."""

from __future__ import annotations

from dataclasses import replace

import pytest
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import Fit

from tests.integration.orchestrator.client import Client, request
from tests.integration.orchestrator.stub_cloud import StubCloud
from tests.unit.orchestrator.samples import GENERATION


async def test_a_wide_draft_stays_wide_if_no_size_is_asked(
    client: Client, cloud: StubCloud
) -> None:
    """192 x 96 became 1024 x 1024, squashed."""
    sent = request(init_width=192, init_height=96)
    sent.request.ClearField("width")
    sent.request.ClearField("height")
    quote = await client.quote(sent)
    assert (quote.request.width, quote.request.height) == (1448, 728)
    assert quote.warnings == ()
    sent.request.width = 512
    quote = await client.quote(sent)
    assert (quote.request.width, quote.request.height) == (512, 256)


@pytest.mark.parametrize(
    ("fit", "told"),
    [
        (Fit.CROP, "of the draft, 16 pixels left and right are cropped"),
        (Fit.PAD, "to the draft, 16 pixels at top and bottom are added"),
    ],
)
async def test_a_quote_says_what_becomes_of_a_draft_of_another_shape(
    client: Client, cloud: StubCloud, fit: Fit, told: str
) -> None:
    sent = request(request=replace(GENERATION, fit=fit))
    quote = await client.quote(sent)
    assert quote.request.fit is fit
    (warning,) = quote.warnings
    assert told in warning
    await client.promote("promotion-1", sent, quote_id=quote.id)
    finished = await client.finished("promotion-1")
    assert finished.lineage
    assert finished.lineage.request.fit is fit
    assert cloud.calls[0].request.fit == sent.request.fit


async def test_a_contradiction_can_be_refused_before_anything_is_quoted(client: Client) -> None:
    with pytest.raises(InvalidRequest, match=r"the draft is 4:3 \(128 x 96\).*ask for 1184 x 888"):
        await client.quote(request(request=replace(GENERATION, fit=Fit.REFUSE)))


async def test_a_strength_that_makes_a_huge_schedule_is_refused_by_the_quote(
    client: Client,
) -> None:
    for strength, told in ((1e-7, "use 0.01"), (0.02, "schedule of 1,400 steps")):
        with pytest.raises(InvalidRequest, match=told):
            await client.quote(request(request=replace(GENERATION, strength=strength)))


async def test_what_the_engine_says_of_its_result_stays_with_the_promotion(
    client: Client, cloud: StubCloud
) -> None:
    cloud.warnings = ("of 90 words it read the first 60",)
    await client.promote("promotion-1")
    assert (await client.finished("promotion-1")).warnings == cloud.warnings
