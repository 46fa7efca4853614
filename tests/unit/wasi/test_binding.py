from collections.abc import Callable
from typing import Any

import pytest

from obelisk_runtime.core.types import EnumOf, FunctionType, ListOf, OptionOf, Own, Primitive
from obelisk_runtime.core.wit_text import parse_function
from obelisk_runtime.ports.engine import GuestTrap
from obelisk_runtime.testing.world import ScriptedWorld
from obelisk_runtime.wasi import (
    UnknownWasiFunction,
    UnknownWasiInterface,
    WasiBinding,
    WasiFunctionDiffers,
    WasiNotProvided,
    WasiState,
    sockets,
)
from obelisk_runtime.wasi.binding import _PACKAGES
from obelisk_runtime.wasi.state import Resource

Bind = Callable[[str, str, FunctionType], WasiBinding]
Ask = Callable[..., Any]
BYTES = FunctionType((("len", Primitive.U64),), ListOf(Primitive.U8))


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
    ("interface", "name", "type_"),
    [
        ("wasi:sockets/tcp-create-socket", "create-tcp-socket", "result<own<tcp-socket>, {}>"),
        ("wasi:sockets/udp-create-socket", "create-udp-socket", "result<own<udp-socket>, {}>"),
    ],
)
def test_no_socket_is_ever_made(ask: Ask, interface: str, name: str, type_: str) -> None:
    code = sockets.INTERFACES["network"]
    (signature,) = code
    error = signature.partition("option<")[2][:-1]
    family = (("address-family", EnumOf(("ipv4", "ipv6"))),)
    made = parse_function(f"func() -> {type_.format(error)}").result
    assert ask(f"{interface}@0.2.9", name, FunctionType(family, made), "ipv4") == {"err": "access_denied"}


def test_no_name_is_looked_up_and_no_error_is_the_networks(state: WasiState) -> None:
    assert sockets.denied(state, 1, "localhost") == {"err": "access_denied"}
    assert sockets.network_error_code(state, 1) is None


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_there_is_no_terminal(ask: Ask, name: str) -> None:
    kind = "terminal-input" if name == "stdin" else "terminal-output"
    type_ = FunctionType((), OptionOf(Own(kind)))
    assert ask(f"wasi:cli/terminal-{name}@0.2.9", f"get-terminal-{name}", type_) is None


def test_a_function_that_an_interface_does_not_have_is_refused_at_load_by_name(bind_one: Bind) -> None:
    with pytest.raises(WasiNotProvided) as caught:
        bind_one("wasi:sockets/tcp@0.2.9", "brew", FunctionType((), None))
    assert caught.value.problems == (UnknownWasiFunction("wasi:sockets/tcp@0.2.9.brew"),)


@pytest.mark.parametrize("interface", ["wasi:keyvalue/store@0.2.0", "wasi:io/streams@0.3.0", "wasi:http/types@0.3.0"])
def test_other_proposals_and_the_next_version_are_refused_at_load_by_name(bind_one: Bind, interface: str) -> None:
    with pytest.raises(WasiNotProvided) as caught:
        bind_one(interface, "open", FunctionType((), None))
    assert str(caught.value).startswith(f"it imports {interface}, which this host does not have")


def test_the_network_is_a_handle_that_opens_nothing(ask: Ask, state: WasiState) -> None:
    type_ = FunctionType((), Own("wasi:sockets/network@0.2.9.network"))
    rep = ask("wasi:sockets/instance-network@0.2.9", "instance-network", type_)
    assert state.get(rep, object) is not None


def test_signatures_are_written_as_the_engine_prints_types() -> None:
    for interfaces in _PACKAGES.values():
        for functions in interfaces.values():
            for signature in functions:
                name, _, type_ = signature.partition(": ")
                assert name, signature
                assert type_ == "" or str(parse_function(type_)) == type_, signature


def test_only_methods_of_sockets_that_nobody_has_are_without_a_type() -> None:
    untyped = [
        signature
        for package, interfaces in _PACKAGES.items()
        if package != "sockets"
        for functions in interfaces.values()
        for signature in functions
        if ": " not in signature
    ]
    assert untyped == []
    with pytest.raises(GuestTrap, match="there are no sockets"):
        sockets.unreachable(WasiState(ScriptedWorld()), 1)
