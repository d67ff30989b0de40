"""TLS from one directory: who this process is, and whom it trusts.

`ca.pem` is the authority (or several) whose certificates are trusted, `cert.pem` this
process's own, for serving and for calling, and `key.pem` the key of that one. Both sides
show theirs. The files may be replaced at any time: new connections take the new ones.
"""

from __future__ import annotations

import logging
import ssl
import stat
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import grpc
from underpaint.contract.errors import InvalidRequest

log = logging.getLogger(__name__)

CA: Final = "ca.pem"
CERT: Final = "cert.pem"
KEY: Final = "key.pem"
_MAKE: Final = "`underpaint certs init` makes them"
_RENEW: Final = "make a new one with `underpaint certs issue`"

_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """The content of a TLS directory that was found to fit together."""

    ca: bytes
    cert: bytes
    key: bytes
    hosts: tuple[str, ...]  # what the certificate names
    ends: datetime


def read_certificates(directory: Path) -> Certificates:
    """What a TLS directory holds.

    Raises:
        InvalidRequest: a file is missing, others may read the key, the three do not fit
            together, or the certificate has ended; says what to do.
    """
    _check_key_is_private(directory / KEY)
    read: dict[str, bytes] = {}
    for name in (CA, CERT, KEY):
        try:
            read[name] = (directory / name).read_bytes()
        except OSError as error:
            raise InvalidRequest(
                f"the TLS directory {directory}: {name} cannot be read ({error.strerror}); {_MAKE}"
            ) from None
    hosts, ends = _try_handshake(directory, read[CA])
    return Certificates(ca=read[CA], cert=read[CERT], key=read[KEY], hosts=hosts, ends=ends)


class TlsDirectory:
    """The certificates of a directory, read again when its files have changed.

    What is put there in the middle of an exchange, or is wrong, is not taken: what was read
    before stays in use, and the log says so. Safe to use from several threads.
    """

    def __init__(self, directory: Path) -> None:
        """Raises InvalidRequest if the directory cannot be used as it is."""
        self.directory = directory
        self._lock = threading.Lock()
        self._stamp = _stamp(directory)
        self._current = read_certificates(directory)

    def current(self) -> Certificates:
        """The certificates to use now; the same object as long as nothing has changed."""
        with self._lock:
            stamp = _stamp(self.directory)
            if stamp == self._stamp:
                return self._current
            try:
                fresh = read_certificates(self.directory)
            except InvalidRequest as error:
                log.warning("certificates were not exchanged, the former stay in use: %s", error)
            else:
                if _stamp(self.directory) != stamp:
                    return self._current  # still being written; the next connection looks again
                log.info("certificates of %s were exchanged", self.directory)
                self._current = fresh
            self._stamp = stamp
            return self._current

    def server_credentials(self) -> grpc.ServerCredentials:
        """For a server that asks its callers for certificates, and exchanges its own."""
        given = self.current()

        def exchanged() -> grpc.ServerCertificateConfiguration | None:
            nonlocal given
            fresh = self.current()
            if fresh is given:
                return None
            given = fresh
            return _configuration(fresh)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(given),
            exchanged,  # type: ignore[arg-type]  # its stub does not know that None changes nothing
            require_client_authentication=True,
        )


def channel_credentials(certificates: Certificates) -> grpc.ChannelCredentials:
    """For one channel to a service of the same house."""
    return grpc.ssl_channel_credentials(certificates.ca, certificates.key, certificates.cert)


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(certificates.key, certificates.cert)], certificates.ca
    )


def _stamp(directory: Path) -> _Stamp:
    """Differs once any of the files was replaced or rewritten."""
    stamps = []
    for name in (CA, CERT, KEY):
        try:
            seen = (directory / name).stat()
        except OSError:
            stamps.append((0, 0, 0))
        else:
            stamps.append((seen.st_ino, seen.st_mtime_ns, seen.st_size))
    return tuple(stamps)


def _check_key_is_private(path: Path) -> None:
    """Raises InvalidRequest if others may read the key."""
    try:
        seen = path.stat()
    except OSError:
        return  # said when it is read
    mode = stat.S_IMODE(seen.st_mode)
    # A secret that a cluster mounts belongs to root and is read through the group.
    allowed = 0o740 if seen.st_uid == 0 else 0o700
    if mode & ~allowed & 0o777:
        raise InvalidRequest(
            f"others may read the key {path} (mode {mode:04o}); run: chmod 600 {path}"
        )


def _try_handshake(directory: Path, ca: bytes) -> tuple[tuple[str, ...], datetime]:
    """Lets the certificate meet itself: the hosts that it names, and when it ends.

    Raises:
        InvalidRequest: such a connection would fail.
    """
    cert, key = directory / CERT, directory / KEY
    try:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(cert, key, password=_no_password)
        server.load_verify_locations(cadata=ca.decode("ascii"))
        server.verify_mode = ssl.CERT_REQUIRED
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.load_cert_chain(cert, key, password=_no_password)
        client.load_verify_locations(cadata=ca.decode("ascii"))
        peer = _meet(server, client)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise InvalidRequest(_why(directory, error)) from None
    named: tuple[tuple[str, str], ...] = peer.get("subjectAltName", ())
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(peer["notAfter"]), UTC)
    # OpenSSL writes ::1 as 0:0:0:0:0:0:0:1.
    hosts = (str(ip_address(value)) if kind == "IP Address" else value for kind, value in named)
    return tuple(hosts), ends


def _meet(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, Any]:
    """A handshake in memory; returns the server's certificate as the client saw it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    waiting = list(sides)
    while waiting:  # either side ends, or raises, when it has read what the other wrote
        side = waiting.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(side)
    return dict(sides[0].getpeercert() or {})


def _no_password() -> str:
    raise ValueError("the key is protected by a password")


def _why(directory: Path, error: Exception) -> str:
    """What is wrong with the files, in one line."""
    where = f"the TLS directory {directory}"
    reason = getattr(error, "reason", None) or ""
    said = getattr(error, "verify_message", "") or str(error)
    if "expired" in said:
        return f"{where}: {CERT} or {CA} has expired; {_RENEW}"
    if "not yet valid" in said:
        return f"{where}: {CERT} is not valid yet; is this machine's clock right?"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{where}: {CERT} does not fit {CA} ({said}); {_RENEW}"
    if reason == "KEY_VALUES_MISMATCH":
        return f"{where}: {KEY} is not the key of {CERT}; {_RENEW}"
    return f"{where}: a file is damaged ({said}); {_RENEW}"
