import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from underpaint.contract.errors import InvalidRequest
from underpaint.edge.settings import BUNDLED, read_settings
from underpaint.engines.placement import Placement


def test_the_bundled_model_on_loopback_is_the_default() -> None:
    settings = read_settings([])
    assert settings.model == str(BUNDLED)
    assert settings.listen == "127.0.0.1:50051"
    assert settings.draft_limit == 1_000


def test_a_flag_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERPAINT_EDGE_DRAFT_LIMIT", "7")
    monkeypatch.setenv("UNDERPAINT_EDGE_THREADS", "3")
    settings = read_settings(["--draft-limit", "9", "--reflection"])
    assert (settings.draft_limit, settings.threads, settings.reflection) == (9, 3, True)


@pytest.mark.parametrize("name", ["UNDERPAINT_EDGE_TOKEN_FILE", "UNDERPAINT_TOKEN_FILE"])
def test_the_token_file_has_the_name_all_services_share_too(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "/run/token")
    assert read_settings([]).token_file == Path("/run/token")


@pytest.mark.parametrize("name", ["UNDERPAINT_EDGE_ORCHESTRATOR", "UNDERPAINT_ORCHESTRATOR"])
def test_the_outbox_is_sent_where_the_client_would_promote(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert read_settings([]).orchestrator == ""
    monkeypatch.setenv(name, "studio:50061")
    assert read_settings([]).orchestrator == "studio:50061"
    assert read_settings(["--orchestrator", "other:1"]).orchestrator == "other:1"


@pytest.mark.parametrize("name", ["UNDERPAINT_EDGE_TLS_DIR", "UNDERPAINT_TLS_DIR"])
def test_the_tls_directory_has_the_name_all_services_share_too(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "/run/tls")
    assert read_settings([]).tls_dir == Path("/run/tls")
    monkeypatch.setenv(name, "")
    assert read_settings([]).tls_dir is None


def test_settings_cannot_be_changed_later() -> None:
    settings = read_settings([])
    with pytest.raises(ValidationError):
        settings.threads = 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--draft-limit", "0"], "--draft-limit"),
        (["--draft-limit", "many"], "--draft-limit"),
        (["--store-mib", "-1"], "--store-mib"),
        (["--listen", "50051"], "--listen: '50051' has no port"),
        (["--device", "tpu"], "--device"),
        (["--orchestrator", "studio"], "--orchestrator"),
        (["--outbox-every-s", "0"], "--outbox-every-s"),
        (["--dtype", "int4"], "--dtype"),
        (["--device", "cuda:x"], "--device 'cuda:x': write auto, cpu, cuda, cuda:N or mps"),
        (["--offload", "disk"], "--offload"),
        (["--vae-tiling", "maybe"], "--vae-tiling"),
        (["--compile", "fast"], "--compile"),
        (["--quantise", "1bit"], "--quantise"),
        (["--device", "cpu", "--offload", "model"], "--offload model moves weights"),
        (["--threads", "-2"], "--threads"),
        (["--colour", "red"], "--colour"),
        (["--model"], "--model"),
    ],
)
def test_a_bad_value_is_named_in_one_line(arguments: list[str], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named) as refused:
        read_settings(arguments)
    assert "\n" not in str(refused.value)


def test_where_the_engine_runs_is_set_by_flag_and_by_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UNDERPAINT_EDGE_OFFLOAD", "model")
    settings = read_settings(
        ["--device", "cuda:1", "--dtype", "float16", "--vae-tiling", "on", "--data-dir", "/data"]
    )
    assert settings.engine_placement == Placement(
        device="cuda:1",
        dtype="float16",
        offload="model",
        vae_tiling="on",
        cache_dir=Path("/data/compiled"),
    )


def test_a_quantiser_that_is_not_installed_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(InvalidRequest, match="pip install torchao"):
        read_settings(["--quantise", "torchao-int8"])


def test_what_is_added_to_the_model_is_set_by_flags_and_by_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UNDERPAINT_EDGE_LORA", "a.safetensors:0.5,b.safetensors")
    monkeypatch.setenv("UNDERPAINT_EDGE_TINY_VAE", "true")
    options = read_settings(["--data-dir", "/data", "--embedding", "~/w.safetensors"]).options
    assert options.loras == ("a.safetensors:0.5", "b.safetensors")
    assert options.embeddings == (Path.home() / "w.safetensors",)
    assert (options.data_dir, options.tiny_vae) == (Path("/data"), True)
    settings = read_settings(["--lora", "c,d.safetensors", "--lora", "e.safetensors"])
    assert settings.options.loras == ("c,d.safetensors", "e.safetensors")
