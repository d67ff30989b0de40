import pytest
from underpaint.contract.chunks import CHUNK_BYTES, Assembly, split
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.pictures import Digest

DATA = bytes(range(256)) * 2_500


@pytest.mark.parametrize("size", [1, CHUNK_BYTES, CHUNK_BYTES + 1, len(DATA)])
def test_what_was_split_comes_together_again(size: int) -> None:
    data = DATA[:size]
    chunks = list(split(data))
    assert all(0 < len(chunk) <= CHUNK_BYTES for chunk in chunks)
    assembly = Assembly(Digest.of(data), limit=size)
    for chunk in chunks:
        assert not assembly.complete
        assembly.add(chunk)
    assert assembly.complete
    assert assembly.bytes() == data


@pytest.mark.parametrize("size", [0, 11])
def test_an_announced_size_that_is_nothing_or_too_much_is_refused(size: int) -> None:
    with pytest.raises(InvalidRequest, match="announced"):
        Assembly(Digest(sha256="0" * 64, size=size), limit=10)


def test_the_first_byte_too_many_ends_it() -> None:
    assembly = Assembly(Digest.of(b"abc"), limit=10)
    assembly.add(b"abc")
    with pytest.raises(InvalidRequest, match="more bytes"):
        assembly.add(b"d")


def test_a_chunk_above_the_limit_is_refused() -> None:
    assembly = Assembly(Digest.of(DATA), limit=len(DATA))
    with pytest.raises(InvalidRequest, match="chunk above"):
        assembly.add(DATA[: CHUNK_BYTES + 1])


def test_missing_and_changed_bytes_are_noticed() -> None:
    assembly = Assembly(Digest.of(b"abc"), limit=10)
    assembly.add(b"ab")
    with pytest.raises(InvalidRequest, match="2 of 3"):
        assembly.bytes()
    assembly.add(b"x")
    with pytest.raises(InvalidRequest, match="SHA-256"):
        assembly.bytes()
