"""wasi:random: all of it drawn from the guest's world."""

from obelisk_runtime.ports.engine import GuestTrap
from obelisk_runtime.wasi.state import Interfaces, WasiState

RANDOM_BYTES_MAX = 1024 * 1024
"""In one call; more traps, since a shorter answer would pass for a full one."""


def random_bytes(state: WasiState, length: int) -> bytes:
    if length > RANDOM_BYTES_MAX:
        raise GuestTrap(f"{length} random bytes were asked for at once; the most is {RANDOM_BYTES_MAX}")
    return state.world.random_bytes(length)


def random_u64(state: WasiState) -> int:
    return int.from_bytes(state.world.random_bytes(8), "little")


def insecure_seed(state: WasiState) -> list[int]:
    return [random_u64(state), random_u64(state)]


INTERFACES: Interfaces = {
    "random": {
        "get-random-bytes: func(len: u64) -> list<u8>": random_bytes,
        "get-random-u64: func() -> u64": random_u64,
    },
    "insecure": {
        "get-insecure-random-bytes: func(len: u64) -> list<u8>": random_bytes,
        "get-insecure-random-u64: func() -> u64": random_u64,
    },
    "insecure-seed": {"insecure-seed: func() -> tuple<u64, u64>": insecure_seed},
}
