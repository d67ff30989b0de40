from __future__ import annotations

from pathlib import Path

import pytest
from underpaint.contract.errors import ArtifactNotFound, InvalidRequest, ServiceUnreachable
from underpaint.contract.pictures import Digest
from underpaint.orchestrator.artifacts import Artifacts, media_type

from tests.unit.orchestrator.samples import DRAFT

DIGEST = Digest.of(DRAFT)


@pytest.fixture(params=["local", "memory"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    local = request.param == "local"
    return Artifacts(str(tmp_path / "a") if local else f"memory://{tmp_path.name}")


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
    with pytest.raises(ValueError, match="not those"):
        await artifacts.put(DRAFT + b"x", DIGEST)


async def test_damaged_bytes_are_not_returned(tmp_path: Path) -> None:
    artifacts = Artifacts(str(tmp_path))
    await artifacts.put(DRAFT, DIGEST)
    stored = tmp_path / DIGEST.sha256[:2] / DIGEST.sha256
    stored.write_bytes(DRAFT[:-1])
    assert not await artifacts.has(DIGEST)
    await artifacts.put(DRAFT, DIGEST)
    assert await artifacts.has(DIGEST)
    assert [path.name for path in stored.parent.iterdir()] == [DIGEST.sha256]


async def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    artifacts = Artifacts(str(tmp_path))
    (tmp_path / DIGEST.sha256[:2]).write_text("in the way")
    with pytest.raises(ServiceUnreachable, match="could not be stored"):
        await artifacts.put(DRAFT, DIGEST)


@pytest.mark.parametrize("url", ["nosuchkind://x", "/dev/null/x"])
def test_a_place_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be kept"):
        Artifacts(url)


def test_media_types() -> None:
    kinds = [media_type(b) for b in (DRAFT, b"\xff\xd8\xff\xe0", b"RIFF0000WEBPVP8", b"?")]
    assert kinds == ["image/png", "image/jpeg", "image/webp", "application/octet-stream"]
