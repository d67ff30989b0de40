"""What the autoencoders learn from: windows of pictures, at any side up to a whole picture."""

import pytest

torch = pytest.importorskip("torch")
for name in ("tqdm", "resvg_py", "diffusers"):
    pytest.importorskip(name)

from training.autoencoder import crops, make_autoencoder, make_double  # noqa: E402
from training.data import SIZE, Pictures  # noqa: E402


@pytest.mark.parametrize("side", [SIZE // 4, SIZE // 2, SIZE])
def test_windows_have_the_side_asked_for(side: int) -> None:
    generator = torch.Generator().manual_seed(0)
    rgba = torch.randint(256, (3, 2, 4, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    lights = torch.zeros(4, 3, SIZE, SIZE)
    windows = crops(Pictures(rgba, ((None, None),) * 3), lights, 4, side, generator)
    assert windows.shape == (4, 3, side, side)


def test_the_same_latents_are_twice_the_picture_to_the_larger() -> None:
    small = make_autoencoder()
    large = make_double(small)
    latents = torch.zeros(1, 16, 2, 2)
    with torch.no_grad():
        assert small.decode(latents).sample.shape[-1] * 2 == large.decode(latents).sample.shape[-1]
        assert large.encode(torch.zeros(1, 3, 64, 64)).latents.shape[-1] == 4
