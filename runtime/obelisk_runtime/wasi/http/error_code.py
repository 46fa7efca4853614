"""`error-code` of wasi:http: why a request or response failed."""

from dataclasses import dataclass
from enum import StrEnum

from obelisk_runtime.core.types import snake_case
from obelisk_runtime.ports.engine import Value
from obelisk_runtime.ports.http import HttpBroken

_DNS_ERROR = "record { rcode: option<string>, info-code: option<u16> }"
_TLS_ALERT = "record { alert-id: option<u8>, alert-message: option<string> }"
_FIELD_SIZE = "record { field-name: option<string>, field-size: option<u32> }"


class ErrorCase(StrEnum):
    """The cases, in the order and spelling of WIT."""

    DNS_TIMEOUT = "DNS-timeout"
    DNS_ERROR = "DNS-error"
    DESTINATION_NOT_FOUND = "destination-not-found"
    DESTINATION_UNAVAILABLE = "destination-unavailable"
    DESTINATION_IP_PROHIBITED = "destination-IP-prohibited"
    DESTINATION_IP_UNROUTABLE = "destination-IP-unroutable"
    CONNECTION_REFUSED = "connection-refused"
    CONNECTION_TERMINATED = "connection-terminated"
    CONNECTION_TIMEOUT = "connection-timeout"
    CONNECTION_READ_TIMEOUT = "connection-read-timeout"
    CONNECTION_WRITE_TIMEOUT = "connection-write-timeout"
    CONNECTION_LIMIT_REACHED = "connection-limit-reached"
    TLS_PROTOCOL_ERROR = "TLS-protocol-error"
    TLS_CERTIFICATE_ERROR = "TLS-certificate-error"
    TLS_ALERT_RECEIVED = "TLS-alert-received"
    REQUEST_DENIED = "HTTP-request-denied"
    REQUEST_LENGTH_REQUIRED = "HTTP-request-length-required"
    REQUEST_BODY_SIZE = "HTTP-request-body-size"
    REQUEST_METHOD_INVALID = "HTTP-request-method-invalid"
    REQUEST_URI_INVALID = "HTTP-request-URI-invalid"
    REQUEST_URI_TOO_LONG = "HTTP-request-URI-too-long"
    REQUEST_HEADER_SECTION_SIZE = "HTTP-request-header-section-size"
    REQUEST_HEADER_SIZE = "HTTP-request-header-size"
    REQUEST_TRAILER_SECTION_SIZE = "HTTP-request-trailer-section-size"
    REQUEST_TRAILER_SIZE = "HTTP-request-trailer-size"
    RESPONSE_INCOMPLETE = "HTTP-response-incomplete"
    RESPONSE_HEADER_SECTION_SIZE = "HTTP-response-header-section-size"
    RESPONSE_HEADER_SIZE = "HTTP-response-header-size"
    RESPONSE_BODY_SIZE = "HTTP-response-body-size"
    RESPONSE_TRAILER_SECTION_SIZE = "HTTP-response-trailer-section-size"
    RESPONSE_TRAILER_SIZE = "HTTP-response-trailer-size"
    RESPONSE_TRANSFER_CODING = "HTTP-response-transfer-coding"
    RESPONSE_CONTENT_CODING = "HTTP-response-content-coding"
    RESPONSE_TIMEOUT = "HTTP-response-timeout"
    UPGRADE_FAILED = "HTTP-upgrade-failed"
    PROTOCOL_ERROR = "HTTP-protocol-error"
    LOOP_DETECTED = "loop-detected"
    CONFIGURATION_ERROR = "configuration-error"
    INTERNAL_ERROR = "internal-error"


_PAYLOADS = {
    ErrorCase.DNS_ERROR: _DNS_ERROR,
    ErrorCase.TLS_ALERT_RECEIVED: _TLS_ALERT,
    ErrorCase.REQUEST_BODY_SIZE: "option<u64>",
    ErrorCase.REQUEST_HEADER_SECTION_SIZE: "option<u32>",
    ErrorCase.REQUEST_HEADER_SIZE: f"option<{_FIELD_SIZE}>",
    ErrorCase.REQUEST_TRAILER_SECTION_SIZE: "option<u32>",
    ErrorCase.REQUEST_TRAILER_SIZE: _FIELD_SIZE,
    ErrorCase.RESPONSE_HEADER_SECTION_SIZE: "option<u32>",
    ErrorCase.RESPONSE_HEADER_SIZE: _FIELD_SIZE,
    ErrorCase.RESPONSE_BODY_SIZE: "option<u64>",
    ErrorCase.RESPONSE_TRAILER_SECTION_SIZE: "option<u32>",
    ErrorCase.RESPONSE_TRAILER_SIZE: _FIELD_SIZE,
    ErrorCase.RESPONSE_TRANSFER_CODING: "option<string>",
    ErrorCase.RESPONSE_CONTENT_CODING: "option<string>",
    ErrorCase.INTERNAL_ERROR: "option<string>",
}

WIT_TYPE = (
    f"variant {{ {', '.join(f'{case}({_PAYLOADS[case]})' if case in _PAYLOADS else case for case in ErrorCase)} }}"
)
"""As the type of an import is printed."""


@dataclass(frozen=True, slots=True)
class ErrorCode:
    case: ErrorCase
    payload: Value = None

    @property
    def value(self) -> Value:
        """As a component value."""
        name = snake_case(self.case)
        return {name: self.payload} if self.case in _PAYLOADS else name

    @classmethod
    def from_value(cls, value: Value) -> "ErrorCode":
        if isinstance(value, str):
            return cls(_BY_NAME[value])
        ((name, payload),) = value.items()
        return cls(_BY_NAME[name], payload)


_BY_NAME = {snake_case(case): case for case in ErrorCase}


class HttpFailed(HttpBroken):
    """A request or response that failed. `detail` is for people: it says why, and holds no secret."""

    def __init__(self, code: ErrorCode, detail: str = "") -> None:
        super().__init__(detail or str(code.case))
        self.code = code
        self.detail = detail


def failed(case: ErrorCase, detail: str = "", payload: Value = None) -> HttpFailed:
    return HttpFailed(ErrorCode(case, payload), detail)
