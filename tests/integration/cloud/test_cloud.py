"""Promises of the running cloud: real Ray, real Serve, real gRPC, a tiny model."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image
from underpaint.cloud import processes
from underpaint.cloud.settings import Settings
from underpaint.contract.errors import (
    EngineBusy,
    InvalidRequest,
    Unauthenticated,
    UnderpaintError,
)
from underpaint.contract.health import unhealthy
from underpaint.contract.inputs import MAX_INPUTS_BYTES, MAX_MAP_BYTES
from underpaint.contract.pictures import MAX_BYTES, Digest, decode, encode_png
from underpaint.contract.rim import call_options, open_channel, translated
from underpaint.contract.wire import digest_to_wire
from underpaint.local import authority
from underpaint.v1 import cloud_pb2, cloud_pb2_grpc, common_pb2

from tests.integration.cloud.conftest import Cloud, start_cloud
from tests.unit.contract.outside import padded_png

GENERATE = "/underpaint.v1.CloudService/Generate"
LIST = "/underpaint.v1.CloudService/ListEngines"
DRAFT = encode_png(Image.linear_gradient("L"))


@pytest.fixture
async def stub(cloud: Cloud) -> AsyncIterator[Any]:
    async with open_channel(cloud.address, cloud.tls_dir) as channel:
        yield cloud_pb2_grpc.CloudServiceStub(channel)


def asked(picture: bytes = DRAFT, engine: str = "full", **changes: Any) -> Any:
    fields = {
        "prompt": "a red fox",
        "seed": 7,
        "width": 128,
        "height": 96,
        "num_inference_steps": 6,
        "guidance_scale": 2.5,
        "strength": 0.6,
    }
    return cloud_pb2.GenerateRequest(
        promotion_id="p1",
        engine=engine,
        request=common_pb2.GenerationRequest(**fields | changes),
        init_image_digest=digest_to_wire(Digest.of(picture)),
        init_image=picture,
    )


async def polish(stub: Any, request: Any, token: str = "sesame") -> list[Any]:
    with translated("the cloud"):
        return [answer async for answer in stub.Generate(request, **call_options(GENERATE, token))]


async def test_a_polish_streams_progress_previews_and_the_picture(stub: Any) -> None:
    answers = await polish(stub, asked())
    parts = [answer.WhichOneof("part") for answer in answers]
    assert parts == sorted(parts, key=["progress", "result", "chunk"].index)
    progress = [answer.progress for answer in answers if answer.HasField("progress")]
    assert [p.step for p in progress if p.stage == "denoising"] == [1, 2, 3, 4, 5, 6]
    assert sum(bool(p.preview) for p in progress) >= 2
    result = next(answer.result for answer in answers if answer.HasField("result"))
    picture = b"".join(answer.chunk.data for answer in answers if answer.HasField("chunk"))
    assert hashlib.sha256(picture).hexdigest() == result.digest.sha256
    assert decode(picture).size == (result.width, result.height) == (128, 96)
    assert (result.model, result.upscaler) == ("tiny", "realesr-animevideov3-x4")
    assert result.gpu_seconds > 0


async def test_zeros_take_the_engines_own_values(stub: Any) -> None:
    request = asked(num_inference_steps=0, guidance_scale=0, strength=None)
    answers = await polish(stub, request)
    assert answers[0].progress.steps == 28


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (asked(prompt=" "), "the prompt is empty"),
        (asked(width=100), "width 100 does not fit"),
        (asked(strength=1.5), "strength 1.5 is out of range"),
        (asked(num_inference_steps=1000), "num_inference_steps 1000 is out of range"),
        (asked(engine="abacus"), "there is no engine 'abacus' here"),
        (asked(picture=b"no picture"), "corrupt or of an unknown kind"),
        (asked(picture=DRAFT[:-20]), "corrupt or of an unknown kind|cut short"),
        (asked(picture=b""), "init_image has 0 bytes"),
        (asked(picture=bytes(3 * 2**20 + 1)), "init_image has 3,145,729 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_bad_requests_are_refused_in_the_callers_words(
    stub: Any, request_: Any, said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said):
        await polish(stub, request_)


async def test_a_picture_that_differs_from_its_digest_is_refused(stub: Any) -> None:
    request = asked()
    request.init_image_digest.sha256 = "0" * 64
    with pytest.raises(InvalidRequest, match="differs from its digest"):
        await polish(stub, request)


async def test_the_most_that_a_promotion_may_bring_comes_through(stub: Any) -> None:
    """13 MiB, more than gRPC's own limit for a message: the engine itself answers."""
    request = asked(picture=padded_png(DRAFT, MAX_BYTES))
    request.mask = padded_png(DRAFT, MAX_MAP_BYTES)
    request.mask_digest.CopyFrom(digest_to_wire(Digest.of(request.mask)))
    request.control, request.control_kind = request.mask, "edges"
    request.control_digest.CopyFrom(request.mask_digest)
    request.references.extend(
        padded_png(DRAFT, size) for size in (MAX_BYTES, MAX_BYTES - 1, 2 * 2**20)
    )
    request.reference_digests.extend(digest_to_wire(Digest.of(r)) for r in request.references)
    assert request.ByteSize() > MAX_INPUTS_BYTES - 2
    with pytest.raises(InvalidRequest, match=r"\btiny takes no (control map|references)"):
        await polish(stub, request)


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_without_the_token_nothing_is_done(stub: Any, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await polish(stub, asked(), token)
    with pytest.raises(Unauthenticated), translated("the cloud"):
        await stub.ListEngines(cloud_pb2.ListEnginesRequest(), **call_options(LIST, token))


async def test_its_certificates_are_asked_for_checked_and_exchanged(
    cloud: Cloud, tmp_path: Path
) -> None:
    assert cloud.tls_dir is not None
    assert "if it asks for TLS, give --tls-dir" in await unhealthy(cloud.address)
    stranger = tmp_path / "stranger"
    authority.init(stranger, [], days=10)
    assert "not from an authority in" in await unhealthy(cloud.address, stranger)
    fingerprint = await shown(cloud)
    authority.issue(cloud.tls_dir, cloud.tls_dir, [], days=20)
    assert await shown(cloud) != fingerprint
    assert await unhealthy(cloud.address, cloud.tls_dir) == ""


async def shown(cloud: Cloud) -> bytes:
    """The certificate that it shows to a caller of its house."""
    context = ssl.create_default_context(cafile=str(cloud.tls_dir / "ca.pem"))
    context.load_cert_chain(cloud.tls_dir / "cert.pem", cloud.tls_dir / "key.pem")
    context.set_alpn_protocols(["h2"])
    host, port = cloud.address.split(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    shown: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate = shown.getpeercert(binary_form=True)
    writer.close()
    assert certificate
    return certificate


async def test_the_engine_is_described(stub: Any) -> None:
    answer = await stub.ListEngines(cloud_pb2.ListEnginesRequest(), **call_options(LIST, "sesame"))
    (engine,) = answer.engines
    assert (engine.name, engine.model, engine.num_inference_steps) == ("full", "tiny", 28)


async def test_a_standard_health_check_is_answered_while_the_engine_works(
    cloud: Cloud, stub: Any
) -> None:
    long = stub.Generate(asked(num_inference_steps=150), **call_options(GENERATE, "sesame"))
    await long.read()
    async with open_channel(cloud.address, cloud.tls_dir) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=30
        )
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert not long.done()
    long.cancel()


async def test_cancelling_frees_the_engine(stub: Any) -> None:
    """The next polish gets its turn although the one before had a very long way to go."""
    for _ in range(3):
        long = stub.Generate(
            asked(num_inference_steps=150, width=2048, height=2048),
            **call_options(GENERATE, "sesame"),
        )
        first = await long.read()
        assert first.progress.step == 1
        long.cancel()
    answers = await polish(stub, asked())
    assert answers[-1].HasField("chunk")


async def test_more_than_can_wait_are_told_that_the_engine_is_busy(stub: Any) -> None:
    ends = await asyncio.gather(
        *(polish(stub, asked(num_inference_steps=20)) for _ in range(12)), return_exceptions=True
    )
    refused = [end for end in ends if isinstance(end, UnderpaintError)]
    done = [end for end in ends if isinstance(end, list)]
    assert len(done) + len(refused) == 12
    assert len(done) >= 5
    assert {type(end) for end in refused} == {EngineBusy}


async def test_only_the_asked_for_host_listens(cloud: Cloud) -> None:
    port = int(cloud.address.rpartition(":")[2])
    for host in ("127.0.0.2", "::1"):
        with pytest.raises(OSError, match=r"refused|assign|unreachable"):
            socket.create_connection((host, port), timeout=5).close()


def test_killed_it_takes_everything_with_it(cloud: Cloud) -> None:
    """From here on the shared cloud is gone, and its address free."""
    below = processes.descendants(cloud.process.pid)
    assert {"raylet", "gcs_server"} <= set(below.values())
    cloud.process.kill()
    cloud.process.wait(60)
    while any(processes.is_alive(pid) for pid in below):  # bounded by the test's own limit
        time.sleep(0.02)


def test_stopped_it_leaves_nothing(cloud: Cloud) -> None:
    """A second start over the remains of a killed one, then a polite end."""
    again = start_cloud(cloud.folder, cloud.model)
    below = processes.descendants(again.process.pid)
    again.process.terminate()
    again.process.send_signal(signal.SIGINT)  # a second signal changes nothing
    assert again.process.wait(60) == 0
    assert not [pid for pid in below if processes.is_alive(pid)]
    assert not Settings(data_dir=cloud.folder).temporary.exists()


def test_stopped_while_starting_it_leaves_nothing(tmp_path: Path, cloud: Cloud) -> None:
    command = [sys.executable, "-m", "underpaint.cloud", "--model", str(cloud.model)]
    command += ["--listen", cloud.address, "--data-dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("starting Serve"):
            break
    below = processes.descendants(process.pid)
    process.terminate()
    assert "stopped while starting" in process.stdout.read()
    assert process.wait(60) == 0
    assert not [pid for pid in below if processes.is_alive(pid)]


def test_a_model_that_does_not_load_gets_one_line(tmp_path: Path, cloud: Cloud) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "NoSuchPipeline"}')
    command = [sys.executable, "-m", "underpaint.cloud", "--model", str(tmp_path)]
    command += ["--listen", cloud.address, "--data-dir", str(tmp_path / "data")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"underpaint cloud: {tmp_path.name} is a NoSuchPipeline, which")
    assert ended.stderr.count("\n") == 1
