"""The autoencoder of the second generation: what it starts from, and its lessons on 20 pictures."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
for name in ("tqdm", "resvg_py", "diffusers"):
    pytest.importorskip(name)

import training.loop  # noqa: E402
import training.second.detail as detail  # noqa: E402
import training.second.latents as latents  # noqa: E402
from tests.unit.training.test_second import drawings  # noqa: E402, F401
from training.autoencoder import make_autoencoder, make_double  # noqa: E402
from training.second.drawings import Drawings  # noqa: E402
from training.second.say import caption, details  # noqa: E402
from training.second.scene import ask, draw  # noqa: E402


def test_it_begins_as_what_it_starts_from() -> None:
    torch.manual_seed(0)
    known = make_autoencoder()
    latents, picture = torch.randn(1, 16, 4, 4), torch.rand(1, 3, 32, 32) * 2 - 1
    made = detail.grown(known)
    assert sum(p.numel() for p in made.parameters()) > sum(p.numel() for p in known.parameters())
    with torch.no_grad():
        assert torch.allclose(made.decode(latents).sample, known.decode(latents).sample, atol=1e-5)
        assert torch.equal(made.encode(picture).latents, known.encode(picture).latents)


def test_an_autoencoder_of_other_stages_is_no_start() -> None:
    double = make_double(make_autoencoder())
    with pytest.raises((ValueError, RuntimeError)):
        detail.grown(double)


def test_lessons_are_windows_of_fresh_scenes(drawings: Drawings) -> None:  # noqa: F811
    seen = detail.lessons(drawings, 4, 32, random.Random(1))
    assert seen.shape == (4, 3, 32, 32)
    assert torch.equal(seen, detail.lessons(drawings, 4, 32, random.Random(1)))
    assert not torch.equal(seen, detail.lessons(drawings, 4, 32, random.Random(2)))


def test_the_critic_teaches_the_autoencoder_only_when_it_is_heard() -> None:
    torch.manual_seed(0)
    pair = detail.Pair(detail.make_detail())
    true = torch.rand(2, 3, 32, 32) * 2 - 1

    def gradients(heard: float) -> tuple[torch.Tensor, torch.Tensor]:
        pair.zero_grad()
        torch.manual_seed(1)
        loss, _ = detail.losses(pair, true, heard, "cpu")
        loss.backward()
        critic, decoder = pair.critic.verdict, pair.autoencoder.decoder.layers[-1]
        return critic.weight.grad.clone(), decoder.weight.grad.clone()

    unheard, heard = gradients(0.0), gradients(1.0)
    assert torch.allclose(unheard[0], heard[0])  # it learns from its own mistakes alone
    assert not torch.allclose(unheard[1], heard[1])


def test_a_run_on_twenty_pictures_goes_on_from_its_checkpoint(
    drawings: Drawings,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training.loop, "RUNS", tmp_path)
    monkeypatch.setattr(detail, "CHECK_EVERY", 2)
    monkeypatch.setattr(detail, "SIDE", 64)
    monkeypatch.setattr(detail, "SIZES", (64, 32))

    def train(steps: int) -> object:
        return detail.train(drawings, make_autoencoder(), steps, 5, 1e-3, "cpu", 3, crop=32)

    train(2)
    first = torch.load(tmp_path / "detail" / "checkpoint.pt", weights_only=True)
    made = train(4)
    second = torch.load(tmp_path / "detail" / "checkpoint.pt", weights_only=True)
    assert (first["step"], second["step"]) == (2, 4)
    key = "autoencoder.decoder.layers.0.weight"
    assert not torch.equal(first["average"][key], second["average"][key])
    assert torch.equal(made.state_dict()["decoder.layers.0.weight"], second["average"][key])  # type: ignore[attr-defined]
    checks = [json.loads(row) for row in (tmp_path / "detail" / "checks.jsonl").open()]
    assert [row["step"] for row in checks] == [2, 4]
    assert {"error 64", "energy 64", "steep 32"} <= checks[0].keys()
    assert (tmp_path / "detail" / "sheet.png").exists()


def test_latents_of_twenty_scenes_are_made_once_and_again_for_other_weights(
    drawings: Drawings,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(latents, "PART", 8)
    torch.manual_seed(0)
    model, other = detail.make_detail(), detail.make_detail()
    made = latents.load_lessons(drawings, model, 32, 20, cache=tmp_path)
    assert made.latents.shape == (20, 16, 4, 4)
    assert made.latents.isfinite().all()
    first, *_, last = sorted(tmp_path.glob("*/*.pt"))
    written = first.stat().st_mtime_ns
    last.unlink()  # as if it had been stopped before the last part
    again = latents.load_lessons(drawings, model, 32, 20, cache=tmp_path)
    assert torch.equal(again.latents, made.latents)
    assert again.scenes == made.scenes
    assert first.stat().st_mtime_ns == written
    changed = latents.load_lessons(drawings, other, 32, 20, cache=tmp_path)
    assert not torch.equal(changed.latents, made.latents)


def test_lessons_say_what_their_pictures_show_and_keep_from_what_is_held_out(
    drawings: Drawings,  # noqa: F811
    tmp_path: Path,
) -> None:
    made = latents.load_lessons(drawings, detail.make_detail(), 32, 40, cache=tmp_path)
    assert not any(latents.unseen(made.world, scene) for scene in made.scenes)
    rng = random.Random(0)
    free = [draw(drawings, ask(drawings, rng), rng) for _ in range(200)]
    assert 20 < sum(latents.unseen(made.world, scene) for scene in free) < 100
    words, tokens = made.told(0)
    assert words == caption(made.world, made.asked[0])
    assert tokens == details(made.world, made.scenes[0])
