"""Component values to and from wasmtime's memory: one pair of closures for each type, compiled once.

A decoder reads the value at an address and leaves its memory to its owner. An encoder writes to an address that holds
`false`; whenever it raises, what it left there can be deleted.
"""

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, assert_never

from obelisk_runtime.core.types import (
    Borrow,
    EnumOf,
    FlagsOf,
    FunctionType,
    ListOf,
    OptionOf,
    Own,
    Primitive,
    RecordOf,
    ResultOf,
    TupleOf,
    VariantOf,
    WitType,
    snake_case,
)
from obelisk_runtime.engine import native
from obelisk_runtime.engine.native import (
    BYTES,
    FALSE,
    NAME_BYTES,
    RECORD_ENTRY_BYTES,
    RECORD_ENTRY_VALUE,
    VALUE_BYTES,
    VECTOR,
    WORDS,
    Address,
    Kind,
)
from obelisk_runtime.ports.engine import GuestLimits, GuestTrap, Value


class Transfer(Protocol):
    """What a codec needs to know of the call that a value belongs to."""

    store_context: Address
    slot: Address
    """Eight bytes of memory for an out parameter, not shared with another thread."""
    limits: GuestLimits
    payload_left: int
    """Bytes of payload that may still cross, counted roughly: text and bytes by length, an item of a list as one."""


Decode = Callable[[Address, Transfer], Value]
Encode = Callable[[Value, Address, Transfer], None]


class PayloadTooLarge(GuestTrap):
    """More in the arguments or the result of one call than `GuestLimits.payload_bytes`."""


@dataclass(frozen=True, slots=True)
class ValueCodec:
    decode: Decode
    encode: Encode
    owns_memory: bool
    """Whether a value must be deleted."""


@dataclass(frozen=True, slots=True)
class FunctionCodec:
    arity: int
    decode_arguments: Callable[[Address, Transfer], tuple[Value, ...]]
    encode_arguments: Callable[[tuple[Value, ...], Address, Transfer], None]
    arguments_own_memory: bool
    result: ValueCodec | None


class Codecs:
    """The codecs of one component. `resource_ids` names the host's resource types by `interface.name`."""

    def __init__(self, resource_ids: Mapping[str, int]) -> None:
        self._resource_ids = resource_ids
        self._values: dict[WitType, ValueCodec] = {}
        self._functions: dict[FunctionType, FunctionCodec] = {}

    def function(self, type_: FunctionType) -> FunctionCodec:
        codec = self._functions.get(type_)
        if codec is None:
            params = [self.value(item) for _, item in type_.params]
            codec = self._functions[type_] = FunctionCodec(
                arity=len(params),
                decode_arguments=_arguments_decoder([item.decode for item in params]),
                encode_arguments=_arguments_encoder([item.encode for item in params]),
                arguments_own_memory=any(item.owns_memory for item in params),
                result=None if type_.result is None else self.value(type_.result),
            )
        return codec

    def value(self, type_: WitType) -> ValueCodec:
        codec = self._values.get(type_)
        if codec is None:
            codec = self._values[type_] = self._compile(type_)
        return codec

    def _compile(self, type_: WitType) -> ValueCodec:  # noqa: PLR0911, C901 - one line for each kind of type
        match type_:
            case Primitive():
                return _primitive(type_)
            case ListOf():
                return _list(type_.item, self.value(type_.item))
            case OptionOf():
                return _option(self.value(type_.item), wrapped=isinstance(type_.item, OptionOf))
            case ResultOf():
                return _result(self._payload(type_.ok), self._payload(type_.err))
            case TupleOf():
                return _tuple([self.value(item) for item in type_.items])
            case RecordOf():
                return _record([(name, self.value(item)) for name, item in type_.fields])
            case VariantOf():
                return _variant([(name, self._payload(item)) for name, item in type_.cases])
            case EnumOf():
                return _enum(type_.names)
            case FlagsOf():
                return _flags(type_.names)
            case Own():
                return _handle(self._resource_ids.get(type_.resource), type_.resource, owned=True)
            case Borrow():
                return _handle(self._resource_ids.get(type_.resource), type_.resource, owned=False)
            case _:
                assert_never(type_)

    def _payload(self, type_: WitType | None) -> ValueCodec | None:
        return None if type_ is None else self.value(type_)


def _arguments_decoder(decoders: list[Decode]) -> Callable[[Address, Transfer], tuple[Value, ...]]:
    if not decoders:
        return lambda _address, _transfer: ()
    if len(decoders) == 1:
        only = decoders[0]
        return lambda address, transfer: (only(address, transfer),)
    if len(decoders) == 2:
        first, second = decoders
        return lambda address, transfer: (first(address, transfer), second(address + VALUE_BYTES, transfer))
    placed = [(index * VALUE_BYTES, decode) for index, decode in enumerate(decoders)]
    return lambda address, transfer: tuple([decode(address + offset, transfer) for offset, decode in placed])


