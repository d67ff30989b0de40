"""State file, lock, ports, settings and packages: what a command finds around it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidRequest, ServiceUnreachable
from underpaint.local import authority, extras, stack
from underpaint.local.lock import take_lock
from underpaint.local.stack import StackOptions, plan
from underpaint.sdk.client import AsyncUnderpaint
from underpaint.sdk.discovery import STATE, Running, find_addresses, read_running
from underpaint.sdk.settings import Settings

STATE_OF_UP = Running(pid=1, addresses={"edge": "127.0.0.1:1", "orchestrator": "127.0.0.1:2"})


def options(data_dir: Path, **more: object) -> StackOptions:
    free = {"edge_port": 0, "orchestrator_port": 0, "cloud_port": 0}
    return StackOptions(data_dir=data_dir, **(free | more))  # type: ignore[arg-type]


def test_a_running_up_is_found_and_a_killed_one_is_not(tmp_path: Path) -> None:
    lock = take_lock(tmp_path / "data")
    STATE_OF_UP.write(tmp_path / "data")
    assert read_running(tmp_path / "data") == STATE_OF_UP

    os.close(lock)  # as a kill would, leaving the file
    assert (tmp_path / "data" / STATE).exists()
    assert read_running(tmp_path / "data") is None


def test_a_data_directory_is_taken_once(tmp_path: Path) -> None:
    lock = take_lock(tmp_path)
    with pytest.raises(InvalidRequest, match="already runs"):
        take_lock(tmp_path)
    os.close(lock)
    os.close(take_lock(tmp_path))


def test_a_data_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRequest, match="--data-dir"):
        take_lock(tmp_path / "file" / "data")


def test_addresses_that_are_set_win_over_those_of_the_running_up(tmp_path: Path) -> None:
    lock = take_lock(tmp_path)
    STATE_OF_UP.write(tmp_path)

    assert find_addresses(Settings(data_dir=tmp_path)) == ("127.0.0.1:1", "127.0.0.1:2")
    named = Settings(data_dir=tmp_path, edge="studio:50051")
    assert find_addresses(named) == ("studio:50051", "127.0.0.1:2")
    os.close(lock)
    with pytest.raises(ServiceUnreachable, match="underpaint up"):
        find_addresses(Settings(data_dir=tmp_path))


def test_the_plan_starts_state_first_and_gives_each_its_own_port(tmp_path: Path) -> None:
    specs = plan(options(tmp_path))

    assert [spec.name for spec in specs] == ["state", "orchestrator", "cloud", "edge"]
    assert len({spec.address for spec in specs}) == 4
    assert f"unix://{specs[0].address}" in specs[1].command


def test_every_tier_of_the_plan_takes_the_same_certificates(tmp_path: Path) -> None:
    authority.init(tmp_path / "tls", [], days=10)
    _, *tiers = plan(options(tmp_path, tls_dir=tmp_path / "tls"))
    assert len(tiers) == 3
    for spec in tiers:
        assert spec.command[spec.command.index("--tls-dir") + 1] == str(tmp_path / "tls")
    with pytest.raises(InvalidRequest, match="certs init"):
        plan(options(tmp_path, tls_dir=tmp_path / "none"))


def test_a_setting_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERPAINT_EDGE", "127.0.0.1")
    with pytest.raises(InvalidRequest, match=r"UNDERPAINT_EDGE\): '127.0.0.1' has no port"):
        AsyncUnderpaint.from_settings()
    monkeypatch.setenv("UNDERPAINT_EDGE", "")
    monkeypatch.setenv("UNDERPAINT_TLS_DIR", "")
    assert (Settings().edge, Settings().tls_dir) == ("", None)
    with pytest.raises(InvalidRequest, match="is a URL; write edge:1"):
        AsyncUnderpaint(edge="http://edge:1")


def test_the_plan_leaves_out_what_is_elsewhere(tmp_path: Path) -> None:
    own_redis = plan(options(tmp_path, redis_url="redis://db:6379/0"))
    assert [spec.name for spec in own_redis] == ["orchestrator", "cloud", "edge"]
    assert "redis://db:6379/0" in own_redis[0].command
    assert [spec.name for spec in plan(options(tmp_path, cloud=False))] == ["edge"]


def test_a_port_in_use_is_named_with_its_flag(tmp_path: Path) -> None:
    with socket.create_server((stack.HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InvalidRequest, match=rf"port {port} is in use.*--cloud-port"):
            plan(options(tmp_path, cloud_port=port))
    with pytest.raises(InvalidRequest, match="port 70000 cannot be used"):
        plan(options(tmp_path, edge_port=70_000))


def test_an_extra_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "missing", lambda extra: ["ray"] if extra == "cloud" else [])
    with pytest.raises(InvalidRequest, match=r"needs ray.*underpaint\[cloud\]"):
        plan(options(tmp_path))


def test_a_deep_data_directory_gets_a_short_private_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 30)
    path = stack.socket_path(deep)

    assert len(str(path)) < 100
    assert path == stack.socket_path(deep)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.parent.rmdir()


@pytest.mark.parametrize(
    ("wanted", "version", "fits"),
    [
        (">=2.9", "2.13.0+cpu", True),
        (">=2.9", "2.8.1", False),
        ("==2.0.0", "2.0.0", True),
        ("==2.0.0", "2.0.1", False),
        ("", "1", True),
        (">=1", "", False),
    ],
)
def test_a_version_fits_what_is_wanted(wanted: str, version: str, fits: bool) -> None:
    assert extras.Package(name="x", wanted=wanted, version=version).fits is fits


def test_each_extra_lists_its_own_packages() -> None:
    assert "ray" in {p.name for p in extras.packages("cloud")}
    assert "ray" not in {p.name for p in extras.packages("edge")}
    assert "torch" not in {p.name for p in extras.packages("orchestrator")}
    assert {"rich", "typer"} <= {p.name for p in extras.packages("sdk")}
    assert not {"ray", "torch"} & {p.name for p in extras.packages("sdk")}
