"""Artifacts, wherever they are kept: a place joins by its URL."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from underpaint.contract.errors import ArtifactNotFound
from underpaint.contract.pictures import Digest
from underpaint.orchestrator.artifacts import Artifacts

from tests.unit.orchestrator.samples import DRAFT

DIGEST = Digest.of(DRAFT)
PLACES = {"directory": "{folder}/artifacts", "fsspec": "memory://{folder.name}"}


@pytest.fixture(params=PLACES.values(), ids=PLACES)
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    return Artifacts(request.param.format(folder=tmp_path))


async def test_bytes_come_back_under_their_digest(artifacts: Artifacts) -> None:
    assert not await artifacts.has(DIGEST)
    await artifacts.put(DRAFT, DIGEST)
    await artifacts.put(DRAFT, DIGEST)
    assert await artifacts.get(DIGEST.sha256) == (DRAFT, DIGEST)
    assert await artifacts.has(DIGEST)


async def test_what_is_not_there_is_not_found(artifacts: Artifacts) -> None:
    with pytest.raises(ArtifactNotFound, match="0000"):
        await artifacts.get("0" * 64)


async def test_bytes_of_another_digest_are_not_stored(artifacts: Artifacts) -> None:
    with pytest.raises(ValueError, match="do not have this digest"):
        await artifacts.put(DRAFT + b"x", DIGEST)


async def test_the_size_is_told_without_reading(artifacts: Artifacts) -> None:
    with pytest.raises(ArtifactNotFound, match="0000"):
        await artifacts.size("0" * 64)
    await artifacts.put(DRAFT, DIGEST)
    assert await artifacts.size(DIGEST.sha256) == len(DRAFT)


async def test_a_store_keeps_its_identity_whoever_asks_first(artifacts: Artifacts) -> None:
    asked = [artifacts.identity() for _ in range(16)]
    (identity,) = set(await asyncio.gather(*asked))
    assert len(identity) == 32
    assert await artifacts.identity() == identity