def _arguments_encoder(encoders: list[Encode]) -> Callable[[tuple[Value, ...], Address, Transfer], None]:
    placed = [(index * VALUE_BYTES, encode) for index, encode in enumerate(encoders)]

    def encode_all(values: tuple[Value, ...], address: Address, transfer: Transfer) -> None:
        if len(values) != len(placed):
            raise TypeError(f"{len(placed)} arguments expected, {len(values)} given")
        for value, (offset, encode) in zip(values, placed, strict=True):
            encode(value, address + offset, transfer)

    return encode_all


def spend(transfer: Transfer, size: int) -> None:
    """Raises: PayloadTooLarge."""
    transfer.payload_left -= size
    if transfer.payload_left < 0:
        limit = transfer.limits.payload_bytes
        raise PayloadTooLarge(
            f"a payload of {limit - transfer.payload_left} bytes or more; the limit is {limit} (payload_bytes_max)"
        )


# kind, item size as a shift, typecode, view
_NUMBERS: dict[Primitive, tuple[int, int, str, "memoryview[Any]"]] = {
    Primitive.S8: (Kind.S8, 0, "b", native.SIGNED_BYTES),
    Primitive.U8: (Kind.U8, 0, "B", native.BYTES),
    Primitive.S16: (Kind.S16, 1, "h", native.SIGNED_HALVES),
    Primitive.U16: (Kind.U16, 1, "H", native.HALVES),
    Primitive.S32: (Kind.S32, 2, "i", native.INTS),
    Primitive.U32: (Kind.U32, 2, "I", native.UINTS),
    Primitive.S64: (Kind.S64, 3, "q", native.SIGNED_WORDS),
    Primitive.U64: (Kind.U64, 3, "Q", native.WORDS),
    Primitive.F32: (Kind.F32, 2, "f", native.FLOATS),
    Primitive.F64: (Kind.F64, 3, "d", native.DOUBLES),
}


def _primitive(type_: Primitive) -> ValueCodec:
    if type_ is Primitive.BOOL:
        return _boolean()
    if type_ is Primitive.CHAR:
        return _character()
    if type_ is Primitive.STRING:
        return _string()
    kind, shift, _, view = _NUMBERS[type_]

    def decode(address: Address, _transfer: Transfer) -> Value:
        return view[(address + 8) >> shift]

    def encode(value: Value, address: Address, _transfer: Transfer) -> None:
        view[(address + 8) >> shift] = value
        BYTES[address] = kind

    return ValueCodec(decode, encode, owns_memory=False)


def _boolean() -> ValueCodec:
    def decode(address: Address, _transfer: Transfer) -> Value:
        return BYTES[address + 8] != 0

    def encode(value: Value, address: Address, _transfer: Transfer) -> None:
        BYTES[address + 8] = 1 if value else 0
        BYTES[address] = Kind.BOOL

    return ValueCodec(decode, encode, owns_memory=False)


def _character() -> ValueCodec:
    def decode(address: Address, _transfer: Transfer) -> Value:
        return chr(native.UINTS[(address + 8) >> 2])

    def encode(value: Value, address: Address, _transfer: Transfer) -> None:
        native.UINTS[(address + 8) >> 2] = ord(value)
        BYTES[address] = Kind.CHAR

    return ValueCodec(decode, encode, owns_memory=False)


def _string() -> ValueCodec:
    read, new = VECTOR.unpack_from, native.name_new

    def decode(address: Address, transfer: Transfer) -> Value:
        size, data = read(BYTES, address + 8)
        spend(transfer, size)
        return str(BYTES[data : data + size], "utf-8") if size else ""

    def encode(value: Value, address: Address, transfer: Transfer) -> None:
        raw = value.encode()
        spend(transfer, len(raw))
        new(address + 8, len(raw), raw)
        BYTES[address] = Kind.STRING

    return ValueCodec(decode, encode, owns_memory=True)


def _list(item_type: WitType, item: ValueCodec) -> ValueCodec:
    if isinstance(item_type, Primitive) and item_type in _NUMBERS:
        return _numbers(item_type)
    read, decode_item, encode_item = VECTOR.unpack_from, item.decode, item.encode

    def decode(address: Address, transfer: Transfer) -> Value:
        size, data = read(BYTES, address + 8)
        spend(transfer, size)
        return [decode_item(at, transfer) for at in range(data, data + size * VALUE_BYTES, VALUE_BYTES)]

    def encode(value: Value, address: Address, transfer: Transfer) -> None:
        spend(transfer, len(value))
        native.list_new(address + 8, len(value))
        BYTES[address] = Kind.LIST
        at = WORDS[(address + 16) >> 3]
        for element in value:
            encode_item(element, at, transfer)
            at += VALUE_BYTES

    return ValueCodec(decode, encode, owns_memory=True)


