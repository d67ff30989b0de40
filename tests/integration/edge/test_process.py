import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from underpaint.contract.rim import call_options
from underpaint.v1 import common_pb2, edge_pb2, edge_pb2_grpc

from tests.tiny import MODELS, make
from tests.tiny.extras import make_learned_word, make_lora, make_small_autoencoder
from tests.tiny.single_file import write_single_file
from tests.unit.engines.other_kinds import OTHER_KINDS

EDGE = (sys.executable, "-m", "underpaint.edge", "--listen", "127.0.0.1:0", "--device", "cpu")


@contextmanager
def run_node(model: Path, data: Path, *more: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A node that is up, and its address."""
    process = subprocess.Popen(
        [*EDGE, "--model", model, "--data-dir", data, "--threads", "1", *map(str, more)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.fullmatch(r"underpaint edge listening on (127\.0\.0\.1:\d+)\n", said)
        assert found, f"said {said!r}"
        yield process, found[1]
    finally:
        process.kill()
        process.wait()


def make_drafts(address: str, count: int, steps: int = 0) -> Iterator[edge_pb2.MakeDraftsResponse]:
    with grpc.insecure_channel(address) as channel:
        yield from edge_pb2_grpc.EdgeServiceStub(channel).MakeDrafts(
            edge_pb2.MakeDraftsRequest(
                request=common_pb2.GenerationRequest(prompt="a cat", num_inference_steps=steps),
                count=count,
                privacy=common_pb2.PRIVACY_DEVICE,
            ),
            timeout=call_options("/underpaint.v1.EdgeService/MakeDrafts")["timeout"],
        )


def test_a_node_draws_and_after_a_kill_still_has_the_draft(sd: Path, tmp_path: Path) -> None:
    with run_node(sd, tmp_path) as (process, address):
        first = next(iter(make_drafts(address, count=1))).draft
        process.send_signal(signal.SIGKILL)
        process.wait()
    with run_node(sd, tmp_path) as (process, address), grpc.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service="underpaint.v1.EdgeService"), timeout=30
        )
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        answers = edge_pb2_grpc.EdgeServiceStub(channel).GetDraft(
            edge_pb2.GetDraftRequest(id=first.id[:6]), timeout=30
        )
        assert next(iter(answers)).draft == first


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_a_drawing_stops_the_node_cleanly(
    sd: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with run_node(sd, tmp_path) as (process, address):
        answers = make_drafts(address, count=64, steps=150)
        next(answers)
        process.send_signal(number)
        with pytest.raises(grpc.RpcError) as ended:
            list(answers)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert process.wait(timeout=30) == 0


def bad_input(case: str, sd: Path, folder: Path) -> list[str]:
    """The arguments of a case; makes what they need."""
    copy = folder / "copy"
    if case == "missing model":
        return ["--model", str(folder / "nowhere")]
    if case == "empty token file":
        (folder / "token").write_text(" \n")
        return ["--token-file", str(folder / "token")]
    if case == "open to all":
        return ["--listen", "0.0.0.0:0"]
    if case == "unknown flag":
        return ["--colour", "red"]
    shutil.copytree(sd, copy)
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    if case == "cut weights":
        weights.write_bytes(weights.read_bytes()[:-10])
    elif case == "missing component":
        shutil.rmtree(copy / "vae")
    elif case == "pickle":
        weights.rename(weights.with_suffix(".bin"))
    elif case == "index that is no JSON":
        (copy / "model_index.json").write_text("{")
    return ["--model", str(copy)]


@pytest.mark.parametrize(
    ("case", "named"),
    [
        ("missing model", "there is no model "),
        ("cut weights", "fetch it again"),
        ("missing component", "vae is missing"),
        ("pickle", "can run code"),
        ("index that is no JSON", "model_index.json"),
        ("empty token file", "is empty"),
        ("open to all", "no tokens and no TLS"),
        ("unknown flag", "--colour"),
    ],
)
def test_bad_input_ends_with_one_line_and_code_2(
    sd: Path, tmp_path: Path, case: str, named: str
) -> None:
    arguments = ["--model", str(sd), "--data-dir", str(tmp_path / "data")]
    expect_one_line([*arguments, *bad_input(case, sd, tmp_path)], named)


def expect_one_line(arguments: list[str], told: str) -> None:
    ended = subprocess.run(
        [*EDGE, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 2
    assert re.fullmatch(r"underpaint edge: [^\n]+\n", ended.stderr), ended.stderr
    assert told in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(("make", "told"), OTHER_KINDS.values(), ids=OTHER_KINDS)
def test_a_model_of_another_kind_is_told_in_one_line(
    make: Callable[[Path], Path], told: str, tmp_path: Path
) -> None:
    model = make(tmp_path / "model")
    expect_one_line(["--model", str(model), "--data-dir", str(tmp_path / "data")], told)


@pytest.mark.parametrize(
    ("component", "change", "told"),
    [
        ("vae", {"latent_channels": "four"}, "does not load as Stable"),
        (
            "unet",
            {"down_block_types": ["NoSuchBlock", "NoSuchBlock"]},
            "does not load as Stable",
        ),
        ("unet", {"sample_size": "eight"}, "cannot be loaded (ValueError: "),
    ],
)
def test_what_a_library_cannot_load_is_told_in_one_line(
    sd: Path, tmp_path: Path, component: str, change: dict[str, object], told: str
) -> None:
    """Errors of libraries escaped raw, and `up` started the node five times."""
    copy = tmp_path / "copy"
    shutil.copytree(sd, copy)
    (copy / "underpaint.json").unlink()
    config = json.loads((copy / component / "config.json").read_text())
    (copy / component / "config.json").write_text(json.dumps(config | change))
    ended = subprocess.run(
        [*EDGE, "--model", str(copy), "--data-dir", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert told in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_a_port_in_use_is_named(sd: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = subprocess.run(
            [*EDGE, "--model", str(sd), "--data-dir", str(tmp_path), "--listen", address],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert ended.returncode == 2
    assert address in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_a_node_draws_with_what_is_added_to_its_model_and_by_its_card(tmp_path: Path) -> None:
    model = make("sd15", tmp_path / "fox")
    lora = make_lora(MODELS["sd15"], tmp_path / "ink.safetensors")
    asked = make_lora(MODELS["sd15"], tmp_path / "gold.safetensors", rank=1)
    word = make_learned_word(tmp_path / "sks.safetensors")
    make_small_autoencoder("taesd", model / "taesd")
    file = write_single_file(model, tmp_path / "fox.safetensors")
    make_small_autoencoder("taesd", tmp_path / "taesd")
    up = {**os.environ, "UNDERPAINT_DATA_DIR": str(tmp_path / "data")}
    card = ["models", "card", file, "--base", model, "--steps", "3", "--size", "64"]
    subprocess.run([sys.executable, "-m", "underpaint.cli", *card], env=up, check=True)
    added = ("--lora", lora, "--lora", f"{asked}:0", "--embedding", word, "--tiny-vae")
    with run_node(file, tmp_path / "data" / "edge", *added) as (_, address):
        with grpc.insecure_channel(address) as channel:
            node = edge_pb2_grpc.EdgeServiceStub(channel).GetNode(
                edge_pb2.GetNodeRequest(), timeout=30
            )
        draft = next(iter(make_drafts(address, count=1))).draft
    digest = hashlib.sha256(lora.read_bytes()).hexdigest()
    assert [(one.name, one.digest == digest) for one in node.loras] == [
        ("ink", True),
        ("gold", False),
    ]
    assert node.model == draft.model == f"fox+lora:{digest[:8]}"
    assert draft.request.num_inference_steps == node.num_inference_steps == 3
    assert (draft.request.width, draft.request.height) == (64, 64)
