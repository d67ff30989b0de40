"""Page tokens: where a listing continues, readable only by the orchestrator.

Promotions are numbered across all organisations, so a plain number in a token would show how
many promotions the others make. A token is therefore encrypted and signed with a key that all
orchestrators of one store share, and works only for the caller and listing it was made for.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from underpaint.contract.errors import InvalidRequest

_TAG: Final = 8  # bytes, as many as a number has
_LENGTH: Final = 4 * _TAG  # of a token, in hex digits


def seal(number: str, whose: str, key: bytes) -> str:
    """Makes the page token for a number; "" stays "".

    Args:
        number: in decimal, or "" for the end of a listing.
        whose: the caller and the listing that the token is for.
        key: the secret key of the store.
    """
    if not number:
        return ""
    plain = int(number).to_bytes(_TAG)
    tag = _digest(key, b"tag", plain, whose.encode())
    return (tag + _masked(key, tag, plain)).hex()


def unseal(token: str, whose: str, key: bytes) -> str:
    """Reads the number from a page token; "" stays "".

    Raises:
        InvalidRequest: the token was not made for this caller and listing.
    """
    if not token:
        return ""
    try:
        told = bytes.fromhex(token) if len(token) == _LENGTH else b""
    except ValueError:
        told = b""
    tag, masked = told[:_TAG], told[_TAG:]
    plain = _masked(key, tag, masked)
    if not told or not hmac.compare_digest(tag, _digest(key, b"tag", plain, whose.encode())):
        raise InvalidRequest("the page token is not valid here; begin again without one")
    return str(int.from_bytes(plain))


def _masked(key: bytes, tag: bytes, data: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, _digest(key, b"mask", tag), strict=False))


def _digest(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"\0".join(parts), hashlib.sha256)[:_TAG]
