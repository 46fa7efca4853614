"""What proves that a request is from whom it should be: HMAC with SHA-256 over its body, in the forms that are in use.

- GitHub: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
- Slack: https://api.slack.com/authentication/verifying-requests-from-slack
- Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping

from multidict import MultiMapping

from obelisk_runtime.core.ids import Instant
from obelisk_server.config.webhooks.settings import Signature, SignatureStyle
from obelisk_server.webhooks.refusals import SignatureRefused

_SECOND = 1_000_000
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_STANDARD_PREFIX = b"whsec_"
Headers = MultiMapping[str]


def verify(signature: Signature, secret: bytes, headers: Headers, body: bytes, now: Instant) -> None:
    """Raises: SignatureRefused."""
    _SCHEMES[signature.style](signature, secret, headers, body, now)


def signing_key(style: SignatureStyle, secret: bytes) -> bytes:
    """Raises: ValueError for a secret that is none of this style."""
    if style is not SignatureStyle.STANDARD:
        return secret
    try:
        return base64.b64decode(secret.removeprefix(_STANDARD_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("expected whsec_ and base64, as the sender shows it") from None


def _github(_signature: Signature, secret: bytes, headers: Headers, body: bytes, _now: Instant) -> None:
    name = "X-Hub-Signature-256"
    _compare(name, [_only(headers, name)], "sha256=" + _hex(secret, body))


def _slack(signature: Signature, secret: bytes, headers: Headers, body: bytes, now: Instant) -> None:
    name = "X-Slack-Signature"
    given = _only(headers, name)
    timestamp = _recent(headers, "X-Slack-Request-Timestamp", signature.window, now)
    _compare(name, [given], "v0=" + _hex(secret, f"v0:{timestamp}:".encode() + body))


def _standard(signature: Signature, secret: bytes, headers: Headers, body: bytes, now: Instant) -> None:
    name = "webhook-signature"
    given = _only(headers, name)
    message = _only(headers, "webhook-id")
    timestamp = _recent(headers, "webhook-timestamp", signature.window, now)
    signed = hmac.digest(secret, f"{message}.{timestamp}.".encode("utf-8", "surrogateescape") + body, "sha256")
    _compare(name, given.split(" "), "v1," + base64.b64encode(signed).decode())


_SCHEMES: Mapping[SignatureStyle, Callable[[Signature, bytes, Headers, bytes, Instant], None]] = {
    SignatureStyle.GITHUB: _github,
    SignatureStyle.SLACK: _slack,
    SignatureStyle.STANDARD: _standard,
}


def _hex(secret: bytes, message: bytes) -> str:
    return hmac.digest(secret, message, "sha256").hex()


def _only(headers: Headers, name: str) -> str:
    """A header that must be there once: of two, another part of the way may look at the other one."""
    values = headers.getall(name, [])
    if len(values) != 1:
        raise SignatureRefused(f"expected one header {name}, found {len(values) or 'none'}")
    return values[0]


def _recent(headers: Headers, name: str, window: int, now: Instant) -> str:
    text = _only(headers, name)
    if _TIMESTAMP.fullmatch(text) is None:
        raise SignatureRefused(f"{name} is no number of seconds since 1970")
    if abs(now - int(text) * _SECOND) > window:
        raise SignatureRefused(f"{name} is more than {window // _SECOND} s away from now")
    return text


def _compare(name: str, given: list[str], expected: str) -> None:
    """In a time that does not depend on where they differ."""
    wanted = expected.encode()
    if not any(hmac.compare_digest(each.encode("utf-8", "surrogateescape"), wanted) for each in given):
        raise SignatureRefused(f"{name} is not what the secret and the body give")
