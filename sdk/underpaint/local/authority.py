"""A private certificate authority and its certificates, for those who have none yet.

A TLS directory holds what one machine needs: `ca.pem`, `cert.pem` and `key.pem`. The one that
was made first also has `authority/ca-key.pem`, with which certificates for other machines are
made; whoever has that key can make a certificate for anything.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.tls import CA, CERT, KEY

AUTHORITY_KEY: Final = Path("authority") / "ca-key.pem"
# Services on the same machine are called by one of these.
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
_HOST: Final = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*")
_CLOCK_SKEW: Final = timedelta(hours=1)  # so that machines whose clocks are late accept it, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate that was made."""

    directory: Path
    hosts: tuple[str, ...]
    ends: datetime


def init(
    directory: Path, hosts: Sequence[str], *, days: int, authority_days: int = 3_650
) -> Issued:
    """Makes a new authority and a certificate for this machine.

    Raises:
        InvalidRequest: there is an authority already, or a host is not valid.
    """
    names = _names(hosts)
    if (directory / CA).exists() or (directory / AUTHORITY_KEY).exists():
        raise InvalidRequest(
            f"{directory} has an authority; make a certificate with `underpaint certs issue`, or "
            "choose another directory"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Underpaint private authority")])
    builder = (
        _builder(name, name, key.public_key(), authority_days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
    )
    certificate = builder.sign(key, hashes.SHA256())
    try:
        (directory / AUTHORITY_KEY).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(directory / AUTHORITY_KEY, _key_pem(key), secret=True)
        _write(directory / CA, certificate.public_bytes(serialization.Encoding.PEM))
        return _issue(certificate, key, directory, names, days)
    except OSError as error:
        raise _unwritable(directory, error) from None


def issue(authority: Path, directory: Path, hosts: Sequence[str], *, days: int) -> Issued:
    """Makes a certificate signed by an authority; replaces the one in the directory.

    Args:
        authority: the directory that `init` made.
        directory: where the certificate goes; may be the same.
        hosts: names and addresses by which this machine is called, besides loopback; without
            any, those of the certificate that is replaced.
        days: until it ends.

    Raises:
        InvalidRequest: there is no such authority, or a host is not valid.
    """
    try:
        ca = x509.load_pem_x509_certificate((authority / CA).read_bytes())
        key = serialization.load_pem_private_key((authority / AUTHORITY_KEY).read_bytes(), None)
    except (OSError, ValueError) as error:
        raise InvalidRequest(
            f"{authority} has no authority ({error}); make one with `underpaint certs init`"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != ca.public_key():
        raise InvalidRequest(f"{authority / AUTHORITY_KEY} is not the key of {authority / CA}")
    names = _names(hosts or _hosts_of(directory / CERT))
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (authority / CA).read_bytes() != _read(directory / CA):
            _write(directory / CA, ca.public_bytes(serialization.Encoding.PEM))
        return _issue(ca, key, directory, names, days)
    except OSError as error:
        raise _unwritable(directory, error) from None


def _issue(
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    directory: Path,
    hosts: tuple[str, ...],
    days: int,
) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    common = next((host for host in hosts if host not in LOOPBACK_HOSTS), "localhost")[:64]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    # Each service is also a client of others, so one certificate is for both.
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        _builder(name, ca.subject, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([_general_name(h) for h in hosts]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    # A service that reads between these two writes sees a wrong pair and keeps its old one.
    _write(directory / KEY, _key_pem(key), secret=True)
    _write(directory / CERT, certificate.public_bytes(serialization.Encoding.PEM))
    return Issued(directory=directory, hosts=hosts, ends=certificate.not_valid_after_utc)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + timedelta(days=days)) - _CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _names(hosts: Sequence[str]) -> tuple[str, ...]:
    """Loopback and the given hosts, without repeats. Raises InvalidRequest for a bad host."""
    for host in hosts:
        if not _is_ip(host) and not _HOST.fullmatch(host):
            raise InvalidRequest(
                f"--host {host!r} is not a host; write a name such as house.example, or an address "
                "such as 192.0.2.7, without a port"
            )
    return tuple(dict.fromkeys((*LOOPBACK_HOSTS, *hosts)))


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _general_name(host: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(host)) if _is_ip(host) else x509.DNSName(host)


def _hosts_of(path: Path) -> tuple[str, ...]:
    """The hosts that a certificate names; empty if there is no certificate."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return ()
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return (*names.get_values_for_type(x509.DNSName), *addresses)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _write(path: Path, data: bytes, *, secret: bool = False) -> None:
    """Replaces a file atomically; a secret one is readable only by its owner at all times."""
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    scratch.chmod(0o600 if secret else 0o644)
    scratch.replace(path)


def _unwritable(directory: Path, error: OSError) -> InvalidRequest:
    return InvalidRequest(f"{directory} cannot be written: {error.strerror}; choose another")
