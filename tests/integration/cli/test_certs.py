"""`underpaint certs`, and every command by TLS."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from underpaint.contract.tls import read_certificates

from tests.integration.cli.conftest import Cli, run_cli
from tests.integration.sdk.stubs import serving


def test_a_house_is_made_and_enlarged(cli: Cli, tmp_path: Path) -> None:
    made = cli("certs", "init", "--host", "house.example", "--host", "192.0.2.7", "--json")
    assert made.code == 0, made.err
    directory = tmp_path / "data" / "tls"
    assert made.json["directory"] == str(directory)
    hosts = ["localhost", "127.0.0.1", "::1", "house.example", "192.0.2.7"]
    assert made.json["hosts"] == hosts
    for secret in (directory / "key.pem", directory / "authority" / "ca-key.pem"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600

    other = tmp_path / "other"
    assert cli("certs", "issue", other, "--host", "edge.example", "--days", 30).code == 0
    assert sorted(path.name for path in other.iterdir()) == ["ca.pem", "cert.pem", "key.pem"]
    shown = cli("certs", "show", "--tls-dir", other)
    assert shown.code == 0
    assert "names localhost, 127.0.0.1, " in shown.out
    assert "edge.example until " in shown.out


def test_a_certificate_is_replaced_by_one_of_the_same_names(cli: Cli, tmp_path: Path) -> None:
    directory = tmp_path / "tls"
    assert cli("certs", "init", "--host", "house.example", "--tls-dir", directory).code == 0
    before = read_certificates(directory)
    again = cli("certs", "issue", "--tls-dir", directory, "--days", 700, "--json")
    assert again.code == 0, again.err
    after = read_certificates(directory)
    assert after.ca == before.ca
    assert after.cert != before.cert
    assert set(after.hosts) == set(before.hosts)
    assert (after.ends - before.ends).days in (334, 335)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("init",), "has an authority; make a certificate with `underpaint certs issue`"),
        (("issue", "new", "--tls-dir", "none"), "none has no authority"),
        (("issue", "new", "--host", "house.example:50061"), "without a port"),
        (("issue", "new", "--host", "http://house"), "is not a host"),
        (("show", "--tls-dir", "none"), "`underpaint certs init` makes them"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_line(
    cli: Cli, arguments: tuple[str, ...], said: str
) -> None:
    assert cli("certs", "init").code == 0
    refused = cli("certs", *arguments)
    assert refused.code == 2
    assert said in refused.err
    assert refused.err.count("\n") == 1
    assert not Path("new").exists()


def test_commands_go_by_tls_and_say_when_they_ought_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls_dir = tmp_path / "tls"
    assert run_cli("certs", "init", "--tls-dir", tls_dir).code == 0
    with serving(tls_dir=tls_dir) as stubs:
        where = (
            *("--edge", stubs.edge_address, "--orchestrator", stubs.orchestrator_address),
            *("--data-dir", tmp_path / "data"),
        )
        for command in (("drafts",), ("budget", "show")):
            plain = run_cli(*command, *where)
            assert plain.code == 4
            assert "if it asks for TLS, give --tls-dir (UNDERPAINT_TLS_DIR)" in plain.err
            assert run_cli(*command, *where, "--tls-dir", tls_dir).code == 0
        monkeypatch.setenv("UNDERPAINT_TLS_DIR", str(tls_dir))
        assert run_cli("drafts", *where).code == 0
        found = run_cli("doctor", *where, "--json").json["findings"]
        seen = {finding["what"]: (finding["verdict"], finding["seen"]) for finding in found}
        assert seen["service orchestrator"][0] == "ok"
        assert seen["certificates"][0] == "ok"
        assert "::1, for 36" in seen["certificates"][1]


def test_a_terminal_is_told_in_one_line(tmp_path: Path) -> None:
    assert run_cli("certs", "init", "--tls-dir", tmp_path / "tls").code == 0
    with serving() as stubs:
        command = (sys.executable, "-m", "underpaint.cli", "drafts", "--edge", stubs.edge_address)
        ended = subprocess.run(
            [*command, "--tls-dir", str(tmp_path / "tls")],
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 4
    assert ended.stderr == (
        f"error: the edge at {stubs.edge_address} is out of reach: it speaks no TLS; "
        "start it with --tls-dir, or leave yours out\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--edge", "127.0.0.1"), "--edge (UNDERPAINT_EDGE): '127.0.0.1' has no port; write HO"),
        (("--edge", "http://127.0.0.1:50051"), "is a URL; write 127.0.0.1:50051"),
        (("--orchestrator", "::1"), "--orchestrator (UNDERPAINT_ORCHESTRATOR): '::1' has more"),
    ],
)
def test_an_address_is_refused_with_what_to_write(
    cli: Cli, arguments: tuple[str, ...], said: str
) -> None:
    refused = cli("drafts", *arguments)
    assert refused.code == 2
    assert said in refused.err
    assert refused.err.count("\n") == 1


def test_doctor_names_a_proxy_and_reaches_loopback_past_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://ana:secret@127.0.0.1:1")
    found = cli("doctor", "--json").json["findings"]
    seen = {finding["what"]: (finding["verdict"], finding["seen"]) for finding in found}
    assert seen["https_proxy"] == (
        "warn",
        "http://127.0.0.1:1; not used for services on this machine",
    )
    assert seen["service edge"][0] == "ok"
    elsewhere = cli("drafts", "--edge", "192.0.2.7:50051")
    assert elsewhere.code == 4
    assert "the proxy http://127.0.0.1:1 that https_proxy names" in elsewhere.err
    assert "secret" not in elsewhere.err
