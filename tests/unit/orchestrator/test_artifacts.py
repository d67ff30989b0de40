from __future__ import annotations

from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidRequest, ServiceUnreachable
from underpaint.contract.pictures import Digest
from underpaint.orchestrator.artifacts import Artifacts, media_type

from tests.unit.orchestrator.samples import DRAFT

DIGEST = Digest.of(DRAFT)


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
