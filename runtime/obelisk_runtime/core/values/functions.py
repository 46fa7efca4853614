"""The values of one function: JSON text from clients to canonical text, canonical text to component values and back."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import FunctionType, ResultOf, TupleOf, WitType
from obelisk_runtime.core.values import text as json_text
from obelisk_runtime.core.values.check import CODECS_MAX, compiled_check
from obelisk_runtime.core.values.convert import FROM_JSON, TO_JSON, Value, compiled_conversion
from obelisk_runtime.core.values.errors import (
    InvalidJson,
    ListTooLong,
    ListTooLongHere,
    Mismatch,
    NestedTooDeep,
    PayloadTooLarge,
    Subject,
    TypeMismatch,
    WrongParamCount,
)
from obelisk_runtime.core.values.scalars import Check, as_list
from obelisk_runtime.core.values.text import DEFAULT_LIMITS, Json, NotJson, TooDeep, ValueLimits


class ResultJson(NamedTuple):
    """How a function returned: `payload` is canonical JSON text, None where its type has no payload."""

    is_ok: bool
    payload: str | None

    @property
    def text(self) -> str:
        """Canonical JSON of the whole result: `{"ok":89}`."""
        return f'{{"{"ok" if self.is_ok else "err"}":{"null" if self.payload is None else self.payload}}}'


class ValueCodec:
    """One WIT type. Get it from `value_codec`."""

    __slots__ = ("_from_json", "_to_json", "type")

    def __init__(self, wit: WitType) -> None:
        self.type = wit
        self._from_json = compiled_conversion(wit, FROM_JSON)
        self._to_json = compiled_conversion(wit, TO_JSON)

    def encode(self, value: Value) -> str:
        """Canonical text of a component value, which is trusted to be of this type."""
        return json_text.encode(self.to_json(value)).decode()

    def to_json(self, value: Value) -> Json:
        return value if self._to_json is None else self._to_json(value)

    def decode(self, canonical: str | bytes) -> Value:
        """The component value of canonical JSON, which is trusted to be of this type."""
        value = json_text.decode(canonical)
        return value if self._from_json is None else self._from_json(value)


@lru_cache(CODECS_MAX)
def value_codec(wit: WitType) -> ValueCodec:
    """Raises: NoJsonForm."""
    return ValueCodec(wit)


class FunctionCodec:
    """One function that can be an execution. Get it from `function_codec` and keep it: a look-up hashes the whole type.

    JSON from outside comes as text (str or UTF-8) or decoded; text is better, since only text shows a key that is given
    twice. Canonical text and component values are trusted to fit the type.
    """

    __slots__ = (
        "_arguments",
        "_checks",
        "_params_subject",
        "_payloads",
        "_result_check",
        "_result_subject",
        "function",
        "type",
    )

    def __init__(self, function: Ffqn, function_type: FunctionType) -> None:
        assert isinstance(function_type.result, ResultOf), "exported functions return a result (core.wiring)"
        types = tuple(item for _, item in function_type.params)
        self.function = function
        self.type = function_type
        self._params_subject = Subject(function.text, "parameters", function_type)
        self._checks = [
            (compiled_check(wit), Subject(function.text, f"parameter '{name}'", wit))
            for name, wit in function_type.params
        ]
        self._arguments = value_codec(TupleOf(types))
        self._result_subject = Subject(function.text, "result", function_type.result)
        self._result_check = compiled_check(function_type.result)
        self._payloads = {
            "ok": _optional_codec(function_type.result.ok),
            "err": _optional_codec(function_type.result.err),
        }

    def check_params(self, params: str | bytes | list[Json], limits: ValueLimits = DEFAULT_LIMITS) -> str:
        """Canonical text of the parameters, an array, from lenient JSON.

        Raises: InvalidJson, WrongParamCount, TypeMismatch, PayloadTooLarge, NestedTooDeep, ListTooLong.
        """
        subject = self._params_subject
        values = _checked(_array, _parsed(params, subject, limits), subject, limits)
        if len(values) != len(self._checks):
            raise WrongParamCount(subject, self.type, len(values))
        checked = [_checked(check, values[i], of, limits) for i, (check, of) in enumerate(self._checks)]
        return _bounded(checked, subject, limits)

    def to_arguments(self, canonical: str | bytes) -> tuple[Value, ...]:
        """Arguments for a guest, from the canonical text of its parameters."""
        return tuple(self._arguments.decode(canonical))

    def from_arguments(self, values: Sequence[Value], limits: ValueLimits = DEFAULT_LIMITS) -> str:
        """Canonical text of the parameters that a guest passed. Raises: PayloadTooLarge, NestedTooDeep."""
        return _bounded(self._arguments.to_json(values), self._params_subject, limits)

    def check_result(self, result: str | bytes | dict[str, Json], limits: ValueLimits = DEFAULT_LIMITS) -> ResultJson:
        """A result from outside, `{"ok": v}` or `{"err": e}`, as lenient JSON.

        Raises: InvalidJson, TypeMismatch, PayloadTooLarge, NestedTooDeep, ListTooLong.
        """
        subject = self._result_subject
        checked = _checked(self._result_check, _parsed(result, subject, limits), subject, limits)
        return self._split(checked, limits)

    def from_result(self, value: Value, limits: ValueLimits = DEFAULT_LIMITS) -> ResultJson:
        """What a guest returned. Raises: PayloadTooLarge, NestedTooDeep."""
        ((case, payload),) = value.items()
        codec = self._payloads[case]
        return self._split({case: None if codec is None else codec.to_json(payload)}, limits)

    def to_result(self, result: ResultJson) -> Value:
        """The component value of a stored result."""
        case = "ok" if result.is_ok else "err"
        codec = self._payloads[case]
        return {case: None if codec is None or result.payload is None else codec.decode(result.payload)}

    def _split(self, canonical: dict[str, Json], limits: ValueLimits) -> ResultJson:
        ((case, payload),) = canonical.items()
        text = None if self._payloads[case] is None else _bounded(payload, self._result_subject, limits)
        return ResultJson(case == "ok", text)


@lru_cache(CODECS_MAX)
def function_codec(function: Ffqn, function_type: FunctionType) -> FunctionCodec:
    """Raises: NoJsonForm."""
    return FunctionCodec(function, function_type)


def _optional_codec(wit: WitType | None) -> ValueCodec | None:
    return None if wit is None else value_codec(wit)


def _array(value: Json, _: int) -> Json:
    return as_list(value, "an array")


def _parsed(value: str | bytes | Json, subject: Subject, limits: ValueLimits) -> Json:
    if not isinstance(value, str | bytes):
        return value
    try:
        raw = value.encode() if isinstance(value, str) else value
        if len(raw) > limits.payload_bytes:
            raise PayloadTooLarge(subject, len(raw), limits.payload_bytes)
        parsed = json_text.decode_untrusted(raw)
        json_text.refuse_deeper(raw, limits.nesting_depth)
    except TooDeep:
        raise NestedTooDeep(subject, limits.nesting_depth) from None
    except (NotJson, UnicodeEncodeError) as error:
        raise InvalidJson(subject, str(error)) from None
    return parsed


def _checked(check: Check, value: Json, subject: Subject, limits: ValueLimits) -> Json:
    try:
        return check(value, limits.list_length)
    except Mismatch as mismatch:
        raise TypeMismatch(subject, mismatch) from None
    except ListTooLongHere as error:
        raise ListTooLong(subject, error.length, limits.list_length) from None


def _bounded(canonical: Json, subject: Subject, limits: ValueLimits) -> str:
    try:
        raw = json_text.encode(canonical)
        if len(raw) > limits.payload_bytes:
            raise PayloadTooLarge(subject, len(raw), limits.payload_bytes)
        json_text.refuse_deeper(raw, limits.nesting_depth)
    except TooDeep:
        raise NestedTooDeep(subject, limits.nesting_depth) from None
    return raw.decode()
