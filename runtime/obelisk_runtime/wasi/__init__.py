"""WASI 0.2 for guests: what a component imports from `wasi:*`, bound to the world its call runs in.

The context object of a call has an attribute `wasi: WasiState`, made anew for every call:

    binding = wasi.bind(component)                          # once for a component
    linked = component.link(functions | binding.functions, destructors | binding.destructors)
    context.wasi = wasi.WasiState(world)                    # for each call
"""

from obelisk_runtime.wasi.binding import (
    Problem,
    UnknownWasiFunction,
    UnknownWasiInterface,
    WasiBinding,
    WasiFunctionDiffers,
    WasiNotProvided,
    bind,
)
from obelisk_runtime.wasi.files.open_file import OpenFiles
from obelisk_runtime.wasi.state import WasiContext, WasiState

__all__ = [
    "OpenFiles",
    "Problem",
    "UnknownWasiFunction",
    "UnknownWasiInterface",
    "WasiBinding",
    "WasiContext",
    "WasiFunctionDiffers",
    "WasiNotProvided",
    "WasiState",
    "bind",
]
