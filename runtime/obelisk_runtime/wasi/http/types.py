"""wasi:http/types: its functions, over the classes of `fields`, `messages` and `bodies`."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from obelisk_runtime.ports.engine import Value
from obelisk_runtime.wasi.http import error_code
from obelisk_runtime.wasi.http.bodies import FutureTrailers, IncomingBody, OutgoingBody
from obelisk_runtime.wasi.http.error_code import ErrorCase, ErrorCode, HttpFailed, failed
from obelisk_runtime.wasi.http.fields import Fields, HeaderError
from obelisk_runtime.wasi.http.messages import (
    FieldsResource,
    FutureIncomingResponse,
    IncomingRequest,
    IncomingResponse,
    OutgoingRequest,
    OutgoingResponse,
    RequestOptions,
    ResponseOutparam,
)
from obelisk_runtime.wasi.http.request_line import (
    METHOD_TYPE,
    SCHEME_TYPE,
    is_authority,
    is_path,
    method_of,
    method_value,
    scheme_of,
    scheme_value,
)
from obelisk_runtime.wasi.pollables import Subject, SubjectPollable
from obelisk_runtime.wasi.state import Resource, WasiCall, WasiState
from obelisk_runtime.wasi.streams import IoError

_OK: Value = {"ok": None}
_ERR: Value = {"err": None}
_Message = TypeVar("_Message", IncomingRequest, IncomingResponse, OutgoingRequest, OutgoingResponse)


def http_error_code(state: WasiState, error: int) -> Value:
    code = state.get(error, IoError).code
    return code.value if isinstance(code, ErrorCode) else None


# Fields


def new_fields(state: WasiState) -> int:
    return state.add(FieldsResource(Fields()))


def fields_from_list(state: WasiState, entries: Sequence[tuple[str, bytes]]) -> Value:
    try:
        return {"ok": state.add(FieldsResource(Fields.of_guest((name, value) for name, value in entries)))}
    except HeaderError as refused:
        return {"err": refused.case}


def fields_get(state: WasiState, fields: int, name: str) -> list[bytes]:
    return _fields(state, fields).get(name)


def fields_has(state: WasiState, fields: int, name: str) -> bool:
    return _fields(state, fields).has(name)


def fields_set(state: WasiState, fields: int, name: str, values: Sequence[bytes]) -> Value:
    return _changed(_fields(state, fields).set, name, values)


def fields_delete(state: WasiState, fields: int, name: str) -> Value:
    return _changed(_fields(state, fields).delete, name)


def fields_append(state: WasiState, fields: int, name: str, value: bytes) -> Value:
    return _changed(_fields(state, fields).append, name, value)


def fields_entries(state: WasiState, fields: int) -> Value:
    return [list(field) for field in _fields(state, fields).entries()]


def fields_clone(state: WasiState, fields: int) -> int:
    return state.add(FieldsResource(_fields(state, fields).clone()))


def _fields(state: WasiState, rep: int) -> Fields:
    return state.get(rep, FieldsResource).fields


def _changed(change: Callable[..., None], *arguments: object) -> Value:
    try:
        change(*arguments)
    except HeaderError as refused:
        return {"err": refused.case}
    return _OK


# Requests and responses


def _new(kind: type[OutgoingRequest] | type[OutgoingResponse]) -> WasiCall:
    def new(state: WasiState, headers: int) -> int:
        return state.add(kind(state.take(headers, FieldsResource).fields))

    return new


def _headers(kind: type[_Message]) -> WasiCall:
    def headers(state: WasiState, message: int) -> int:
        return state.add(FieldsResource(state.get(message, kind).headers))

    return headers


def _once(kind: type[Any], taken: Callable[[Any], Resource | None], *, child: bool = False) -> WasiCall:
    """What a resource gives away the first time it is asked."""

    def take(state: WasiState, holder: int) -> Value:
        resource = taken(state.get(holder, kind))
        return _ERR if resource is None else {"ok": state.add(resource, parent=holder if child else None)}

    return take


def incoming_method(state: WasiState, request: int) -> Value:
    return method_value(state.get(request, IncomingRequest).head.method)


def incoming_path(state: WasiState, request: int) -> str:
    return state.get(request, IncomingRequest).head.path


def incoming_scheme(state: WasiState, request: int) -> Value:
    return scheme_value(state.get(request, IncomingRequest).head.scheme)


def incoming_authority(state: WasiState, request: int) -> str | None:
    return state.get(request, IncomingRequest).head.authority


def method(state: WasiState, request: int) -> Value:
    return method_value(state.get(request, OutgoingRequest).method)


def set_method(state: WasiState, request: int, value: Value) -> Value:
    found = method_of(value)
    if found is None:
        return _ERR
    state.get(request, OutgoingRequest).method = found
    return _OK


def path_with_query(state: WasiState, request: int) -> str | None:
    return state.get(request, OutgoingRequest).path


def set_path_with_query(state: WasiState, request: int, path: str | None) -> Value:
    if path and not is_path(path):
        return _ERR
    state.get(request, OutgoingRequest).path = path
    return _OK


def scheme(state: WasiState, request: int) -> Value:
    found = state.get(request, OutgoingRequest).scheme
    return None if found is None else scheme_value(found)


def set_scheme(state: WasiState, request: int, value: Value) -> Value:
    found = None if value is None else scheme_of(value)
    if value is not None and found is None:
        return _ERR
    state.get(request, OutgoingRequest).scheme = found
    return _OK


def authority(state: WasiState, request: int) -> str | None:
    return state.get(request, OutgoingRequest).authority


def set_authority(state: WasiState, request: int, value: str | None) -> Value:
    if value is not None and not is_authority(value):
        return _ERR
    state.get(request, OutgoingRequest).authority = value
    return _OK


def incoming_status(state: WasiState, response: int) -> int:
    return state.get(response, IncomingResponse).status


def status_code(state: WasiState, response: int) -> int:
    return state.get(response, OutgoingResponse).status


def set_status_code(state: WasiState, response: int, status: int) -> Value:
    if not 200 <= status <= 999:
        return _ERR
    state.get(response, OutgoingResponse).status = status
    return _OK


def new_options(state: WasiState) -> int:
    return state.add(RequestOptions())


def _timeout(name: str) -> WasiCall:
    def get(state: WasiState, options: int) -> int | None:
        return getattr(state.get(options, RequestOptions), name)

    return get


def _set_timeout(name: str) -> WasiCall:
    def set_(state: WasiState, options: int, duration: int | None) -> Value:
        setattr(state.get(options, RequestOptions), name, duration)
        return _OK

    return set_


# Bodies


def finish_incoming(state: WasiState, body: int) -> int:
    return state.add(state.take(body, IncomingBody).finish())


def finish_outgoing(state: WasiState, body: int, trailers: int | None) -> Value:
    fields = None if trailers is None else state.take(trailers, FieldsResource).fields
    try:
        state.take(body, OutgoingBody).finish(fields)
    except HttpFailed as failure:
        return {"err": failure.code.value}
    return _OK


# What comes later


def _subscribe(kind: type[FutureTrailers] | type[FutureIncomingResponse]) -> WasiCall:
    def subscribe(state: WasiState, future: int) -> int:
        subject: Subject = state.get(future, kind)
        return state.add(SubjectPollable(subject), parent=future)

    return subscribe


def get_trailers(state: WasiState, future: int) -> Value:
    trailers = state.get(future, FutureTrailers)

    def take() -> int | None:
        fields = trailers.take()
        return None if fields is None else state.add(FieldsResource(fields))

    return _answered(trailers, take)


def get_response(state: WasiState, future: int) -> Value:
    response = state.get(future, FutureIncomingResponse)
    return _answered(response, lambda: state.add(response.take()))


def _answered(future: FutureTrailers | FutureIncomingResponse, take: Callable[[], Value]) -> Value:
    """`option<result<result<T, error-code>>>`: not yet; once; never again."""
    if future.taken:
        return _ERR
    if not future.ready():
        return None
    try:
        return {"ok": {"ok": take()}}
    except HttpFailed as failure:
        return {"ok": {"err": failure.code.value}}


# The answer to an incoming request


def set_response(state: WasiState, param: int, response: Value) -> None:
    outparam = state.take(param, ResponseOutparam)
    if "ok" in response:
        outparam.set(state.take(response["ok"], OutgoingResponse))
    else:
        outparam.fail(HttpFailed(ErrorCode.from_value(response["err"])))


def send_informational(state: WasiState, param: int, status: int, headers: int) -> Value:  # noqa: ARG001 - of WASI
    """Never: the server below cannot."""
    state.take(headers, FieldsResource)
    state.get(param, ResponseOutparam)
    return {"err": failed(ErrorCase.INTERNAL_ERROR, _NO_INFORMATIONAL, _NO_INFORMATIONAL).code.value}


_NO_INFORMATIONAL = "informational responses are not sent here"


_ERROR = error_code.WIT_TYPE
_HEADER_ERROR = "variant { invalid-syntax, forbidden, immutable }"
_CHANGED = f"result<_, {_HEADER_ERROR}>"
_FIELDS = "self: borrow<fields>"
_REQUEST_IN = "self: borrow<incoming-request>"
_REQUEST_OUT = "self: borrow<outgoing-request>"
_RESPONSE_IN = "self: borrow<incoming-response>"
_RESPONSE_OUT = "self: borrow<outgoing-response>"
_OPTIONS = "self: borrow<request-options>"

TYPES: dict[str, WasiCall] = {
    f"http-error-code: func(err: borrow<error>) -> option<{_ERROR}>": http_error_code,
    "[constructor]fields: func() -> own<fields>": new_fields,
    f"[static]fields.from-list: func(entries: list<tuple<string, list<u8>>>) -> result<own<fields>, {_HEADER_ERROR}>": (
        fields_from_list
    ),
    f"[method]fields.get: func({_FIELDS}, name: string) -> list<list<u8>>": fields_get,
    f"[method]fields.has: func({_FIELDS}, name: string) -> bool": fields_has,
    f"[method]fields.set: func({_FIELDS}, name: string, value: list<list<u8>>) -> {_CHANGED}": fields_set,
    f"[method]fields.delete: func({_FIELDS}, name: string) -> {_CHANGED}": fields_delete,
    f"[method]fields.append: func({_FIELDS}, name: string, value: list<u8>) -> {_CHANGED}": fields_append,
    f"[method]fields.entries: func({_FIELDS}) -> list<tuple<string, list<u8>>>": fields_entries,
    f"[method]fields.clone: func({_FIELDS}) -> own<fields>": fields_clone,
    f"[method]incoming-request.method: func({_REQUEST_IN}) -> {METHOD_TYPE}": incoming_method,
    f"[method]incoming-request.path-with-query: func({_REQUEST_IN}) -> option<string>": incoming_path,
    f"[method]incoming-request.scheme: func({_REQUEST_IN}) -> option<{SCHEME_TYPE}>": incoming_scheme,
    f"[method]incoming-request.authority: func({_REQUEST_IN}) -> option<string>": incoming_authority,
    f"[method]incoming-request.headers: func({_REQUEST_IN}) -> own<fields>": _headers(IncomingRequest),
    f"[method]incoming-request.consume: func({_REQUEST_IN}) -> result<own<incoming-body>>": _once(
        IncomingRequest, IncomingRequest.consume
    ),
    "[constructor]outgoing-request: func(headers: own<fields>) -> own<outgoing-request>": _new(OutgoingRequest),
    f"[method]outgoing-request.body: func({_REQUEST_OUT}) -> result<own<outgoing-body>>": _once(
        OutgoingRequest, OutgoingRequest.body
    ),
    f"[method]outgoing-request.method: func({_REQUEST_OUT}) -> {METHOD_TYPE}": method,
    f"[method]outgoing-request.set-method: func({_REQUEST_OUT}, method: {METHOD_TYPE}) -> result": set_method,
    f"[method]outgoing-request.path-with-query: func({_REQUEST_OUT}) -> option<string>": path_with_query,
    f"[method]outgoing-request.set-path-with-query: func({_REQUEST_OUT}, path-with-query: option<string>) -> result": (
        set_path_with_query
    ),
    f"[method]outgoing-request.scheme: func({_REQUEST_OUT}) -> option<{SCHEME_TYPE}>": scheme,
    f"[method]outgoing-request.set-scheme: func({_REQUEST_OUT}, scheme: option<{SCHEME_TYPE}>) -> result": set_scheme,
    f"[method]outgoing-request.authority: func({_REQUEST_OUT}) -> option<string>": authority,
    f"[method]outgoing-request.set-authority: func({_REQUEST_OUT}, authority: option<string>) -> result": set_authority,
    f"[method]outgoing-request.headers: func({_REQUEST_OUT}) -> own<fields>": _headers(OutgoingRequest),
    "[constructor]request-options: func() -> own<request-options>": new_options,
    f"[method]request-options.connect-timeout: func({_OPTIONS}) -> option<u64>": _timeout("connect"),
    f"[method]request-options.set-connect-timeout: func({_OPTIONS}, duration: option<u64>) -> result": _set_timeout(
        "connect"
    ),
    f"[method]request-options.first-byte-timeout: func({_OPTIONS}) -> option<u64>": _timeout("first_byte"),
    f"[method]request-options.set-first-byte-timeout: func({_OPTIONS}, duration: option<u64>) -> result": _set_timeout(
        "first_byte"
    ),
    f"[method]request-options.between-bytes-timeout: func({_OPTIONS}) -> option<u64>": _timeout("between_bytes"),
    f"[method]request-options.set-between-bytes-timeout: func({_OPTIONS}, duration: option<u64>) -> result": (
        _set_timeout("between_bytes")
    ),
    f"[method]response-outparam.send-informational: func(self: borrow<response-outparam>, status: u16,"
    f" headers: own<fields>) -> result<_, {_ERROR}>": send_informational,
    f"[static]response-outparam.set: func(param: own<response-outparam>,"
    f" response: result<own<outgoing-response>, {_ERROR}>)": set_response,
    f"[method]incoming-response.status: func({_RESPONSE_IN}) -> u16": incoming_status,
    f"[method]incoming-response.headers: func({_RESPONSE_IN}) -> own<fields>": _headers(IncomingResponse),
    f"[method]incoming-response.consume: func({_RESPONSE_IN}) -> result<own<incoming-body>>": _once(
        IncomingResponse, IncomingResponse.consume
    ),
    "[method]incoming-body.stream: func(self: borrow<incoming-body>) -> result<own<input-stream>>": _once(
        IncomingBody, IncomingBody.stream, child=True
    ),
    "[static]incoming-body.finish: func(this: own<incoming-body>) -> own<future-trailers>": finish_incoming,
    "[method]future-trailers.subscribe: func(self: borrow<future-trailers>) -> own<pollable>": _subscribe(
        FutureTrailers
    ),
    f"[method]future-trailers.get: func(self: borrow<future-trailers>)"
    f" -> option<result<result<option<own<fields>>, {_ERROR}>>>": get_trailers,
    "[constructor]outgoing-response: func(headers: own<fields>) -> own<outgoing-response>": _new(OutgoingResponse),
    f"[method]outgoing-response.status-code: func({_RESPONSE_OUT}) -> u16": status_code,
    f"[method]outgoing-response.set-status-code: func({_RESPONSE_OUT}, status-code: u16) -> result": set_status_code,
    f"[method]outgoing-response.headers: func({_RESPONSE_OUT}) -> own<fields>": _headers(OutgoingResponse),
    f"[method]outgoing-response.body: func({_RESPONSE_OUT}) -> result<own<outgoing-body>>": _once(
        OutgoingResponse, OutgoingResponse.body
    ),
    "[method]outgoing-body.write: func(self: borrow<outgoing-body>) -> result<own<output-stream>>": _once(
        OutgoingBody, OutgoingBody.stream, child=True
    ),
    f"[static]outgoing-body.finish: func(this: own<outgoing-body>, trailers: option<own<fields>>)"
    f" -> result<_, {_ERROR}>": finish_outgoing,
    "[method]future-incoming-response.subscribe: func(self: borrow<future-incoming-response>) -> own<pollable>": (
        _subscribe(FutureIncomingResponse)
    ),
    f"[method]future-incoming-response.get: func(self: borrow<future-incoming-response>)"
    f" -> option<result<result<own<incoming-response>, {_ERROR}>>>": get_response,
}
