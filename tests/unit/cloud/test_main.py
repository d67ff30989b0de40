from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from underpaint.cloud import __main__ as cloud
from underpaint.cloud.settings import Settings

from tests.unit.engines.other_kinds import OTHER_KINDS


def whole(folder: Path) -> Path:
    """A directory that passes the check without any weights to load."""
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    return folder


def pickled(folder: Path) -> Path:
    (whole(folder) / "weights.bin").write_bytes(b"\x80\x04.")
    return folder


def halved(folder: Path) -> Path:
    index = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet"]}
    (whole(folder) / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.mark.parametrize(("make", "told"), OTHER_KINDS.values(), ids=OTHER_KINDS)
def test_a_model_of_another_kind_is_told_in_one_line_before_ray_starts(
    make: Callable[[Path], Path], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make(tmp_path / "model")
    assert cloud.main(["--model", str(model), "--data-dir", str(tmp_path / "data")]) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert (said.err.count("\n"), said.out) == (1, "")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--listen", "nowhere"], "--listen: 'nowhere' has no port; write HOST:PORT"),
        (["--listen", "127.0.0.1:70000"], "no port from 1 to 65535"),
        (["--threads", "0"], "--threads: "),
        (["--replicas", "many"], "--replicas: "),
        (["--upscaler", "magic"], "--upscaler: "),
        (["--device", "abacus"], "--device: write auto, cpu, cuda, cuda:N or mps"),
        (["--dtype", "int4"], "--dtype: "),
        (["--vae-tiling", "maybe"], "--vae-tiling: "),
        (["--device", "cpu", "--offload", "model"], "--offload model moves weights"),
        (["--quantise", "torchao-int8"], "--quantise torchao-int8 needs the package torchao: pip"),
        (["--token-file", "/nowhere/token"], "token file /nowhere/token cannot be read"),
        (["--model", "/nowhere/model"], "there is no model /nowhere/model"),
        (["--lora", "/nowhere/ink.safetensors"], "there is no LoRA /nowhere/ink.safetensors"),
        (["--lora", "x:9"], "the weight 9 of x is out of range"),
        (["--embedding", "/nowhere/w.safetensors"], "there is no textual inversion /nowhere/w."),
        (["--control", "/nowhere"], "the ControlNet /nowhere is not there"),
        (["--model", "not a hub id"], "there is no model not a hub id"),
        (["--listen", "192.0.2.77:50071"], "it has no tokens and no TLS (--tls-dir)"),
        (["--listen", "192.0.2.77:50071", "--insecure"], "cannot listen on 192.0.2.77:50071"),
        (["--listen", "[2001:db8::7]:50071", "--insecure"], "cannot listen on [2001:db8::7]:50071"),
        (["--ray-address", "192.0.2.77:6379"], "0.0.0.0:50071 can be reached from other machines"),
        (["--tls-dir", "/nowhere"], "the TLS directory /nowhere: ca.pem cannot be read"),
    ],
)
def test_bad_flags_get_one_line_and_exit_code_2(
    flags: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torchao", None)
    model = ["--model", str(whole(tmp_path / "model"))]
    assert cloud.main([*model, "--data-dir", str(tmp_path / "data"), *flags]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""  # nothing was started for it


@pytest.mark.parametrize(
    ("make", "said"), [(pickled, "can run code when loaded"), (halved, "is incomplete")]
)
def test_a_bad_model_directory_gets_one_line(
    make: Callable[[Path], Path], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cloud.main(["--model", str(make(tmp_path / "model"))]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_an_unknown_flag_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cloud.main(["--modle", "x"])
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_port_in_use_is_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        model = str(whole(tmp_path / "model"))
        flags = ["--model", model, "--listen", address, "--data-dir", str(tmp_path / "data")]
        assert cloud.main(flags) == 2
    assert f"cannot listen on {address}: Address already in use" in capsys.readouterr().err


def test_a_port_of_ipv6_in_use_is_told_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        address = f"[::1]:{taken.getsockname()[1]}"
        model = str(whole(tmp_path / "model"))
        flags = ["--model", model, "--listen", address, "--data-dir", str(tmp_path / "data")]
        assert cloud.main(flags) == 2
    assert f"cannot listen on {address}: Address already in use" in capsys.readouterr().err


def test_two_clouds_do_not_share_a_data_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(whole(tmp_path / "model"))
    with cloud._locked(tmp_path / "data"):
        flags = ["--model", model, "--data-dir", str(tmp_path / "data")]
        assert cloud.main([*flags, "--listen", f"127.0.0.1:{free_port()}"]) == 2
    assert "another cloud (process " in capsys.readouterr().err


def test_after_a_killed_cloud_its_port_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang_up(_: float) -> None:
        taken.close()

    taken = socket.create_server(("127.0.0.1", 0))
    settings = Settings(listen=f"127.0.0.1:{taken.getsockname()[1]}")
    monkeypatch.setattr(cloud.time, "sleep", hang_up)
    cloud._check_port(settings, patience_s=60)


def test_the_lock_tells_a_killed_cloud_from_a_stopped_one(tmp_path: Path) -> None:
    with cloud._locked(tmp_path) as was_killed:
        assert not was_killed
    with cloud._locked(tmp_path) as was_killed:
        assert not was_killed
    (tmp_path / "cloud.lock").write_text("12345")
    with cloud._locked(tmp_path) as was_killed:
        assert was_killed


def test_a_bad_start_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from underpaint.cloud.__main__ import main; "
        f"main(['--model', {str(tmp_path / 'none')!r}]); "
        "sys.exit(bool({'ray', 'torch', 'diffusers', 'ncnn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERPAINT_CLOUD_THREADS", "3")
    monkeypatch.setenv("UNDERPAINT_CLOUD_REPLICAS", "4")
    given = vars(cloud.parser().parse_args(["--threads", "5"]))
    settings = Settings(**given)
    assert (settings.threads, settings.replicas) == (5, 4)


def test_rays_folder_is_short_enough_for_its_sockets(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / ("long" * 60))
    longest = "/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store.12345678"
    assert len(str(settings.temporary) + longest) <= 107


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_what_is_added_to_the_model_reaches_the_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERPAINT_CLOUD_EMBEDDING", "w.safetensors")
    flags = ["--lora", "a.safetensors", "--lora", "b.safetensors:0", "--control", "~/canny"]
    options = Settings(**vars(cloud.parser().parse_args([*flags, "--data-dir", "/data"]))).options
    assert options.loras == ("a.safetensors", "b.safetensors:0")
    assert options.embeddings == (Path("w.safetensors"),)
    assert options.control == Path.home() / "canny"
    assert options.data_dir == Path("/data")
