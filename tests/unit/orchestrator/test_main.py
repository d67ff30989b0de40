from __future__ import annotations

from pathlib import Path

import pytest
from underpaint.orchestrator.__main__ import main
from underpaint.orchestrator.settings import Settings


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (("--listen", "nowhere"), 2, "--listen: 'nowhere' has no port; write HOST:PORT"),
        (("--listen", "0.0.0.0:50061"), 2, "it has no tokens and no TLS (--tls-dir); set that up"),
        (("--cloud", "http://cloud:50071"), 2, "--cloud: 'http://cloud:50071' is a URL; write c"),
        (("--tls-dir", "/nowhere"), 2, "the TLS directory /nowhere: ca.pem cannot be read"),
        (("--concurrency", "many"), 2, "--concurrency: "),
        (("--lease-s", "0"), 2, "--lease-s: "),
        (("--redis-url", "foo"), 2, "'foo' is not a Redis URL"),
        (("--redis-url", "unix:///nowhere.sock"), 4, "Redis is out of reach"),
        (("--prices", "/nowhere.yaml"), 2, "/nowhere.yaml cannot be read"),
        (("--policy", "/dev/null"), 2, "/dev/null is empty"),
        (("--token-file", "/nowhere"), 2, "/nowhere cannot be read"),
        (("--artifacts-url", "/dev/null/x"), 2, "artifacts cannot be kept"),
        (("--default-budget-usd", "lots"), 2, "not a sum in dollars"),
        (("--default-budget-usd", "1,50"), 2, "$1.50 or $150"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    socket = f"unix://{tmp_path}/none.sock"
    common = ("--data-dir", str(tmp_path), "--redis-url", socket, "--redis-wait-s", "0")
    assert main([*common, *more]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_an_unknown_flag_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--no-such-flag"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        "underpaint orchestrator: unrecognized arguments: --no-such-flag; see --help\n"
    )


def test_the_environment_is_heard_and_flags_win(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNDERPAINT_ORCHESTRATOR_CONCURRENCY", "none")
    assert main(["--data-dir", "x"]) == 2
    assert "--concurrency: " in capsys.readouterr().err
    assert main(["--data-dir", "x", "--concurrency", "1", "--listen", "y"]) == 2
    assert "--listen: " in capsys.readouterr().err


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    told = capsys.readouterr().out
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in told
    assert "PydanticUndefined" not in told
