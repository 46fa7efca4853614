"""wasi:clocks: the clocks of the guest's world; its time zone is UTC."""

from obelisk_runtime.ports.engine import Value
from obelisk_runtime.wasi.pollables import ClockPollable
from obelisk_runtime.wasi.state import Interfaces, WasiState

_SECOND = 1_000_000
_U64_MAX = 2**64 - 1


def monotonic_now(state: WasiState) -> int:
    return state.world.monotonic()


def monotonic_resolution(_: WasiState) -> int:
    return 1


def subscribe_instant(state: WasiState, when: int) -> int:
    return state.add(ClockPollable(when))


def subscribe_duration(state: WasiState, when: int) -> int:
    return state.add(ClockPollable(min(state.world.monotonic() + when, _U64_MAX) if when else 0))


def wall_now(state: WasiState) -> Value:
    seconds, microseconds = divmod(state.world.wall_clock(), _SECOND)
    return {"seconds": seconds, "nanoseconds": microseconds * 1_000}


def wall_resolution(_: WasiState) -> Value:
    return {"seconds": 0, "nanoseconds": 1_000}


def timezone_display(_: WasiState, _when: Value) -> Value:
    return {"utc_offset": 0, "name": "UTC", "in_daylight_saving_time": False}


def utc_offset(_: WasiState, _when: Value) -> int:
    return 0


_DATETIME = "record { seconds: u64, nanoseconds: u32 }"
_DISPLAY = "record { utc-offset: s32, name: string, in-daylight-saving-time: bool }"

INTERFACES: Interfaces = {
    "monotonic-clock": {
        "now: func() -> u64": monotonic_now,
        "resolution: func() -> u64": monotonic_resolution,
        "subscribe-instant: func(when: u64) -> own<pollable>": subscribe_instant,
        "subscribe-duration: func(when: u64) -> own<pollable>": subscribe_duration,
    },
    "wall-clock": {
        f"now: func() -> {_DATETIME}": wall_now,
        f"resolution: func() -> {_DATETIME}": wall_resolution,
    },
    "timezone": {
        f"display: func(when: {_DATETIME}) -> {_DISPLAY}": timezone_display,
        f"utc-offset: func(when: {_DATETIME}) -> s32": utc_offset,
    },
}
