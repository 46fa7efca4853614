"""Components with their imports bound to host functions.

A callback runs on the guest's fiber while the call is polled. No exception may leave it, and it must leave a
continuation behind: so it starts with one that is never ready. A failure is noted in the call, which ends after the
slice; the guest does not continue.
"""

import weakref
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.engine import native
from obelisk_runtime.engine.call import FiberCall
from obelisk_runtime.engine.codec import Codecs, Encode, FunctionCodec
from obelisk_runtime.engine.fibers import Fibers
from obelisk_runtime.engine.introspect import Interfaces
from obelisk_runtime.engine.native import ALWAYS, BYTES, CONTINUATION, IS_READY, NEVER, WORDS, Address
from obelisk_runtime.ports.engine import (
    GuestLimits,
    GuestTrap,
    HostFunction,
    ImportedFunction,
    MissingImport,
    ResourceDestructor,
    Value,
)

_PLAIN = frozenset({type(None), bool, int, float, str, bytes, list, dict})
"""The types of values: what is none of them may be an awaitable."""


def _is_later(value: Value) -> TypeGuard[Awaitable[Value]]:
    return isinstance(value, Awaitable)


@dataclass(frozen=True, slots=True)
class ExportedFunction:
    index: Address
    codec: FunctionCodec


class LinkedGuest:
    """A LinkedComponent."""

    def __init__(
        self, fibers: Fibers, component: Address, owner: object, exports: Mapping[Ffqn, ExportedFunction]
    ) -> None:
        self.component = component
        self.linker: Address = native.linker_new(fibers.engine)
        self._fibers, self.exports = fibers, exports
        # Whatever wasmtime points to must live as long as this.
        self._owner = owner
        self._callbacks: list[Any] = []
        weakref.finalize(self, native.linker_delete, self.linker)

    def start(self, function: Ffqn, arguments: tuple[Value, ...], context: object, limits: GuestLimits) -> FiberCall:
        if limits.fuel is not None and not self._fibers.fuel:
            raise ValueError("this engine does not meter fuel (EngineSettings.fuel)")
        call = FiberCall(self._fibers, self, self.exports[function], context, limits)
        call.encode_arguments(arguments)
        return call

    def bind(
        self,
        interfaces: Interfaces,
        codecs: Codecs,
        functions: Mapping[tuple[str, str], HostFunction],
        destructors: Mapping[tuple[str, str], ResourceDestructor],
    ) -> None:
        """Define every import. Once, before the first start. Raises: MissingImport."""
        root: Address = native.linker_root(self.linker)
        try:
            for interface in dict.fromkeys(
                [item.interface for item in interfaces.resource_names] + [item.interface for item in interfaces.imports]
            ):
                instance = _add_instance(root, interface)
                try:
                    self._bind_resources(instance, interface, interfaces, destructors)
                    self._bind_functions(instance, interface, interfaces, codecs, functions)
                finally:
                    native.linker_instance_delete(instance)
        finally:
            native.linker_instance_delete(root)

    def _bind_resources(
        self,
        instance: Address,
        interface: str,
        interfaces: Interfaces,
        destructors: Mapping[tuple[str, str], ResourceDestructor],
    ) -> None:
        for item in interfaces.resource_names:
            if item.interface != interface:
                continue
            defined = interfaces.resources[item.id]
            destructor = destructors.get((defined.interface, defined.name))
            if destructor is None:
                raise MissingImport(defined.interface, defined.name)
            callback = _destructor_callback(self._fibers, destructor)
            self._callbacks.append(callback)
            type_ = native.resource_type_new_host(item.id)
            name = item.name.encode()
            error = native.linker_add_resource(instance, name, len(name), type_, callback, 0, 0)
            native.resource_type_delete(type_)
            _check(error)

    def _bind_functions(
        self,
        instance: Address,
        interface: str,
        interfaces: Interfaces,
        codecs: Codecs,
        functions: Mapping[tuple[str, str], HostFunction],
    ) -> None:
        for item in interfaces.imports:
            if item.interface != interface:
                continue
            function = functions.get((interface, item.name))
            if function is None:
                raise MissingImport(interface, item.name)
            callback = _function_callback(self._fibers, BoundImport(item, function, codecs.function(item.type)))
            self._callbacks.append(callback)
            name = item.name.encode()
            _check(native.linker_add_function(instance, name, len(name), callback, 0, 0))


