import dataclasses
from typing import Any

import pytest
from underpaint.contract import wire
from underpaint.contract.drafts import Privacy
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.promotion import PromotionState
from underpaint.v1 import common_pb2, orchestrator_pb2

from tests.unit.contract import samples

BARE_PROMOTION = dataclasses.replace(
    samples.PROMOTION, state=PromotionState.RESERVED, artifact=None, lineage=None, receipt=None
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("digest", samples.DIGEST),
        ("generation", samples.REQUEST),
        ("generation", dataclasses.replace(samples.REQUEST, strength=None)),
        ("draft", samples.DRAFT),
        ("node", samples.NODE),
        ("engine", samples.ENGINE),
        ("progress", samples.PROGRESS),
        ("promotion_request", samples.PROMOTION_REQUEST),
        ("quote", samples.QUOTE),
        ("promotion", samples.PROMOTION),
        ("promotion", BARE_PROMOTION),
        ("event", samples.EVENT),
        ("budget", samples.BUDGET),
        ("spend", samples.SPEND),
        ("entry", samples.ENTRY),
        ("verification", samples.VERIFICATION),
        ("time", samples.AT),
    ],
)
def test_every_value_comes_back_from_the_wire_as_it_was(name: str, value: Any) -> None:
    message = getattr(wire, f"{name}_to_wire")(value)
    received = type(message).FromString(message.SerializeToString())
    assert getattr(wire, f"{name}_from_wire")(received) == value


def test_no_sample_leaves_a_field_at_its_default() -> None:
    for value in vars(samples).values():
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            for field in dataclasses.fields(value):
                assert getattr(value, field.name) != field.default, (value, field.name)


def test_every_privacy_and_state_has_its_own_number() -> None:
    assert set(wire.PRIVACY_TO_WIRE) == set(Privacy)
    assert set(wire.PRIVACY_TO_WIRE.values()) == set(common_pb2.Privacy.values()) - {0}
    assert set(wire.STATE_TO_WIRE) == set(PromotionState)
    assert set(wire.STATE_TO_WIRE.values()) == set(orchestrator_pb2.PromotionState.values())


def test_zeros_take_the_defaults_and_nothing_else_does() -> None:
    own = wire.Defaults(width=128, height=64, num_inference_steps=4, guidance_scale=1.5)
    filled = wire.generation_from_wire(common_pb2.GenerationRequest(prompt="x", height=96), own)
    assert (filled.width, filled.height) == (128, 96)
    assert (filled.num_inference_steps, filled.guidance_scale) == (4, 1.5)
    with pytest.raises(InvalidRequest, match="width 0"):
        wire.generation_from_wire(common_pb2.GenerationRequest(prompt="x"))


def test_privacy_is_never_guessed() -> None:
    for number in (0, 99):
        with pytest.raises(InvalidRequest, match="privacy"):
            wire.privacy_from_wire(number)  # type: ignore[arg-type]


@pytest.mark.parametrize("sha256", ["", "a" * 63, "A" * 64, "g" * 64, "../" + "a" * 61])
def test_a_name_that_is_no_sha256_is_refused(sha256: str) -> None:
    with pytest.raises(InvalidRequest, match="SHA-256"):
        wire.digest_from_wire(common_pb2.Digest(sha256=sha256, size=1))


def test_a_promotion_needs_a_strength() -> None:
    message = wire.promotion_request_to_wire(samples.PROMOTION_REQUEST)
    message.request.ClearField("strength")
    with pytest.raises(InvalidRequest, match="strength"):
        wire.promotion_request_from_wire(message)
