"""Guests on wasmtime: compiled once, linked to host functions, run as fibers on asyncio."""

from obelisk_runtime.engine.engine import WasmtimeEngine, digest_of
from obelisk_runtime.engine.introspect import Surface
from obelisk_runtime.engine.settings import EngineSettings

__all__ = ["EngineSettings", "Surface", "WasmtimeEngine", "digest_of"]
