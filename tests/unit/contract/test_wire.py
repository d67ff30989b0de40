import dataclasses
from typing import Any

import pytest
from underpaint.contract import wire
from underpaint.contract.drafts import Privacy
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.inputs import InputDigests
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import PromotionState
from underpaint.contract.wire.engines import inputs_from_wire, inputs_to_wire
from underpaint.v1 import cloud_pb2, common_pb2, orchestrator_pb2

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


def test_a_strength_that_is_left_open_follows_from_the_engine_s_and_the_prompt() -> None:
    message = wire.promotion_request_to_wire(samples.PROMOTION_REQUEST)
    message.request.ClearField("strength")
    own = wire.Defaults(
        width=64, height=64, num_inference_steps=4, guidance_scale=1, strength=0.5, of_engine=True
    )
    filled = wire.promotion_request_from_wire(message, own)
    assert filled.request.strength == 0.77  # half of the way to 0.9, and a poor draft
    quoted = dataclasses.replace(own, strength=0.6, of_engine=False)  # as it was quoted
    assert wire.promotion_request_from_wire(message, quoted).request.strength == 0.6
    message.request.strength = 0.3  # the artist's own
    assert wire.promotion_request_from_wire(message, own).request.strength == 0.3


DIGESTS = InputDigests(
    init_image=Digest.of(b"a"),
    mask=Digest.of(b"b"),
    control=Digest.of(b"c", "image/webp"),
    control_kind="edges",
    references=(Digest.of(b"d"), Digest.of(b"e")),
)


def test_the_pictures_for_an_engine_come_back_as_they_were() -> None:
    request = cloud_pb2.GenerateRequest()
    inputs_to_wire(request, samples.INPUTS, DIGESTS)
    assert inputs_from_wire(request) == samples.INPUTS
    bare = dataclasses.replace(samples.INPUTS, mask=b"", control=b"", control_kind="")
    digests = dataclasses.replace(DIGESTS, mask=None, control=None, control_kind="")
    request = cloud_pb2.GenerateRequest()
    inputs_to_wire(request, bare, digests)
    assert inputs_from_wire(request) == bare


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("mask", b"x", "mask differs from its digest"),
        ("control", b"x", "control differs from its digest"),
        ("references", [b"d", b"x"], "reference 2 differs from its digest"),
        ("references", [b"d"], "4 pictures came with 5 digests"),
        ("init_image", b"x", "init_image differs from its digest"),
        ("control_kind", "", "say what the control map shows"),
    ],
)
def test_an_engine_gets_only_what_was_announced(name: str, value: Any, told: str) -> None:
    request = cloud_pb2.GenerateRequest()
    inputs_to_wire(request, samples.INPUTS, DIGESTS)
    request.ClearField(name)  # type: ignore[arg-type]
    if isinstance(value, list):
        request.references.extend(value)
    else:
        setattr(request, name, value)
    with pytest.raises(InvalidRequest, match=told):
        inputs_from_wire(request)
