"""From the parts of a request to the typed parameters of a function."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast
from urllib.parse import parse_qsl

from multidict import MultiMapping

from obelisk_runtime.core.types import EnumOf, FunctionType, ListOf, OptionOf, Primitive, WitType
from obelisk_runtime.core.values.text import Json, NotJson, RepeatedKey, TooDeep, decode_untrusted, encode
from obelisk_server.config.webhooks.request_values import FromRequest, Literal, Part, Source
from obelisk_server.webhooks.refusals import MalformedRequest, UnfitValue, WrongContentType

JSON_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json")
FORM_TYPE = "application/x-www-form-urlencoded"
FIELDS_MAX = 1_000
"""Fields of a query or a form."""
_INTEGER = re.compile(r"-?[0-9]{1,40}")
_NUMBER = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,4})?")
_INTEGERS = frozenset(Primitive) - {Primitive.BOOL, Primitive.CHAR, Primitive.STRING, Primitive.F32, Primitive.F64}
_NOTHING = object()


class Parts:
    """A request, taken apart as far as it is asked for. What cannot be read raises MalformedRequest."""

    def __init__(
        self, method: str, path: Mapping[str, str], query: str, headers: MultiMapping[str], body: bytes
    ) -> None:
        self._method = method
        self._path = path
        self._query_text = query
        self._headers = headers
        self._body = body

    def texts(self, part: Part, name: str) -> Sequence[str]:
        """All values of this name, of any part but the body."""
        match part:
            case Part.PATH:
                return (self._path[name],)
            case Part.QUERY:
                return self._query.get(name, ())
            case Part.HEADER:
                return self._headers.getall(name, ())
            case Part.FORM:
                return self._form.get(name, ())
            case Part.METHOD:
                return (self._method,)
            case Part.BODY:
                raise AssertionError("a body has JSON, not text")

    @cached_property
    def json(self) -> Json:
        """The body. Raises: WrongContentType."""
        content_type = self._content_type
        if JSON_TYPE.fullmatch(content_type) is None:
            raise WrongContentType("application/json", content_type)
        try:
            return decode_untrusted(self._body)
        except NotJson as error:
            raise MalformedRequest(f"the body is not valid JSON: {error}") from None
        except TooDeep:
            raise MalformedRequest("the body is nested too deep") from None

    @cached_property
    def _query(self) -> Mapping[str, list[str]]:
        return _fields(self._query_text.encode("utf-8", "surrogateescape"), "query")

    @cached_property
    def _form(self) -> Mapping[str, list[str]]:
        if self._content_type != FORM_TYPE:
            raise WrongContentType(FORM_TYPE, self._content_type)
        return _fields(self._body, "form")

    @property
    def _content_type(self) -> str:
        return self._headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _fields(raw: bytes, what: str) -> Mapping[str, list[str]]:
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise MalformedRequest(f"the {what} cannot be read: {error}") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    type: WitType
    source: Source

    @property
    def part(self) -> str:
        return f"parameter '{self.name}'"


class Mapper:
    """The parameters of one function, each with its source."""

    def __init__(self, function: FunctionType, sources: Sequence[tuple[str, Source]]) -> None:
        """Raises: ValueError telling everything that is wrong, each on a line."""
        given = dict(sources)
        wrong = [f"the function has no parameter {name!r}" for name in given.keys() - dict(function.params).keys()]
        self._parameters: list[_Parameter] = []
        for name, wit in function.params:
            source = given.get(name, Literal(None) if isinstance(wit, OptionOf) else None)
            if source is None:
                wrong.append(f"params has no source for {name!r}, which is {_article(wit)}")
            elif isinstance(source, FromRequest) and source.part is not Part.BODY and _from_texts(wit) is None:
                wrong.append(f"{name!r} is {_article(wit)}, which {source} cannot give; take it from the body")
            else:
                self._parameters.append(_Parameter(name, wit, source))
        if wrong:
            raise ValueError("\n".join(sorted(wrong)))

    def params(self, parts: Parts) -> list[Json]:
        """For `FunctionCodec.check_params`. Raises: UnfitValue, MalformedRequest, WrongContentType."""
        return [_value(parameter, parts) for parameter in self._parameters]


def key_text(source: FromRequest, parts: Parts) -> str:
    """The value of an idempotency key. Raises: UnfitValue, MalformedRequest, WrongContentType."""
    if source.part is Part.BODY:
        found = _walk(parts.json, source.steps)
        if type(found) not in (str, int) or found == "":
            raise UnfitValue("the idempotency key", str(source), "a text or an integer", _shown(found))
        return str(found)
    texts = parts.texts(source.part, source.name)
    if len(texts) != 1 or not texts[0]:
        raise UnfitValue("the idempotency key", str(source), "one value", _count(texts))
    return texts[0]


def _value(parameter: _Parameter, parts: Parts) -> Json:
    source = parameter.source
    if isinstance(source, Literal):
        return source.value
    if source.part is Part.BODY:
        found = _walk(parts.json, source.steps)
    else:
        found = _of_texts(parameter, source, parts.texts(source.part, source.name))
    if found is not _NOTHING:
        return found
    if source.default is not None:
        return source.default.value
    if isinstance(parameter.type, OptionOf):
        return None
    raise UnfitValue(parameter.part, str(source), str(parameter.type), "nothing")


def _of_texts(parameter: _Parameter, source: FromRequest, texts: Sequence[str]) -> Any:
    convert = _from_texts(parameter.type)
    assert convert is not None, "checked when the mapper was made"
    if not texts:
        return _NOTHING
    converted = convert(texts)
    if converted is _NOTHING:
        raise UnfitValue(parameter.part, str(source), f"one {parameter.type}", _count(texts))
    return converted


def _walk(value: Json, steps: Sequence[str]) -> Any:
    for step in steps:
        match value:
            case RepeatedKey():
                raise MalformedRequest(f"the body gives the key {value.key!r} more than once")
            case dict():
                value = cast("dict[str, Json]", value).get(step, _NOTHING)
            case list():
                items = cast("list[Json]", value)
                value = items[int(step)] if step.isascii() and step.isdigit() and int(step) < len(items) else _NOTHING
            case _:
                return _NOTHING
    return value


def _from_texts(wit: WitType) -> Callable[[Sequence[str]], Any] | None:
    """From the values of one name to JSON of this type; None: not from text.

    What does not look like the type stays a text, which the check of the parameters then refuses, saying why.
    """
    match wit:
        case OptionOf(item) if not isinstance(item, OptionOf):
            return _from_texts(item)
        case ListOf(item):
            each = _from_text(item)
            return None if each is None else lambda texts: [each(text) for text in texts]
        case _:
            only = _from_text(wit)
            return None if only is None else lambda texts: only(texts[0]) if len(texts) == 1 else _NOTHING


def _from_text(wit: WitType) -> Callable[[str], Json] | None:
    match wit:
        case Primitive.BOOL:
            return lambda text: {"true": True, "false": False}.get(text, text)
        case Primitive.F32 | Primitive.F64:
            return _number
        case Primitive.STRING | Primitive.CHAR | EnumOf():
            return lambda text: text
        case Primitive() if wit in _INTEGERS:
            return lambda text: int(text) if _INTEGER.fullmatch(text) else text
        case _:
            return None


def _number(text: str) -> Json:
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else text


def _count(texts: Sequence[str]) -> str:
    return f"{len(texts)} values" if len(texts) > 1 else "an empty text" if texts else "nothing"


def _shown(found: Any) -> str:
    return "nothing" if found is _NOTHING else encode(found).decode()[:80]


def _article(wit: WitType) -> str:
    return f"of the type {wit}"
