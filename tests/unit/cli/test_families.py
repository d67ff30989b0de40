"""`underpaint models families`: the table for people, for programs and for the pages."""

from __future__ import annotations

import re
import subprocess
import sys

from underpaint.cli.commands.families import LEGEND, as_markdown
from underpaint.engines.capabilities import ABILITIES, NOT_YET, UNTRIED, not_loaded, table
from underpaint.engines.families import FAMILIES

from docs import from_code
from tests.pages import ROOT
from tests.unit.cli.test_models import Cli, cli

__all__ = ["cli"]


def test_people_see_each_family_with_what_is_tried_and_what_is_not(cli: Cli) -> None:
    shown = cli("families")
    assert shown.code == 0, shown.err
    lines = {re.split(r"  +", line)[0]: line.split() for line in shown.out.splitlines()}
    assert lines["Stable Diffusion XL"][3:] == ["yes", "yes", "strength", *["yes"] * 5]
    assert lines["FLUX.1 Fill"][2:] == ["-", "yes", "strength", "yes", "-", "yes", "yes", "yes"]
    assert lines["FLUX.2"][3] == "reference"
    assert lines["OmniGen"][1:4] == ["(yes)", "(yes)", "(reference)"]
    assert lines["PRX"][6] == "-"
    text = " ".join(shown.out.split())
    assert LEGEND in text
    for title, why in not_loaded().items():
        assert title in text
        assert why.split()[0] in text


def test_programs_get_each_cell(cli: Cli) -> None:
    document = cli("families", "--json").json
    rows = {row["family"]: row for row in document["families"]}
    assert rows.keys() | {"cosmos2"} == {f.name for f in FAMILIES}
    assert all(row["cells"].keys() == ABILITIES.keys() for row in rows.values())
    assert rows["sdxl"]["cells"]["control"] == {"value": "yes", "tried": True}
    assert rows["omnigen"]["cells"]["lite"] == {"value": "yes", "tried": False}
    assert rows["omnigen"]["untried"] == UNTRIED["omnigen"]
    assert "Cosmos-Predict2 Text2Image" in document["not_loaded"]


def test_it_needs_neither_torch_nor_diffusers() -> None:
    check = (
        "import sys, underpaint.cli.commands.families; "
        "sys.exit(bool({'torch', 'diffusers', 'transformers'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_the_readme_has_the_table_that_the_command_prints(cli: Cli) -> None:
    page = (ROOT / "README.md").read_text()
    printed = cli("families", "--markdown").out
    _, _, after = page.partition("<!-- families -->\n")
    assert after.partition("<!-- end of families -->")[0] == printed, "run `make families`"
    assert f"<summary>{len(table())} families</summary>" in page


def test_the_page_about_models_says_of_each_that_is_not_tried_or_loaded_why() -> None:
    assert "```{families}\n```" in (ROOT / "docs/models.md").read_text()
    made = from_code.families()
    assert as_markdown(table()) in made
    assert made.count("\n| ") == 1 + len(ABILITIES) + 2 + len(table())
    titles = {family.name: family.title for family in FAMILIES}
    for name, why in UNTRIED.items():
        assert re.search(rf"^- [^:]*{re.escape(titles[name])}[^:]*: {why}\.$", made, re.MULTILINE)
    for (name, ability), why in NOT_YET.items():
        told = re.escape(f"{titles[name]} ({ability})")
        assert re.search(rf"^- [^:]*{told}[^:]*: {why}\.$", made, re.MULTILINE)
    for title, why in not_loaded().items():
        assert re.search(rf"^- [^:]*{re.escape(title)}[^:]*: {why}\.$", made, re.MULTILINE)
