# pyright: basic, reportPrivateUsage=false, reportAttributeAccessIssue=false
"""The part of wasmtime's C API that runs guests, with every pointer a plain int.

The only module that touches ctypes. The `wasmtime` package is synchronous; the asynchronous half (guests as fibers that
can be polled) is reached here, through prototypes of our own: ints instead of `POINTER` objects make a callback several
times cheaper, and the package declares `wasmtime_context_epoch_deadline_async_yield_and_update` wrongly (it is void).

Values are read and written straight in memory: `BYTES`, `WORDS` and the like are views of the whole address space,
indexed by address divided by item size. An address comes from wasmtime or from `allocate`, never from a guest.
"""

import ctypes
import struct
from collections.abc import Callable
from typing import Any

from wasmtime import _ffi

Address = int

_ADDRESS_BITS = 48
_SPACE = memoryview((ctypes.c_uint8 * (1 << _ADDRESS_BITS)).from_address(0)).cast("B")
BYTES = _SPACE
SIGNED_BYTES = _SPACE.cast("b")
HALVES = _SPACE.cast("H")
SIGNED_HALVES = _SPACE.cast("h")
UINTS = _SPACE.cast("I")
INTS = _SPACE.cast("i")
WORDS = _SPACE.cast("Q")
SIGNED_WORDS = _SPACE.cast("q")
FLOATS = _SPACE.cast("f")
DOUBLES = _SPACE.cast("d")

VALUE_BYTES = ctypes.sizeof(_ffi.wasmtime_component_val_t)
RECORD_ENTRY_BYTES = ctypes.sizeof(_ffi.wasmtime_component_valrecord_entry_t)
RECORD_ENTRY_VALUE = _ffi.wasmtime_component_valrecord_entry_t.val.offset
NAME_BYTES = ctypes.sizeof(_ffi.wasm_name_t)
INSTANCE_BYTES = ctypes.sizeof(_ffi.wasmtime_component_instance_t)
FUNCTION_BYTES = ctypes.sizeof(_ffi.wasmtime_component_func_t)
assert (VALUE_BYTES, _ffi.wasmtime_component_val_t.of.offset) == (32, 8), "the layout of values changed"
assert (RECORD_ENTRY_BYTES, RECORD_ENTRY_VALUE, NAME_BYTES) == (48, 16, 16), "the layout of records changed"

VECTOR = struct.Struct("=QQ")
"""size, data: strings, lists, records, tuples, flags and names."""
CONTINUATION = struct.Struct("=QQQ")
"""callback, env, finalizer of an asynchronous host call."""


class Kind:
    """Tags of `wasmtime_component_val_t`."""

    BOOL = _ffi.WASMTIME_COMPONENT_BOOL.value
    S8 = _ffi.WASMTIME_COMPONENT_S8.value
    U8 = _ffi.WASMTIME_COMPONENT_U8.value
    S16 = _ffi.WASMTIME_COMPONENT_S16.value
    U16 = _ffi.WASMTIME_COMPONENT_U16.value
    S32 = _ffi.WASMTIME_COMPONENT_S32.value
    U32 = _ffi.WASMTIME_COMPONENT_U32.value
    S64 = _ffi.WASMTIME_COMPONENT_S64.value
    U64 = _ffi.WASMTIME_COMPONENT_U64.value
    F32 = _ffi.WASMTIME_COMPONENT_F32.value
    F64 = _ffi.WASMTIME_COMPONENT_F64.value
    CHAR = _ffi.WASMTIME_COMPONENT_CHAR.value
    STRING = _ffi.WASMTIME_COMPONENT_STRING.value
    LIST = _ffi.WASMTIME_COMPONENT_LIST.value
    RECORD = _ffi.WASMTIME_COMPONENT_RECORD.value
    TUPLE = _ffi.WASMTIME_COMPONENT_TUPLE.value
    VARIANT = _ffi.WASMTIME_COMPONENT_VARIANT.value
    ENUM = _ffi.WASMTIME_COMPONENT_ENUM.value
    OPTION = _ffi.WASMTIME_COMPONENT_OPTION.value
    RESULT = _ffi.WASMTIME_COMPONENT_RESULT.value
    FLAGS = _ffi.WASMTIME_COMPONENT_FLAGS.value
    RESOURCE = _ffi.WASMTIME_COMPONENT_RESOURCE.value


_ADDRESS = ctypes.c_size_t
_LIBRARY: Any = _ffi.dll
_TEXT = ctypes.c_char_p


