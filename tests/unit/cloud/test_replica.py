"""One replica, one polish: what follows on a caller who leaves, and on two who come at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from underpaint.cloud.engine import Cancelled
from underpaint.cloud.replica import EngineReplica
from underpaint.contract.errors import InvalidModel, ResultFlagged
from underpaint.contract.generation import GenerationRequest, GenerationResult, Inputs, Progress
from underpaint.contract.inputs import InputPictures
from underpaint.contract.pictures import encode_png
from underpaint.engines.options import Options
from underpaint.engines.placement import Placement

from tests.tiny.plain import save_flow
from tests.unit.cloud.test_engine import asked

DRAFT = encode_png(Image.linear_gradient("L"))
STEPS = 3


class GatedEngine:
    """Makes a step whenever the test opens the gate; asks after each whether it is to stop."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.door = threading.Barrier(2)
        self.met = False
        self.log: list[str] = []

    def generate(
        self,
        request: GenerationRequest,
        inputs: InputPictures,
        on_progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> GenerationResult:
        try:
            self.door.wait(0.3)  # for company that must not come
            self.met = True
        except threading.BrokenBarrierError:
            self.door.reset()
        on_progress(Progress(step=0, steps=STEPS, stage="denoising"))
        for _ in range(STEPS):
            self.gate.acquire()
            if cancelled():
                self.log.append(f"stopped {request.seed}")
                raise Cancelled
        self.log.append(f"done {request.seed}")
        return GenerationResult(picture=b"x", width=64, height=64, model="gated", gpu_seconds=1.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_flow(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
async def replica(model: Path) -> AsyncIterator[tuple[EngineReplica, GatedEngine]]:
    loaded = await asyncio.to_thread(
        EngineReplica, str(model), "none", Options(placement=Placement(device="cpu")), 1
    )
    engine: Any = GatedEngine()
    loaded._engine = engine
    yield loaded, engine
    engine.gate.release(100)  # nothing may hang, whatever a test left


async def collect(replica: EngineReplica, seed: int) -> list[Progress | GenerationResult]:
    return [answer async for answer in replica.polish(asked(seed=seed), Inputs(init_image=DRAFT))]


async def until_settled() -> None:
    """Lets everything happen that waits for nothing but the loop."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_progress_comes_before_the_result(
    replica: tuple[EngineReplica, GatedEngine],
) -> None:
    loaded, engine = replica
    engine.gate.release(STEPS)
    progress, result = await collect(loaded, 1)
    assert isinstance(progress, Progress)
    assert isinstance(result, GenerationResult)


async def test_a_withheld_picture_tells_which_model_made_it_and_how_long_it_took(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = await asyncio.to_thread(
        EngineReplica, str(model), "none", Options(placement=Placement(device="cpu")), 1
    )

    def flagged(*_: object) -> GenerationResult:
        raise ResultFlagged("try other words")

    monkeypatch.setattr(loaded._engine, "generate", flagged)
    with pytest.raises(ResultFlagged, match=r"^try other words$") as withheld:
        await collect(loaded, 1)
    assert withheld.value.model == "tiny"
    assert withheld.value.gpu_seconds > 0


async def test_whatever_a_library_raises_while_it_loads_is_one_line(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise PackageNotFoundError("bitsandbytes")

    monkeypatch.setattr("underpaint.engines.pipelines.model.pipeline_limits", broken)
    with pytest.raises(InvalidModel, match=r"^the model .*tiny cannot be loaded \(PackageNotFound"):
        await asyncio.to_thread(
            EngineReplica, str(model), "none", Options(placement=Placement(device="cpu")), 1
        )


async def test_two_polishes_are_never_in_the_engine_at_once(
    replica: tuple[EngineReplica, GatedEngine],
) -> None:
    loaded, engine = replica
    engine.gate.release(2 * STEPS)
    await asyncio.gather(collect(loaded, 1), collect(loaded, 2))
    assert engine.log == ["done 1", "done 2"]
    assert not engine.met


@pytest.mark.parametrize("leaves_by", ["closing", "cancelling"])
async def test_a_caller_who_leaves_stops_the_engine_and_only_then_is_the_replica_free(
    replica: tuple[EngineReplica, GatedEngine], leaves_by: str
) -> None:
    loaded, engine = replica
    begun = asyncio.Event()

    async def call() -> None:
        answers: Any = loaded.polish(asked(seed=1), Inputs(init_image=DRAFT))
        try:
            async for _ in answers:
                begun.set()
                if leaves_by == "closing":
                    break
        finally:
            await answers.aclose()

    leaving = asyncio.create_task(call())
    leaving.add_done_callback(lambda _: engine.log.append("free"))
    await begun.wait()
    await until_settled()
    if leaves_by == "cancelling":
        leaving.cancel()
    await until_settled()
    assert engine.log == []  # the engine is still in the middle of a step
    engine.gate.release(STEPS)
    await asyncio.wait([leaving])
    await until_settled()
    assert engine.log == ["stopped 1", "free"]
