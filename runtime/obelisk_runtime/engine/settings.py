"""The one place where a wasmtime engine is built: what guests may use, and what makes them deterministic."""

import mmap
from dataclasses import dataclass

from wasmtime import Config, Engine

from obelisk_runtime.engine import native

_SLOT_BYTES = (4 << 30) + (64 << 20)
"""Address space of one guest's memory and its guard, as large as lets the code do without checks of bounds."""
_POOL_GUESTS_MIN = 64


@dataclass(frozen=True, slots=True)
class EngineSettings:
    guests_max: int = 10_000
    """Guests alive at once; the next one meets `GuestsExhausted`. Address space for their memories is reserved first,
    and fewer are allowed where the process has not enough of it."""
    fuel: bool = False
    """Whether `GuestLimits.fuel` can be used; counting instructions slows guests down."""
    worker_threads: int = 2
    """Threads that run the guests that compute for long."""
    wasm_stack_bytes: int = 1 << 20
    fiber_stack_bytes: int = 2 << 20
    """The stack of a guest and of the host functions it calls: they run on what `wasm_stack_bytes` leaves."""
    table_elements_max: int = 100_000
    """Upper bound of `GuestLimits.table_elements`."""


def build_engine(settings: EngineSettings) -> Engine:
    """The pool of guests is `guests_max`, halved until its address space can be reserved; without any below 64."""
    config = Config()
    config.wasm_component_model = True
    config.epoch_interruption = True
    config.consume_fuel = settings.fuel
    config.wasm_threads = False
    config.shared_memory = False
    config.wasm_relaxed_simd_deterministic = True
    config.cranelift_nan_canonicalization = True
    config.memory_init_cow = True
    config.max_wasm_stack = settings.wasm_stack_bytes
    native.refuse_concurrency(config)
    native.set_fiber_stack(config, settings.fiber_stack_bytes)
    guests = settings.guests_max
    while not _can_reserve(guests * _guest_bytes(settings)) and guests >= _POOL_GUESTS_MIN:
        guests //= 2
    if guests >= min(_POOL_GUESTS_MIN, settings.guests_max):
        native.use_pool(config, guests, settings.table_elements_max)
    return Engine(config)


def _guest_bytes(settings: EngineSettings) -> int:
    tables = native.POOL_TABLES_PER_GUEST * settings.table_elements_max * 16
    return _SLOT_BYTES + tables + settings.fiber_stack_bytes


def compile_fingerprint(settings: EngineSettings) -> str:
    """What distinguishes artifacts of engines built by this module, beside the version of wasmtime."""
    return f"nan-canonical,relaxed-simd-deterministic,no-threads,no-concurrency,epochs,fuel={settings.fuel}"


def _can_reserve(size: int) -> bool:
    # wasmtime aborts the process when its pool cannot be mapped, so it is tried first.
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE, prot=_PROT_NONE).close()
    except (OSError, ValueError, OverflowError):
        return False
    return True


_PROT_NONE = 0
_MAP_NORESERVE = 0x4000