def _releasing(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """A function that may run guest code or take long: the GIL is released meanwhile."""
    return ctypes.CFUNCTYPE(result, *arguments)((name, _LIBRARY))


def _holding(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """A function so short that giving up the GIL would cost more, with other busy threads a thousand times more."""
    return ctypes.PYFUNCTYPE(result, *arguments)((name, _LIBRARY))


_INT64 = ctypes.c_int64
engine_increment_epoch = _holding("wasmtime_engine_increment_epoch", None, _ADDRESS)
store_new = _holding("wasmtime_store_new", _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS)
store_context = _holding("wasmtime_store_context", _ADDRESS, _ADDRESS)
store_limiter = _holding("wasmtime_store_limiter", None, _ADDRESS, _INT64, _INT64, _INT64, _INT64, _INT64)
store_delete = _holding("wasmtime_store_delete", None, _ADDRESS)
context_set_fuel = _holding("wasmtime_context_set_fuel", _ADDRESS, _ADDRESS, ctypes.c_uint64)
context_set_epoch_deadline = _holding("wasmtime_context_set_epoch_deadline", None, _ADDRESS, ctypes.c_uint64)
context_yield_at_epoch_deadline = _holding(
    "wasmtime_context_epoch_deadline_async_yield_and_update", None, _ADDRESS, ctypes.c_uint64
)
instantiate_async = _holding(
    "wasmtime_component_linker_instantiate_async", _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS
)
instance_function = _holding(
    "wasmtime_component_instance_get_func", ctypes.c_bool, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS
)
call_async = _holding(
    "wasmtime_component_func_call_async", _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS
)
future_poll = _releasing("wasmtime_call_future_poll", ctypes.c_bool, _ADDRESS)
future_begin = _holding("wasmtime_call_future_poll", ctypes.c_bool, _ADDRESS)
"""A poll in which no guest code runs: the epoch's deadline must be reached."""
future_delete = _holding("wasmtime_call_future_delete", None, _ADDRESS)

error_new = _holding("wasmtime_error_new", _ADDRESS, _TEXT)
error_delete = _holding("wasmtime_error_delete", None, _ADDRESS)
_error_message = _holding("wasmtime_error_message", None, _ADDRESS, _ADDRESS)
_error_trace = _holding("wasmtime_error_wasm_trace", None, _ADDRESS, _ADDRESS)
_frames_delete = _holding("wasm_frame_vec_delete", None, _ADDRESS)
_frame_function_name = _holding("wasmtime_frame_func_name", _ADDRESS, _ADDRESS)
_frame_module_name = _holding("wasmtime_frame_module_name", _ADDRESS, _ADDRESS)
_frame_function_index = _holding("wasm_frame_func_index", ctypes.c_uint32, _ADDRESS)
_frame_module_offset = _holding("wasm_frame_module_offset", ctypes.c_size_t, _ADDRESS)

name_new = _holding("wasm_byte_vec_new", None, _ADDRESS, ctypes.c_size_t, _TEXT)
"""Copies bytes into a new vector at an address: strings and names."""
name_delete = _holding("wasm_byte_vec_delete", None, _ADDRESS)
list_new = _holding("wasmtime_component_vallist_new_uninit", None, _ADDRESS, ctypes.c_size_t)
"""A list of `false`, despite its name; likewise the ones below."""
record_new = _holding("wasmtime_component_valrecord_new_uninit", None, _ADDRESS, ctypes.c_size_t)
tuple_new = _holding("wasmtime_component_valtuple_new_uninit", None, _ADDRESS, ctypes.c_size_t)
flags_new = _holding("wasmtime_component_valflags_new_uninit", None, _ADDRESS, ctypes.c_size_t)
value_box = _holding("wasmtime_component_val_new", _ADDRESS, _ADDRESS)
value_clone = _holding("wasmtime_component_val_clone", None, _ADDRESS, _ADDRESS)
value_delete = _holding("wasmtime_component_val_delete", None, _ADDRESS)

resource_host_new = _holding(
    "wasmtime_component_resource_host_new", _ADDRESS, ctypes.c_bool, ctypes.c_uint32, ctypes.c_uint32
)
resource_host_rep = _holding("wasmtime_component_resource_host_rep", ctypes.c_uint32, _ADDRESS)
resource_host_delete = _holding("wasmtime_component_resource_host_delete", None, _ADDRESS)
resource_host_to_any = _holding("wasmtime_component_resource_host_to_any", _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS)
resource_any_to_host = _holding("wasmtime_component_resource_any_to_host", _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS)

linker_new = _holding("wasmtime_component_linker_new", _ADDRESS, _ADDRESS)
linker_delete = _holding("wasmtime_component_linker_delete", None, _ADDRESS)
linker_root = _holding("wasmtime_component_linker_root", _ADDRESS, _ADDRESS)
linker_instance_delete = _holding("wasmtime_component_linker_instance_delete", None, _ADDRESS)
linker_add_instance = _holding(
    "wasmtime_component_linker_instance_add_instance", _ADDRESS, _ADDRESS, _TEXT, ctypes.c_size_t, _ADDRESS
)
resource_type_new_host = _holding("wasmtime_component_resource_type_new_host", _ADDRESS, ctypes.c_uint32)
resource_type_delete = _holding("wasmtime_component_resource_type_delete", None, _ADDRESS)
component_export_index = _holding(
    "wasmtime_component_get_export_index", _ADDRESS, _ADDRESS, _ADDRESS, _TEXT, ctypes.c_size_t
)
component_export_index_delete = _holding("wasmtime_component_export_index_delete", None, _ADDRESS)

HostFunctionCallback = ctypes.CFUNCTYPE(
    None, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, ctypes.c_size_t, _ADDRESS, ctypes.c_size_t, _ADDRESS, _ADDRESS
)
"""data, context, type, arguments, their number, results, their number, error slot, continuation slot."""
ResourceDestructorCallback = ctypes.CFUNCTYPE(_ADDRESS, _ADDRESS, _ADDRESS, ctypes.c_uint32)
"""data, context, rep -> error or 0."""
linker_add_function = _holding(
    "wasmtime_component_linker_instance_add_func_async",
    _ADDRESS, _ADDRESS, _TEXT, ctypes.c_size_t, HostFunctionCallback, _ADDRESS, _ADDRESS,
)  # fmt: skip
linker_add_resource = _holding(
    "wasmtime_component_linker_instance_add_resource",
    _ADDRESS, _ADDRESS, _TEXT, ctypes.c_size_t, _ADDRESS, ResourceDestructorCallback, _ADDRESS, _ADDRESS,
)  # fmt: skip


def function_address(function: Any) -> Address:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def pointer_of(managed: Any) -> Address:
    """The address behind an object of the `wasmtime` package (`Engine`, `Component`)."""
    return function_address(managed.ptr())


def allocate(size: int) -> tuple[Any, Address]:
    """Zeroed memory: its owner (keep it alive) and its address."""
    owner = ctypes.create_string_buffer(size)
    return owner, ctypes.addressof(owner)


IS_READY: Address = function_address(ctypes.CDLL(None).strlen)
"""The continuation of every host call: `strlen(env)`, read as a bool, says whether the answer is there. So a guest is
resumed without a second callback into Python; the answer is ready once the first byte at `env` is not zero."""

_flags = (ctypes.create_string_buffer(b"\0\0"), ctypes.create_string_buffer(b"\1\0"))
NEVER: Address = ctypes.addressof(_flags[0])
ALWAYS: Address = ctypes.addressof(_flags[1])
_false_owner, FALSE = allocate(VALUE_BYTES)
"""A value to start from: deleting it frees nothing."""


def text_at(vector: Address) -> str:
    """The text of a name or string vector."""
    size, data = VECTOR.unpack_from(_SPACE, vector)
    return str(_SPACE[data : data + size], "utf-8", "replace") if size else ""


def take_error(error: Address) -> tuple[str, tuple[str, ...]]:
    """(message, WebAssembly frames, innermost first) of an error, which is deleted."""
    owner, vector = allocate(VECTOR.size)
    _error_message(error, vector)
    message = text_at(vector)
    name_delete(vector)
    _error_trace(error, vector)
    size, data = VECTOR.unpack_from(_SPACE, vector)
    frames = tuple(_frame_text(WORDS[(data >> 3) + index]) for index in range(size))
    _frames_delete(vector)
    error_delete(error)
    del owner
    return message, frames


_NO_OFFSET = (1 << 64) - 1
"""Of a frame that ran out of stack before its first instruction."""


def _frame_text(frame: Address) -> str:
    name, module = _frame_function_name(frame), _frame_module_name(frame)
    function = text_at(name) if name else f"function {_frame_function_index(frame)}"
    offset = _frame_module_offset(frame)
    if offset == _NO_OFFSET:
        return f"{function} at {text_at(module)}" if module else function
    place = f"{text_at(module)}+" if module else ""
    return f"{function} at {place}{offset:#x}"


def refuse_concurrency(config: Any) -> None:
    """No tasks, streams and futures of the component model, and no bookkeeping for them.

    With it, wasmtime 50.0.1 traps in every host function that is lent two handles (`wasi:io/poll.poll` of two).
    """
    _ffi.wasmtime_config_concurrency_support_set(config.ptr(), False)  # noqa: FBT003 - a C function


def set_fiber_stack(config: Any, size: int) -> None:
    _ffi.wasmtime_config_async_stack_size_set(config.ptr(), size)


_MIB = 1 << 20
POOL_TABLES_PER_GUEST = 4


def use_pool(config: Any, guests: int, table_elements: int) -> None:
    """Take memories, tables and stacks from a pool.

    Measured against allocation on demand: half the cost of a start and 2 instead of 4.9 memory mappings a guest.
    """
    pool = _ffi.wasmtime_pooling_allocation_config_new()
    values = {
        "total_component_instances": guests,
        "total_core_instances": guests * 16,
        "total_memories": guests,
        "total_tables": guests * POOL_TABLES_PER_GUEST,
        "total_stacks": guests,
        "max_memory_size": 4096 * _MIB,
        "table_elements": table_elements,
        "max_component_instance_size": 16 * _MIB,
        "max_core_instance_size": 16 * _MIB,
        "max_core_instances_per_component": 1000,
        "max_memories_per_component": 100,
        "max_tables_per_component": 100,
    }
    for name, value in values.items():
        getattr(_ffi, f"wasmtime_pooling_allocation_config_{name}_set")(pool, value)
    _ffi.wasmtime_pooling_allocation_strategy_set(config.ptr(), pool)
    _ffi.wasmtime_pooling_allocation_config_delete(pool)
