"""Streams that are closed, full or of a small encoding; machines without a home directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from underpaint.contract.outbox import OutboxItem, OutboxState

from tests.integration.cli.shell import PATIENCE_S, Said, Shell, shell
from tests.integration.sdk.script import NOW, picture
from tests.integration.sdk.stubs import Stubs

ENCODINGS = [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1"},
    {"LC_ALL": "C", "PYTHONUTF8": "0"},
    {"LC_ALL": "C.UTF-8"},
]


ASKS = OutboxItem(
    promotion_id="kept",
    draft_id="d",
    prompt="a red fox",
    state=OutboxState.ASKS,
    reason="it costs more",
    accepted_usd_micros=0,
    quoted_usd_micros=9,
    kept_at=NOW,
)


@pytest.fixture
def bash(stubs: Stubs, tmp_path: Path) -> Shell:
    """Runs lines of bash against the stubs."""
    environ = {
        "UNDERPAINT_EDGE": stubs.edge_address,
        "UNDERPAINT_ORCHESTRATOR": stubs.orchestrator_address,
        "UNDERPAINT_DATA_DIR": str(tmp_path / "data"),
    }

    def run(line: str, **more: str) -> Said:
        return shell(line, environ | more, tmp_path)

    return run


@pytest.mark.parametrize("line", ["ledger verify", "ledger verify --json", "--help"])
def test_a_full_output_is_an_error_of_its_own(bash: Shell, line: str) -> None:
    ended = bash(f"underpaint {line} > /dev/full")
    assert (ended.code, ended.out) == (5, b"")
    assert ended.err.count(b"\n") == 1
    assert b"error: standard output cannot be written (No space left on device)" in ended.err


def test_what_is_wrong_matters_more_than_a_full_output(bash: Shell, stubs: Stubs) -> None:
    ended = bash("underpaint quote nothing --json > /dev/full")
    assert ended.code == 2
    assert b"no draft nothing" in ended.err
    assert b"is done" not in ended.err


def test_work_that_is_paid_for_goes_on_though_nobody_reads(bash: Shell, stubs: Stubs) -> None:
    bash("underpaint draft 'a red fox' -n 1 --seed 7")
    promote = "underpaint promote 00000000 --yes --out"
    assert bash(f"{promote} full.png > /dev/full").code == 5
    assert bash(f"{promote} gone.png | true").code == 0
    assert bash("cmp full.png gone.png && file full.png || ls full.png gone.png").code == 0
    assert len(stubs.orchestrator.promotions) == 2


@pytest.mark.parametrize(
    "line",
    [
        "underpaint ledger verify | true",
        "underpaint drafts --limit 200 | head -n 1",
        "underpaint promotions --json | head -n 1",
        "underpaint promote --help | head -n 1",
        "underpaint ledger verify >&-",
        "underpaint ledger verify --json >&-",
        "underpaint ledger verify <&- >&- 2>&-",
    ],
)
def test_a_reader_that_has_gone_and_a_closed_stream_are_no_errors(bash: Shell, line: str) -> None:
    bash("underpaint draft 'a red fox' -n 64 --seed 7")
    ended = bash(line)
    assert (ended.code, ended.err) == (0, b"")


def test_an_output_that_was_closed_is_not_written_into_the_next_file(
    bash: Shell, tmp_path: Path
) -> None:
    ended = bash("underpaint draft 'a red fox' -n 1 --seed 7 --out made >&-")
    assert ended.code == 0
    (made,) = (tmp_path / "made").iterdir()
    assert made.read_bytes() == picture(7)


@pytest.mark.parametrize(
    ("command", "code"), [("promote 00000000", 2), ("promotions retry x", 2), ("outbox send", 3)]
)
def test_without_an_input_nobody_is_asked(
    bash: Shell, stubs: Stubs, command: str, code: int
) -> None:
    bash("underpaint draft 'a red fox' -n 1 --seed 7")
    stubs.edge.outbox = [ASKS]
    assert bash(f"underpaint {command} <&-").code == code
    assert not stubs.orchestrator.promotions
    assert stubs.edge.script.calls.count("SendOutbox") == (command == "outbox send")


@pytest.mark.parametrize("environ", ENCODINGS, ids=lambda e: " ".join(e.values()))
def test_every_encoding_shows_that_the_ledger_adds_up(bash: Shell, environ: dict[str, str]) -> None:
    bash("underpaint draft 'ein grüner Fuchs — 狐' -n 1 --seed 7", LC_ALL="C.UTF-8")
    ended = bash("underpaint ledger verify && underpaint drafts && underpaint spend", **environ)
    assert (ended.code, ended.err) == (0, b"")
    assert b"the ledger adds up" in ended.out
    if "ascii" in environ.values():
        assert b"+ the ledger adds up" in ended.out
        assert b"ein gr\\xfcner Fuchs \\u2014 \\u72d0" in ended.out
        assert b"##########" in ended.out
    assert bash("underpaint quote 00000000 && underpaint promote --help", **environ).code == 0
    as_json = json.loads(bash("underpaint drafts --json", **environ).out)
    assert as_json["drafts"][0]["request"]["prompt"] == "ein grüner Fuchs — 狐"


def test_words_that_are_no_text_are_one_line(bash: Shell) -> None:
    for command in ("show", "draft", "spend"):
        ended = bash(f"underpaint {command} $'\\xff'", LC_ALL="C.UTF-8")
        assert (ended.code, b"not valid UTF-8" in ended.err) == (2, True)


HOMELESS = """
import os, pwd, sys
os.environ.pop("HOME", None)
def nobody(uid): raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = nobody
"""


def homeless(code: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs Python as a user without a home directory and without an entry in passwd."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("UNDERPAINT_", "XDG_"))}
    return subprocess.run(
        [sys.executable, "-c", HOMELESS + code],
        env=kept | environ,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def command(*words: str) -> str:
    return f"from underpaint.cli.main import main; sys.argv[1:] = {list(words)!r}; main()"


def test_without_a_home_directory_help_and_library_work(tmp_path: Path) -> None:
    assert homeless(command("--help"), tmp_path).returncode == 0
    imported = homeless(
        "import underpaint.sdk as u; u.AsyncUnderpaint(edge='127.0.0.1:1')", tmp_path
    )
    assert (imported.returncode, imported.stderr) == (0, "")


@pytest.mark.parametrize("words", [("drafts",), ("up",), ("down",), ("demo",), ("doctor",)])
def test_without_a_home_directory_it_says_what_to_set(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    ended = homeless(command(*words), tmp_path)
    assert ended.returncode in (1, 2)
    assert "Traceback" not in ended.stderr
    told = " ".join((ended.stdout + ended.stderr).split())
    assert "--data-dir" in told
    assert "UNDERPAINT_DATA_DIR" in told


def test_without_a_home_directory_it_works_where_none_is_needed(
    stubs: Stubs, tmp_path: Path
) -> None:
    named = {
        "UNDERPAINT_EDGE": stubs.edge_address,
        "UNDERPAINT_ORCHESTRATOR": stubs.orchestrator_address,
    }
    assert homeless(command("promotions"), tmp_path, **named).returncode == 0
    set_ = homeless(command("down", "--data-dir", str(tmp_path)), tmp_path)
    assert (set_.returncode, "nothing runs" in set_.stdout) == (0, True)
    ended = homeless(command("drafts", "--data-dir", "~/data"), tmp_path, **named)
    assert (ended.returncode, "there is no home directory for the ~" in ended.stderr) == (2, True)


def test_a_tilde_is_a_home_directory_in_flags_and_in_the_environment(
    bash: Shell, tmp_path: Path
) -> None:
    home = {"HOME": str(tmp_path / "home")}
    (tmp_path / "home").mkdir()
    made = bash("underpaint draft fox -n 1 --seed 7 --out=~/made --data-dir=~/data", **home)
    assert made.code == 0
    bash("underpaint show 00000000", UNDERPAINT_DATA_DIR="~/from-environment", **home)
    bash("underpaint show 00000000 --data-dir=~/from-flag", **home)
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == [
        "from-environment",
        "from-flag",
        "made",
    ]
    (tmp_path / "home" / "token").write_text("secret")
    assert bash("underpaint drafts", UNDERPAINT_TOKEN_FILE="~/token", **home).code == 0
    assert bash("underpaint drafts --token-file=~/nothing", **home).code == 2
    assert not (tmp_path / "~").exists()
