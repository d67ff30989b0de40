"""Page tokens: where a listing goes on, told so that only the same caller can use it.

Promotions are numbered across all organisations, so a number in a token would tell everybody
how much the others make. A token is sealed with a key that all orchestrators of one store have.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from underpaint.contract.errors import InvalidRequest

_TAG: Final = 8  # bytes, as many as a number has
_LENGTH: Final = 4 * _TAG  # of a token, in hex digits


def seal(number: str, whose: str, key: bytes) -> str:
    """The token that stands for a number; "" for "".

    Args:
        number: in decimal, or "" for the end of a listing.
        whose: caller and listing; the token is for them alone.
        key: secret.
    """
    if not number:
        return ""
    plain = int(number).to_bytes(_TAG)
    tag = _digest(key, b"tag", plain, whose.encode())
    return (tag + _masked(key, tag, plain)).hex()


def unseal(token: str, whose: str, key: bytes) -> str:
    """The number that a token stands for; "" for "".

    Raises:
        InvalidRequest: it was not sealed for this caller and listing.
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
        raise InvalidRequest("the page token is none of ours; begin again without one")
    return str(int.from_bytes(plain))


def _masked(key: bytes, tag: bytes, data: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, _digest(key, b"mask", tag), strict=False))


def _digest(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"\0".join(parts), hashlib.sha256)[:_TAG]
