"""What the pages take from the code is what the code says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pydantic_settings import BaseSettings
from underpaint.cloud.settings import Settings as Cloud
from underpaint.edge.settings import Settings as Edge
from underpaint.orchestrator.settings import Settings as Orchestrator
from underpaint.v1 import orchestrator_pb2

from docs import from_code
from tests.pages import ROOT


@pytest.mark.parametrize("which", ["tiers", "orchestrator"])
def test_the_picture_shows_the_layers_that_are_held_from_the_highest_down(which: str) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    held = next(
        each["layers"]
        for each in contracts["contracts"]
        if each["type"] == "layers" and ("containers" in each) == (which == "orchestrator")
    )
    drawn = ElementTree.fromstring(from_code.picture(from_code.layers(which)))
    rows: dict[float, list[str]] = {}
    for label in drawn.iter("text"):
        rows.setdefault(float(label.attrib["y"]), []).append(label.text or "")
    shown = [" | ".join(names) for _, names in sorted(rows.items())]
    assert shown == [layer.replace("underpaint.", "") for layer in held]


@pytest.mark.parametrize("which", ["tiers", "orchestrator"])
def test_every_layer_says_what_lives_in_it(which: str) -> None:
    told = from_code.rooms(which)
    for name in (name for row in from_code.layers(which) for name in row):
        assert f"| `{name.removeprefix('underpaint.')}` | " in told
    assert told.count("generated") == (which == "tiers")
    assert "|  |" not in told


def test_the_table_of_roles_has_every_rpc_and_what_each_role_reaches() -> None:
    told = from_code.roles()
    service = orchestrator_pb2.DESCRIPTOR.services_by_name["OrchestratorService"]
    for method in service.methods:
        assert f"| `{method.name}`" in told
    assert len(told.splitlines()) == 2 + len(service.methods)
    assert "| `Promote` | own |  |  |  |" in told
    assert "| `Cancel` | own |  | others' | others' |" in told
    assert "| `ThawLedger` |  |  |  | all |" in told
    assert "| `ApprovePromotion` \\* |  | others' |  | others' |" in told


@pytest.mark.parametrize(
    ("service", "settings"), [("edge", Edge), ("orchestrator", Orchestrator), ("cloud", Cloud)]
)
def test_every_flag_of_a_service_is_listed_with_its_meaning(
    service: str, settings: type[BaseSettings]
) -> None:
    told = from_code.flags(service)
    for name in settings.model_fields:
        assert re.search(
            rf"^\| `--{name.replace('_', '-')}\b[^|]* \| \w[^|]+ \|$", told, re.MULTILINE
        )
    assert str(ROOT) not in told


def test_a_page_that_would_fetch_something_from_elsewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<a href="https://cel.dev">CEL</a><img src="a.png">')
    (tmp_path / "house.css").write_text("p { background: url(data:image/png;base64,AA==) }")
    assert from_code.fetched(tmp_path) == []
    (tmp_path / "page.html").write_text('<script defer src="https://cdn.example/x.js"></script>')
    (tmp_path / "house.css").write_text("@import url('//fonts.example/f.css');")
    assert sorted(from_code.fetched(tmp_path)) == [
        "house.css: //fonts.example/f.css",
        "page.html: https://cdn.example/x.js",
    ]
