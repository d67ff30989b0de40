"""Deploy files name what really exists, as far as can be told without a Docker engine."""

from __future__ import annotations

import configparser
import inspect
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray._common.utils import import_attr
from ray.serve.schema import ServeDeploySchema
from underpaint.cloud.app import NAME, SERVICER_FUNCTIONS, Arguments, build
from underpaint.contract.deadlines import DEADLINES

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
SERVICES = ("cloud", "orchestrator", "edge")


def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())  # type: ignore[no-any-return]


def instructions(tier: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions in order, continued lines joined."""
    text = (DEPLOY / f"{tier}.Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def test_serve_yaml_fits_serves_own_schema_and_this_application() -> None:
    config = ServeDeploySchema.parse_obj(yaml.safe_load((DEPLOY / "serve.yaml").read_text()))
    (application,) = config.applications
    assert application.name == NAME
    assert application.route_prefix == "/"
    assert import_attr(application.import_path) is build
    Arguments(**application.args)
    assert config.grpc_options.grpc_servicer_functions == list(SERVICER_FUNCTIONS)
    assert (
        config.grpc_options.request_timeout_s == DEADLINES["/underpaint.v1.CloudService/Generate"]
    )
    for function in SERVICER_FUNCTIONS:
        assert len(inspect.signature(import_attr(function)).parameters) == 2


def test_the_ledgers_redis_writes_to_disk_before_it_answers() -> None:
    redis = compose()["services"]["redis"]
    command = " ".join(redis["command"])
    assert "--appendonly yes" in command
    assert "--appendfsync always" in command
    assert "--maxmemory-policy noeviction" in command
    assert any(volume.endswith(":/data") for volume in redis["volumes"])


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_says_that_its_network_is_trusted(service: str) -> None:
    assert "--insecure" in compose()["services"][service]["command"]


def test_every_volume_is_declared() -> None:
    config = compose()
    used = {v.split(":")[0] for s in config["services"].values() for v in s.get("volumes", [])}
    assert used == set(config["volumes"])


def test_nothing_is_published_beyond_this_machine() -> None:
    published = [p for s in compose()["services"].values() for p in s.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("service", SERVICES)
def test_a_services_command_is_one_that_its_module_takes(service: str) -> None:
    command = compose()["services"][service]["command"]
    flags = {part.split("=")[0] for part in command if part.startswith("--")}
    told = subprocess.run(
        [sys.executable, "-m", f"underpaint.{service}", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {flag for flag in flags if flag not in told} == set()


def test_the_services_call_each_other_where_they_listen() -> None:
    services = compose()["services"]
    told = services["orchestrator"]["command"]
    called = dict(part[2:].split("=") for part in told if "=" in part)
    host, port = called["cloud"].split(":")
    assert f"0.0.0.0:{port}" in services[host]["command"]
    assert called["redis_url" if "redis_url" in called else "redis-url"].startswith(
        "redis://redis:6379"
    )


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_built_from_a_dockerfile_of_ours(service: str) -> None:
    build_from = compose()["services"][service]["build"]
    assert (DEPLOY / build_from["context"]).resolve() == ROOT
    assert build_from["dockerfile"] == f"deploy/{service}.Dockerfile"


@pytest.mark.parametrize("tier", SERVICES)
def test_a_dockerfile_copies_what_exists_and_installs_its_own_tier(tier: str) -> None:
    steps = instructions(tier)
    assert steps[0] == ("FROM", "python:3.11-slim")
    for word, rest in steps:
        if word == "COPY":
            *sources, _ = shlex.split(rest)
            assert all((ROOT / source).exists() for source in sources), rest
    (install,) = (rest for word, rest in steps if word == "RUN" and "pip install" in rest)
    assert f'".[{tier}]" --constraint constraints.txt' in install


@pytest.mark.parametrize("tier", SERVICES)
def test_a_container_runs_its_module_without_root_and_is_watched(tier: str) -> None:
    steps = instructions(tier)
    words = [word for word, _ in steps]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert dict(steps)["USER"] != "root"
    assert json.loads(dict(steps)["ENTRYPOINT"]) == ["python", "-m", f"underpaint.{tier}"]
    check = json.loads(dict(steps)["HEALTHCHECK"].partition("CMD")[2])
    port = dict(steps)["EXPOSE"]
    assert check == ["python", "-m", "underpaint.contract.health", f"127.0.0.1:{port}"]
    assert f"0.0.0.0:{port}" in json.loads(dict(steps)["CMD"])


def test_the_edge_unit_starts_what_is_there_and_leaves_wrong_input_alone() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.read(DEPLOY / "edge.service")
    service = unit["Service"]
    _, *words = shlex.split(service["ExecStart"])
    assert words == ["-m", "underpaint.edge"]
    assert service["RestartPreventExitStatus"] == "2"  # what every tier ends with on wrong input
    state = service["StateDirectory"]
    assert f"UNDERPAINT_EDGE_DATA_DIR=%S/{state}" in service["Environment"].split()
