"""What an answer of a registry, or the lack of one, means."""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

import msgspec
import requests
import urllib3

from obelisk_runtime.registry.errors import (
    AccessDenied,
    AuthenticationRequired,
    CertificateRefused,
    NotInRegistry,
    RateLimited,
    RegistryFailed,
    RegistryFailure,
    RegistryStalled,
    RegistryUnreachable,
    RequestRefused,
)

_SAID_CHARACTERS_MAX = 300
_TRANSIENT = frozenset({500, 502, 503, 504})


class _Error(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Errors(msgspec.Struct):
    errors: list[_Error] = []


def failure_of(status: int, headers: Mapping[str, str], body: bytes, what: str) -> RegistryFailure:
    """The failure that an answer with a status of 400 or more is. `what` was asked for."""
    said = _said(body)
    match status:
        case 401:
            hint = "log in with `docker login`, or correct the credentials"
            return AuthenticationRequired(f"{what}: the registry wants credentials (401{said}); {hint}")
        case 403:
            return AccessDenied(f"{what}: the registry denies access (403{said}); ask its owner for the right")
        case 404:
            return NotInRegistry(f"{what} is not there (404{said}); check repository, tag and digest")
        case 429:
            wait = headers.get("Retry-After")
            failure = RateLimited(f"{what}: the registry limits requests (429{said}); retry after {wait or 'a while'}")
            failure.retry_after_seconds = _seconds(wait, headers.get("Date"))
            return failure
        case _ if status >= 500:
            failed = RegistryFailed(f"{what}: the registry failed ({status}{said}); try again later")
            failed.transient = status in _TRANSIENT
            failed.retry_after_seconds = _seconds(headers.get("Retry-After"), headers.get("Date"))
            return failed
        case _:
            return RequestRefused(f"{what}: the registry refused the request ({status}{said})")


@contextmanager
def failures(what: str) -> Generator[None]:
    """Turns what the HTTP library raises into RegistryFailure."""
    try:
        yield
    except (requests.Timeout, urllib3.exceptions.ReadTimeoutError) as error:
        raise RegistryStalled(f"{what}: the registry stalled; check the network or try again later") from error
    except requests.exceptions.SSLError as error:
        raise CertificateRefused(
            f"{what}: TLS failed ({_reason(error)}); give the registry's own authority with [registry] ca_file, "
            "or name a registry without TLS in [registry] insecure"
        ) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        if "Read timed out" in str(error):
            raise RegistryStalled(f"{what}: the registry stalled in the middle of an answer") from error
        raise RegistryUnreachable(f"{what}: no connection to the registry ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    """The innermost words of nested library errors."""
    text = str(error)
    found = re.findall(r"\[[^\[\]]*\] ([^'\"()]+)", text) or re.findall(r"'([^']+)'\)*$", text)
    return str(found[-1]).strip() if found else text[:_SAID_CHARACTERS_MAX] or type(error).__name__


def _said(body: bytes) -> str:
    """The registry's own words, made fit to print."""
    try:
        errors = msgspec.json.decode(body, type=_Errors).errors
    except (msgspec.DecodeError, RecursionError):
        return ""
    text = "; ".join(error.message or error.code for error in errors)
    printable = "".join(c for c in text if c.isprintable())[:_SAID_CHARACTERS_MAX]
    return f": {printable}" if printable else ""


def _seconds(retry_after: str | None, date: str | None) -> float | None:
    """Retry-After as seconds; a date is relative to the registry's own clock."""
    if retry_after is None:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max((parsedate_to_datetime(retry_after) - parsedate_to_datetime(date or "")).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