def _numbers(type_: Primitive) -> ValueCodec:
    """Lists of numbers move as one strided copy; `list<u8>` as bytes."""
    kind, shift, typecode, view = _NUMBERS[type_]
    read, stride, as_bytes = VECTOR.unpack_from, VALUE_BYTES >> shift, type_ is Primitive.U8

    def decode(address: Address, transfer: Transfer) -> Value:
        size, data = read(BYTES, address + 8)
        spend(transfer, size << shift)
        items = view[(data + 8) >> shift : (data + 8 + size * VALUE_BYTES) >> shift : stride]
        return items.tobytes() if as_bytes else items.tolist()

    def encode(value: Value, address: Address, transfer: Transfer) -> None:
        packed = memoryview(value) if as_bytes else memoryview(array(typecode, value))
        size = len(packed)
        spend(transfer, size << shift)
        native.list_new(address + 8, size)
        BYTES[address] = Kind.LIST
        data = WORDS[(address + 16) >> 3]
        view[(data + 8) >> shift : (data + 8 + size * VALUE_BYTES) >> shift : stride] = packed
        BYTES[data : data + size * VALUE_BYTES : VALUE_BYTES] = bytes((kind,)) * size

    return ValueCodec(decode, encode, owns_memory=True)


def _tuple(items: list[ValueCodec]) -> ValueCodec:
    decoders = [(index * VALUE_BYTES, item.decode) for index, item in enumerate(items)]
    encoders = [(index * VALUE_BYTES, item.encode) for index, item in enumerate(items)]

    def decode(address: Address, transfer: Transfer) -> Value:
        data = WORDS[(address + 16) >> 3]
        return [decode_item(data + offset, transfer) for offset, decode_item in decoders]

    def encode(value: Value, address: Address, transfer: Transfer) -> None:
        native.tuple_new(address + 8, len(encoders))
        BYTES[address] = Kind.TUPLE
        data = WORDS[(address + 16) >> 3]
        for element, (offset, encode_item) in zip(value, encoders, strict=True):
            encode_item(element, data + offset, transfer)

    return ValueCodec(decode, encode, owns_memory=True)


def _record(fields: list[tuple[str, ValueCodec]]) -> ValueCodec:
    placed = [
        (snake_case(name), index * RECORD_ENTRY_BYTES + RECORD_ENTRY_VALUE, codec)
        for index, (name, codec) in enumerate(fields)
    ]
    decoders = [(name, offset, codec.decode) for name, offset, codec in placed]
    encoders = [(name, offset, codec.encode) for name, offset, codec in placed]
    template = _record_template(tuple(name for name, _ in fields))

    def decode(address: Address, transfer: Transfer) -> Value:
        data = WORDS[(address + 16) >> 3]
        return {name: decode_item(data + offset, transfer) for name, offset, decode_item in decoders}

    def encode(value: Value, address: Address, transfer: Transfer) -> None:
        native.value_clone(template, address)
        data = WORDS[(address + 16) >> 3]
        for name, offset, encode_item in encoders:
            encode_item(value[name], data + offset, transfer)

    return ValueCodec(decode, encode, owns_memory=True)


def _option(item: ValueCodec, *, wrapped: bool) -> ValueCodec:
    """`wrapped`: the item is itself an option, so some is `{"some": item}`."""
    decode_item, encode_item = item.decode, item.encode

    def decode(address: Address, transfer: Transfer) -> Value:
        box = WORDS[(address + 8) >> 3]
        if not box:
            return None
        value = decode_item(box, transfer)
        return {"some": value} if wrapped else value

    def encode(value: Value, address: Address, transfer: Transfer) -> None:
        box = 0 if value is None else native.value_box(FALSE)
        WORDS[(address + 8) >> 3] = box
        BYTES[address] = Kind.OPTION
        if value is not None:
            encode_item(value["some"] if wrapped else value, box, transfer)

    return ValueCodec(decode, encode, owns_memory=True)


def _result(ok: ValueCodec | None, err: ValueCodec | None) -> ValueCodec:
    def decode(address: Address, transfer: Transfer) -> Value:
        is_ok = BYTES[address + 8] != 0
        payload = ok if is_ok else err
        value = None if payload is None else payload.decode(WORDS[(address + 16) >> 3], transfer)
        return {"ok" if is_ok else "err": value}

    def encode(value: Value, address: Address, transfer: Transfer) -> None:
        ((case, inner),) = value.items()
        payload = {"ok": ok, "err": err}[case]
        box = 0 if payload is None else native.value_box(FALSE)
        WORDS[(address + 8) >> 3] = case == "ok"
        WORDS[(address + 16) >> 3] = box
        BYTES[address] = Kind.RESULT
        if payload is not None:
            payload.encode(inner, box, transfer)

    return ValueCodec(decode, encode, owns_memory=True)


