from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from obelisk_runtime.core.types import FunctionType
from obelisk_runtime.ports.engine import ImportedFunction, ImportedResource
from obelisk_runtime.testing.world import ScriptedWorld
from obelisk_runtime.wasi import WasiState
from obelisk_runtime.wasi.binding import WasiBinding, bind


@dataclass
class Imports:
    """The part of a compiled component that WASI looks at."""

    imports: tuple[ImportedFunction, ...] = ()
    resources: tuple[ImportedResource, ...] = ()


@dataclass
class Context:
    wasi: WasiState


@pytest.fixture
def world() -> ScriptedWorld:
    return ScriptedWorld()


@pytest.fixture
def state(world: ScriptedWorld) -> WasiState:
    return WasiState(world)


@pytest.fixture
def bind_one() -> Callable[[str, str, FunctionType], WasiBinding]:
    def bind_one(interface: str, name: str, type_: FunctionType) -> WasiBinding:
        return bind(Imports((ImportedFunction(interface, name, type_),)))  # type: ignore[arg-type]

    return bind_one


@pytest.fixture
def bind_resource() -> Callable[[str, str], WasiBinding]:
    def bind_resource(interface: str, name: str) -> WasiBinding:
        return bind(Imports(resources=(ImportedResource(interface, name),)))  # type: ignore[arg-type]

    return bind_resource


@pytest.fixture
def ask(state: WasiState, bind_one: Callable[[str, str, FunctionType], WasiBinding]) -> Callable[..., Any]:
    """Bind one function and call it as the engine would."""

    def ask(interface: str, name: str, type_: FunctionType, *arguments: Any) -> Any:
        return bind_one(interface, name, type_).functions[interface, name](Context(state), arguments)

    return ask