class BoundImport:
    """One import with its host function."""

    __slots__ = ("codec", "encode", "function", "item")

    def __init__(self, item: ImportedFunction, function: HostFunction, codec: FunctionCodec) -> None:
        self.item, self.function, self.codec = item, function, codec
        self.encode: Encode = _nothing if codec.result is None else codec.result.encode

    def answer(self, call: FiberCall, value: Value, results: Address) -> None:
        """The guest can go on with this value."""
        call.payload_left = call.limits.payload_bytes
        self.encode(value, results, call)
        BYTES[call.flag] = 1

    def call(self, call: FiberCall, arguments: tuple[Value, ...], results: Address) -> bool:
        """Call the host function on the loop, between two polls; True if it answers at once."""
        value = self.function(call.context, arguments)
        if call.outcome is not None:
            return False
        if _is_later(value):
            call.suspend(self, value, results)
            return False
        self.answer(call, value, results)
        return True


def _nothing(_value: Value, _address: Address, _transfer: object) -> None:
    """The result of a function without one."""


def _function_callback(fibers: Fibers, bound: BoundImport) -> Any:
    calls, leave = fibers.by_context, CONTINUATION.pack_into
    function, decode, encode = bound.function, bound.codec.decode_arguments, bound.encode

    def enter(
        _data: int, context: Address, _type: int, arguments_at: Address, _n: int,
        results: Address, _m: int, error_at: Address, continuation: Address,
    ) -> None:  # fmt: skip
        leave(BYTES, continuation, IS_READY, NEVER, 0)
        call = calls[context]
        try:
            call.payload_left = call.limits.payload_bytes
            arguments = decode(arguments_at, call)
            env = (continuation + 8) >> 3
            BYTES[call.flag] = 0
            if call.on_thread:
                call.deferred = (bound, arguments, results)
                WORDS[env] = call.flag
                return
            value = function(call.context, arguments)
            if call.outcome is not None:
                return
            if type(value) not in _PLAIN and _is_later(value):
                WORDS[env] = call.flag
                call.suspend(bound, value, results)
            else:
                call.payload_left = call.limits.payload_bytes
                encode(value, results, call)
                WORDS[env] = ALWAYS
        except BaseException as error:  # noqa: BLE001 - the boundary to C: nothing may leave, the call ends with it
            call.failure = error
            if isinstance(error, GuestTrap):  # unwinding the guest here tells where in it that was
                WORDS[error_at >> 3] = native.error_new(b"trapped by the host")

    return native.HostFunctionCallback(enter)


def _destructor_callback(fibers: Fibers, destructor: ResourceDestructor) -> Any:
    calls = fibers.by_context

    def enter(_data: int, context: Address, rep: int) -> Address:
        call = calls[context]
        try:
            if call.on_thread:
                call.defer_drop(destructor, rep)
            else:
                destructor(call.context, rep)
        except BaseException as error:  # noqa: BLE001 - the boundary to C: nothing may leave, the call ends with it
            call.failure = error
            return native.error_new(b"a destructor failed")
        return 0

    return native.ResourceDestructorCallback(enter)


def _add_instance(root: Address, interface: str) -> Address:
    owner, slot = native.allocate(8)
    name = interface.encode()
    _check(native.linker_add_instance(root, name, len(name), slot))
    instance = WORDS[slot >> 3]
    del owner
    return instance


def _check(error: Address) -> None:
    assert not error, native.take_error(error)[0]
