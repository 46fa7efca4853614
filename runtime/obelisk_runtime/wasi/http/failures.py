"""From what goes wrong on the network to the error code for it. Messages of libraries may hold a URL: none is kept."""

import errno
import socket
import ssl
from collections.abc import Iterator

import aiohttp
from aiohttp import http_exceptions

from obelisk_runtime.wasi.http.error_code import ErrorCase, HttpFailed, failed

EXPECTED = (aiohttp.ClientError, http_exceptions.HttpProcessingError, TimeoutError, OSError)
"""What `failure_of` explains; anything else is a bug."""

_UNROUTABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_RCODES = {socket.EAI_NONAME: "NXDOMAIN", socket.EAI_AGAIN: "SERVFAIL", socket.EAI_FAIL: "SERVFAIL"}


def failure_of(error: BaseException) -> HttpFailed:
    """Of one of EXPECTED."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return failed(ErrorCase.CONNECTION_TIMEOUT)
        case aiohttp.ClientConnectorError():
            return _unconnected(error)
        case ssl.SSLError():
            return _tls_failure(error)
        case TimeoutError():
            return failed(ErrorCase.CONNECTION_READ_TIMEOUT)
        case aiohttp.ClientPayloadError() | http_exceptions.PayloadEncodingError():
            return _cut_short(error)
        case aiohttp.ClientResponseError() | http_exceptions.HttpProcessingError():
            return _malformed(error)
        case aiohttp.InvalidURL():
            return failed(ErrorCase.REQUEST_URI_INVALID)
        case OSError() | aiohttp.ClientConnectionError():
            return failed(ErrorCase.CONNECTION_TERMINATED)
        case _:
            return failed(ErrorCase.INTERNAL_ERROR, type(error).__name__, type(error).__name__)


def _unconnected(error: aiohttp.ClientConnectorError) -> HttpFailed:
    cause = error.os_error
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return failed(ErrorCase.TLS_CERTIFICATE_ERROR, _certificate_detail(error.certificate_error))
        case aiohttp.ClientConnectorDNSError():
            return _unresolved(cause)
        case aiohttp.ClientSSLError():
            return _tls_failure(cause)
        case _ if cause.errno == errno.ECONNREFUSED:
            return failed(ErrorCase.CONNECTION_REFUSED)
        case _ if cause.errno == errno.ETIMEDOUT:
            return failed(ErrorCase.CONNECTION_TIMEOUT)
        case _ if cause.errno in _UNROUTABLE:
            return failed(ErrorCase.DESTINATION_IP_UNROUTABLE)
        case _:
            return failed(ErrorCase.DESTINATION_UNAVAILABLE)


def _certificate_detail(error: Exception) -> str:
    return error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else ""


def _unresolved(error: OSError) -> HttpFailed:
    if not isinstance(error, socket.gaierror):
        return failed(ErrorCase.DNS_ERROR, "", {"rcode": None, "info_code": None})
    rcode = _RCODES.get(error.errno or 0)
    return failed(ErrorCase.DNS_ERROR, error.strerror or "", {"rcode": rcode, "info_code": None})


def _tls_failure(error: OSError) -> HttpFailed:
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    if reason is not None and "ALERT" in reason:
        message = reason.partition("ALERT_")[2].lower().replace("_", " ")
        return failed(ErrorCase.TLS_ALERT_RECEIVED, message, {"alert_id": None, "alert_message": message})
    return failed(ErrorCase.TLS_PROTOCOL_ERROR, (reason or "").lower().replace("_", " "))


def _cut_short(error: BaseException) -> HttpFailed:
    if any(isinstance(cause, TimeoutError) for cause in _causes(error)):
        return failed(ErrorCase.CONNECTION_READ_TIMEOUT)
    return failed(ErrorCase.RESPONSE_INCOMPLETE)


def _malformed(error: BaseException) -> HttpFailed:
    if any(isinstance(cause, http_exceptions.LineTooLong) for cause in _causes(error)):
        return failed(ErrorCase.RESPONSE_HEADER_SECTION_SIZE, "the head of the response is too large")
    return failed(ErrorCase.PROTOCOL_ERROR, "the response is not HTTP")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
