"""Why a service cannot be reached, in words that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from underpaint.contract.addresses import Address
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.tls import read_certificates

SPEAKS_NO_TLS: Final = "it speaks no TLS"
# What gRPC says when a connection was never made; later ones merely break off.
_NEVER_CONNECTED: Final = "failed to connect to all addresses"
_TLS_SAID: Final = (
    (
        "certificate has expired",
        "its certificate has expired; make it a new one with `underpaint certs issue`",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "its certificate is not from an authority in {tls_dir}/ca.pem; give both sides "
        "certificates of one authority with `underpaint certs issue`",
    ),
    (
        "Hostname Verification Check failed",
        "its certificate does not name {host}; make it one that does with "
        "`underpaint certs issue --host {host}`",
    ),
    ("WRONG_VERSION_NUMBER", f"{SPEAKS_NO_TLS}; start it with --tls-dir, or leave yours out"),
)
_CLOSED: Final = ("Socket closed", "Connection reset", "Broken pipe")


def reason(details: str, address: Address, tls_dir: Path | None) -> str:
    """One clause that says why, and a second that says what to do.

    Args:
        details: what gRPC says.
        address: who was called.
        tls_dir: whose certificates were brought, if any.
    """
    for said, clause in _TLS_SAID:
        if said in details:
            return clause.format(host=address.host, tls_dir=tls_dir)
    proxy = address.proxy
    if proxy:
        return (
            f"{_short(details)}, and it was called through the proxy {proxy.url} that "
            f"{proxy.variable} names; add {address.host} to no_proxy to call it directly"
        )
    if _NEVER_CONNECTED in details and any(each in details for each in _CLOSED):
        return _closed(tls_dir)
    if "DNS resolution failed" in details or "Domain name not found" in details:
        return f"no machine is known by the name {address.host}; correct it"
    return f"{_short(details)}; is it running?"


def _closed(tls_dir: Path | None) -> str:
    """It hung up at once: in TLS 1.3 a refused caller is told no more than that."""
    if tls_dir is None:
        return "it hung up at once; if it asks for TLS, give --tls-dir (UNDERPAINT_TLS_DIR)"
    try:
        read_certificates(tls_dir)
    except InvalidRequest as error:
        return f"it refuses this side's certificate: {error}"
    return (
        f"it hung up at once: it may not trust the authority of {tls_dir}/cert.pem; give both "
        "sides certificates of one authority with `underpaint certs issue`"
    )


def _short(details: str) -> str:
    """The cause alone, without the list of what was tried."""
    if "Connection refused" in details:
        return "nothing listens there"
    return details.removeprefix(f"{_NEVER_CONNECTED}; last error: ") or "it does not answer"
