from collections.abc import Callable
from typing import Any

import pytest

from obelisk_runtime.core.types import (
    Borrow,
    EnumOf,
    FunctionType,
    ListOf,
    OptionOf,
    Own,
    Primitive,
    ResultOf,
    TupleOf,
)
from obelisk_runtime.ports.engine import GuestTrap
from obelisk_runtime.wasi import UnknownWasiInterface, WasiBinding, WasiFunctionDiffers, WasiNotProvided, WasiState
from obelisk_runtime.wasi.binding import _PACKAGES
from obelisk_runtime.wasi.state import Resource

Bind = Callable[[str, str, FunctionType], WasiBinding]
Ask = Callable[..., Any]
BYTES = FunctionType((("len", Primitive.U64),), ListOf(Primitive.U8))
NETWORK_ERROR = EnumOf(("unknown", "access-denied", "not-supported"))
FILESYSTEM_ERROR = EnumOf(("access", "would-block", "unsupported", "not-permitted"))
SELF = ("self", Borrow("wasi:filesystem/types@0.2.0.descriptor"))


@pytest.mark.parametrize("version", ["0.2.0", "0.2.9", "0.2.12"])
def test_any_patch_version_is_taken(bind_one: Bind, version: str) -> None:
    interface = f"wasi:random/random@{version}"
    assert set(bind_one(interface, "get-random-bytes", BYTES).functions) == {(interface, "get-random-bytes")}


@pytest.mark.parametrize(
    "interface",
    [
        "wasi:random/random",
        "wasi:random/random@0.3.0",
        "wasi:random/random@0.2.0-rc-2023-11-10",
        "wasi:random/dice@0.2.0",
        "wasi:nn/graph@0.2.0",
    ],
)
def test_an_interface_that_is_not_known_is_refused_by_name(bind_one: Bind, interface: str) -> None:
    with pytest.raises(WasiNotProvided, match=interface) as caught:
        bind_one(interface, "get-random-bytes", BYTES)
    assert caught.value.problems == (UnknownWasiInterface(interface),)


def test_a_resource_of_an_unknown_interface_is_refused(bind_resource: Callable[[str, str], WasiBinding]) -> None:
    with pytest.raises(WasiNotProvided, match=r"wasi:nn/tensor@0\.2\.0"):
        bind_resource("wasi:nn/tensor@0.2.0", "tensor")


def test_a_known_function_of_another_type_is_refused_showing_both(bind_one: Bind) -> None:
    with pytest.raises(WasiNotProvided) as caught:
        bind_one("wasi:random/random@0.2.0", "get-random-bytes", FunctionType((), Primitive.U32))
    assert caught.value.problems == (
        WasiFunctionDiffers("wasi:random/random@0.2.0.get-random-bytes", "func() -> u32", "func(len: u64) -> list<u8>"),
    )
    assert "func() -> u32" in str(caught.value)
    assert "func(len: u64) -> list<u8>" in str(caught.value)


def test_imports_from_elsewhere_are_left_alone(
    bind_one: Bind, bind_resource: Callable[[str, str], WasiBinding]
) -> None:
    assert not bind_one("obelisk:log/log@1.0.0", "info", FunctionType((), None)).functions
    assert not bind_resource("obelisk:types/join-set@5.0.0", "join-set").destructors


def test_a_dropped_handle_leaves_the_table(bind_resource: Callable[[str, str], WasiBinding], state: WasiState) -> None:
    rep = state.add(Resource())
    drop = bind_resource("wasi:io/streams@0.2.3", "output-stream").destructors["wasi:io/streams@0.2.3", "output-stream"]
    context = type("Context", (), {"wasi": state})()
    drop(context, rep)
    with pytest.raises(KeyError):
        state.get(rep, Resource)


@pytest.mark.parametrize(
    ("interface", "name", "type_", "answer"),
    [
        (
            "wasi:sockets/tcp-create-socket@0.2.9",
            "create-tcp-socket",
            FunctionType((), ResultOf(Own("tcp-socket"), NETWORK_ERROR)),
            {"err": "access_denied"},
        ),
        (
            "wasi:filesystem/types@0.2.9",
            "[method]descriptor.sync",
            FunctionType((SELF,), ResultOf(None, FILESYSTEM_ERROR)),
            {"err": "access"},
        ),
        (
            "wasi:filesystem/preopens@0.2.9",
            "get-directories",
            FunctionType((), ListOf(TupleOf((Own("descriptor"), Primitive.STRING)))),
            [],
        ),
        (
            "wasi:cli/terminal-stdout@0.2.9",
            "get-terminal-stdout",
            FunctionType((), OptionOf(Own("terminal-output"))),
            None,
        ),
    ],
)
def test_what_is_not_implemented_is_denied_in_the_shape_of_its_result(
    ask: Ask, interface: str, name: str, type_: FunctionType, answer: object
) -> None:
    arguments = [1] * len(type_.params)
    assert ask(interface, name, type_, *arguments) == answer


@pytest.mark.parametrize("result", [None, Primitive.BOOL, ResultOf(None, None), ResultOf(None, EnumOf(("timeout",)))])
def test_what_cannot_say_no_traps_with_its_name(ask: Ask, result: Any) -> None:
    with pytest.raises(GuestTrap, match=r"wasi:sockets/tcp@0\.2\.9\.brew is not available to guests"):
        ask("wasi:sockets/tcp@0.2.9", "brew", FunctionType((), result))


def test_the_network_is_a_handle_that_opens_nothing(ask: Ask, state: WasiState) -> None:
    type_ = FunctionType((), Own("wasi:sockets/network@0.2.9.network"))
    rep = ask("wasi:sockets/instance-network@0.2.9", "instance-network", type_)
    assert state.get(rep, object) is not None


def test_signatures_of_implemented_functions_are_a_name_and_a_type() -> None:
    for interfaces in _PACKAGES.values():
        for functions in interfaces.values():
            for signature in functions:
                name, separator, type_ = signature.partition(": ")
                assert name, signature
                assert separator, signature
                assert type_.startswith("func("), signature
