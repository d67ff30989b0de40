"""Reads addresses written as HOST:PORT, in the same way for all settings."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError
from underpaint.contract.errors import InvalidRequest

_EXAMPLE: Final = "write HOST:PORT, such as 127.0.0.1:50061"
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_LABEL: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*", re.ASCII)
# The variables where gRPC looks for a proxy, in this order, and for exceptions from it.
_PROXIES: Final = ("grpc_proxy", "https_proxy", "http_proxy")
_NO_PROXY: Final = ("no_grpc_proxy", "no_proxy")


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a service; `str()` gives it as HOST:PORT."""

    host: str  # a name or an IP address, without brackets
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        address = _ip(self.host)
        if address is None:
            return self.host.lower() == "localhost" or self.host.lower().endswith(".localhost")
        mapped = getattr(address, "ipv4_mapped", None)
        return bool((mapped or address).is_loopback)

    @property
    def proxy(self) -> Proxy | None:
        """The proxy that gRPC uses for this address, if the environment names one."""
        if self.is_loopback:
            return None  # see `contract.rim.client`
        found = next(((name, os.environ[name]) for name in _PROXIES if name in os.environ), None)
        if found is None or not found[1]:
            return None
        excepted = next((os.environ[name] for name in _NO_PROXY if name in os.environ), "")
        if any(self._matches(each.strip()) for each in excepted.split(",")):
            return None
        return Proxy(variable=found[0], url=_without_password(found[1]))

    def _matches(self, excepted: str) -> bool:
        """Whether an entry of no_proxy, the end of a name or a network, fits this address."""
        if not excepted:
            return False
        address = _ip(self.host)
        if address is not None and "/" in excepted:
            try:
                return address in ipaddress.ip_network(excepted, strict=False)
            except ValueError:
                return False
        return self.host.lower().endswith(excepted.lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy from the environment; `url` contains no password."""

    variable: str
    url: str


def proxies() -> list[Proxy]:
    """Every proxy that the environment names, even in variables that gRPC ignores."""
    names = (*_PROXIES, "all_proxy")
    spellings = [name for each in names for name in (each, each.upper())]
    return [
        Proxy(variable=name, url=_without_password(os.environ[name]))
        for name in spellings
        if os.environ.get(name)
    ]


def parse_address(text: str, *, listening: bool = False) -> Address:
    """An address from HOST:PORT or [IPV6]:PORT.

    Args:
        text: as it was written.
        listening: port 0 is then allowed: it takes a free one.

    Raises:
        InvalidRequest: it is not written like that; says what to write.
    """
    if not text:
        raise InvalidRequest(f"no address is given; {_EXAMPLE}")
    if "://" in text:
        parts = urlsplit(text)
        meant = f"write {parts.netloc}" if parts.netloc else _EXAMPLE
        raise InvalidRequest(f"{text!r} is a URL; {meant if ':' in meant else _EXAMPLE}")
    if text.startswith(("unix:", "/", ".")):
        raise InvalidRequest(f"{text!r} is not HOST:PORT; unix sockets are not supported here")
    host, port = _split(text)
    if _PORT.fullmatch(port) is None or int(port) > 65_535:
        raise InvalidRequest(f"{text!r} has no port from 1 to 65535; {_EXAMPLE}")
    if int(port) == 0 and not listening:
        raise InvalidRequest(f"{text!r} has port 0, which cannot be reached; {_EXAMPLE}")
    if not host:
        every = f"; 0.0.0.0:{port} listens on every interface" if listening else ""
        raise InvalidRequest(f"{text!r} has no host; {_EXAMPLE}{every}")
    # A name whose last part is a number must be a mistyped IP address.
    numeric = host.rpartition(".")[2].isdigit()
    if _ip(host) is None and (numeric or _NAME.fullmatch(host) is None):
        raise InvalidRequest(f"{text!r}: {host!r} is neither a name nor an IP address; {_EXAMPLE}")
    return Address(host, int(port))


def _split(text: str) -> tuple[str, str]:
    """Splits into host and port, unchecked. Raises InvalidRequest if one is missing."""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or not rest.startswith(":"):
            raise InvalidRequest(f"{text!r} has no port; write [IPV6]:PORT, such as [::1]:50061")
        if not isinstance(_ip(host), ipaddress.IPv6Address):
            raise InvalidRequest(f"{text!r}: {host!r} is not an IPv6 address; {_EXAMPLE}")
        return host, rest[1:]
    if text.count(":") > 1:
        raise InvalidRequest(
            f"{text!r} has more than one colon; write an IPv6 address in brackets: [::1]:50061"
        )
    host, colon, port = text.partition(":")
    if not colon:
        raise InvalidRequest(f"{text!r} has no port; {_EXAMPLE}")
    return host, port


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _without_password(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"//{url}")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().removeprefix("//")


def _checked(text: str, *, listening: bool, empty: bool = False) -> str:
    if empty and not text:
        return text
    try:
        return str(parse_address(text, listening=listening))
    except InvalidRequest as error:
        # Not a ValueError, because pydantic would put "Value error" in front of the message.
        raise PydanticCustomError("address", "{said}", {"said": str(error)}) from None


# Types for settings: text that is checked to be an address.
ListenAddress = Annotated[str, AfterValidator(lambda text: _checked(text, listening=True))]
PeerAddress = Annotated[str, AfterValidator(lambda text: _checked(text, listening=False))]
PeerAddressOrNone = Annotated[
    str, AfterValidator(lambda text: _checked(text, listening=False, empty=True))
]