def _variant(cases: list[tuple[str, ValueCodec | None]]) -> ValueCodec:
    read = VECTOR.unpack_from
    by_name = {name.encode(): (snake_case(name), codec) for name, codec in cases}
    by_value = {snake_case(name): (_name_template(Kind.VARIANT, name), codec) for name, codec in cases}

    def decode(address: Address, transfer: Transfer) -> Value:
        size, data = read(BYTES, address + 8)
        case, payload = by_name[bytes(BYTES[data : data + size])]
        return case if payload is None else {case: payload.decode(WORDS[(address + 24) >> 3], transfer)}

    def encode(value: Value, address: Address, transfer: Transfer) -> None:
        if isinstance(value, str):
            case, inner = value, None
        else:
            ((case, inner),) = value.items()
        template, payload = by_value[case]
        native.value_clone(template, address)
        if payload is not None:
            box = WORDS[(address + 24) >> 3] = native.value_box(FALSE)
            payload.encode(inner, box, transfer)

    return ValueCodec(decode, encode, owns_memory=True)


def _enum(names: tuple[str, ...]) -> ValueCodec:
    read = VECTOR.unpack_from
    by_name = {name.encode(): snake_case(name) for name in names}
    templates = {snake_case(name): _name_template(Kind.ENUM, name) for name in names}

    def decode(address: Address, _transfer: Transfer) -> Value:
        size, data = read(BYTES, address + 8)
        return by_name[bytes(BYTES[data : data + size])]

    def encode(value: Value, address: Address, _transfer: Transfer) -> None:
        native.value_clone(templates[value], address)

    return ValueCodec(decode, encode, owns_memory=True)


def _flags(names: tuple[str, ...]) -> ValueCodec:
    read = VECTOR.unpack_from
    raw_names = {snake_case(name): name.encode() for name in names}

    def decode(address: Address, _transfer: Transfer) -> Value:
        size, data = read(BYTES, address + 8)
        given = {native.text_at(data + index * NAME_BYTES) for index in range(size)}
        return [snake_case(name) for name in names if name in given]

    def encode(value: Value, address: Address, _transfer: Transfer) -> None:
        chosen = [raw_names[name] for name in value]
        native.flags_new(address + 8, len(chosen))
        BYTES[address] = Kind.FLAGS
        at = WORDS[(address + 16) >> 3]
        for raw in chosen:
            native.name_new(at, len(raw), raw)
            at += NAME_BYTES

    return ValueCodec(decode, encode, owns_memory=True)


def _handle(host_type: int | None, resource: str, *, owned: bool) -> ValueCodec:
    """Handles of host resources cross as their rep. Taking one from a guest ends its borrow, or makes it the host's."""

    def decode(address: Address, transfer: Transfer) -> Value:
        slot = transfer.slot
        error = native.resource_any_to_host(transfer.store_context, WORDS[(address + 8) >> 3], slot)
        if error:
            raise GuestTrap(native.take_error(error)[0])
        handle = WORDS[slot >> 3]
        rep = native.resource_host_rep(handle)
        native.resource_host_delete(handle)
        return rep

    def encode(value: Value, address: Address, transfer: Transfer) -> None:
        if host_type is None:
            raise TypeError(f"{resource} is a resource of the guest: the host has no handle to give")
        slot = transfer.slot
        handle = native.resource_host_new(owned, value, host_type)
        error = native.resource_host_to_any(transfer.store_context, handle, slot)
        native.resource_host_delete(handle)
        if error:
            raise RuntimeError(native.take_error(error)[0])
        WORDS[(address + 8) >> 3] = WORDS[slot >> 3]
        BYTES[address] = Kind.RESOURCE

    return ValueCodec(decode, encode, owns_memory=True)


# Cloning a template is one call into wasmtime, building a record takes one for each name. Templates are kept for the
# life of the process; there are as many as different types.
_templates: list[Any] = []


@cache
def _record_template(names: tuple[str, ...]) -> Address:
    owner, address = native.allocate(VALUE_BYTES)
    _templates.append(owner)
    native.record_new(address + 8, len(names))
    BYTES[address] = Kind.RECORD
    data = WORDS[(address + 16) >> 3]
    for index, name in enumerate(names):
        raw = name.encode()
        native.name_new(data + index * RECORD_ENTRY_BYTES, len(raw), raw)
    return address


@cache
def _name_template(kind: int, name: str) -> Address:
    """An enum, or a variant without payload."""
    owner, address = native.allocate(VALUE_BYTES)
    _templates.append(owner)
    raw = name.encode()
    native.name_new(address + 8, len(raw), raw)
    BYTES[address] = kind
    return address
