"""Values cross to a guest, from it to the host, back, and out again unchanged."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from obelisk_runtime.core.guest_outcomes import HostFailed, Returned, Trapped
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.engine import WasmtimeEngine
from obelisk_runtime.ports.engine import GuestLimits, HostFunction

LIMITS = GuestLimits()
ECHO = Ffqn.parse("test:guest/echo.echo")

# Seventeen flat parameters do not fit into registers: value and padding come as a pointer, and both results go
# back as one. So the same core code echoes a value of any type, with its bytes untouched.
PADDING = " ".join(f'(param "p{index}" u8)' for index in range(16))
GUEST = r"""(component
  (import "host:api/echo" (instance $h
    %(definitions)s
    (export "echo" (func (param "v" $%(last)s) %(padding)s (result (tuple $%(last)s u8))))))
  %(aliases)s
  (alias export $h "echo" (func $host))
  (core module $memory
    (memory (export "mem") 1) (global $top (mut i32) (i32.const 8192))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
      (global.set $top (i32.add (local.get $at) (local.get 3)))
      (block $ok (loop $grow
        (br_if $ok (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
        (drop (memory.grow (i32.const 16))) (br $grow)))
      (local.get $at)))
  (core instance $mem (instantiate $memory))
  (core func $lowered (canon lower (func $host)
    (memory (core memory $mem "mem")) (realloc (core func $mem "realloc"))))
  (core module $m
    (import "h" "echo" (func $echo (param i32 i32)))
    (func (export "echo") (param i32) (result i32)
      (call $echo (local.get 0) (i32.const 1024)) (i32.const 1024)))
  (core instance $i (instantiate $m (with "h" (instance (export "echo" (func $lowered))))))
  (func $echo (param "v" $%(last)s) %(padding)s (result (tuple $%(last)s u8))
    (canon lift (core func $i "echo") (memory (core memory $mem "mem")) (realloc (core func $mem "realloc"))))
  (instance $e %(exports)s (export "echo" (func $echo)))
  (export "test:guest/echo" (instance $e)))"""


def guest(definitions: dict[str, str]) -> str:
    """`definitions`: WebAssembly text of types by name; the value is of the last one."""
    return GUEST % {
        "last": list(definitions)[-1],
        "definitions": " ".join(
            f'(type $raw-{name} {text}) (export "{name}" (type ${name} (eq $raw-{name})))'
            for name, text in definitions.items()
        ),
        "aliases": " ".join(f'(alias export $h "{name}" (type ${name}))' for name in definitions),
        "exports": " ".join(f'(export "{name}" (type ${name}))' for name in definitions),
        "padding": PADDING,
    }


Echo = Callable[..., Any]


@pytest.fixture
def echo(engine: WasmtimeEngine, component: Callable[[str], bytes]) -> Echo:
    """Send a value through the guest; returns (what the host function saw, the outcome)."""

    async def through(
        definitions: dict[str, str],
        value: Any,
        limits: GuestLimits = LIMITS,
        answer: Callable[[Any], Any] = lambda value: value,
    ) -> tuple[Any, Any]:
        seen: list[Any] = []

        def host(_context: object, arguments: tuple[Any, ...]) -> Any:
            seen.append(arguments[0])
            return [answer(arguments[0]), arguments[1]]

        functions: dict[tuple[str, str], HostFunction] = {("host:api/echo", "echo"): host}
        linked = (await engine.compile(component(guest(definitions)))).link(functions, {})
        outcome = await linked.start(ECHO, (value, *range(16)), None, limits).wait()
        return (seen[0] if seen else None), outcome

    return through


ALL_TYPES: list[tuple[dict[str, str], list[Any]]] = [
    ({"t": "bool"}, [True, False]),
    ({"t": "s8"}, [-128, 127]),
    ({"t": "u8"}, [0, 255]),
    ({"t": "s16"}, [-(2**15), 2**15 - 1]),
    ({"t": "u16"}, [0, 2**16 - 1]),
    ({"t": "s32"}, [-(2**31), 2**31 - 1]),
    ({"t": "u32"}, [0, 2**32 - 1]),
    ({"t": "s64"}, [-(2**63), 2**63 - 1]),
    ({"t": "u64"}, [0, 2**64 - 1]),
    ({"t": "f32"}, [0.0, -1.5, math.inf, -math.inf]),
    ({"t": "f64"}, [0.1, -0.0, 1e308, math.inf]),
    ({"t": "char"}, ["a", "\0", "\U0010ffff"]),
    ({"t": "string"}, ["", "plain", "grüße\0 \U0001f600"]),
    ({"t": "(list u8)"}, [b"", b"\0\xff", bytes(range(256)) * 300]),
    ({"t": "(list s8)"}, [[], [-1, 127]]),
    ({"t": "(list u16)"}, [[1, 65535]]),
    ({"t": "(list s32)"}, [[-1, 2**31 - 1]]),
    ({"t": "(list u64)"}, [list(range(2**64 - 5, 2**64))]),
    ({"t": "(list f32)"}, [[1.5, -0.25]]),
    ({"t": "(list f64)"}, [[0.1, math.inf]]),
    ({"t": "(list bool)"}, [[True, False, True]]),
    ({"t": "(list char)"}, [["a", "ß"]]),
    ({"t": "(list string)"}, [[], ["", "one", "zwei"]]),
    ({"t": "(list (list u8))"}, [[b"", b"ab"]]),
    ({"t": "(option u32)"}, [None, 0, 7]),
    ({"t": "(option (option u32))"}, [None, {"some": None}, {"some": 7}]),
    ({"t": "(option (list string))"}, [None, [], ["a"]]),
    ({"t": "(result)"}, [{"ok": None}, {"err": None}]),
    ({"t": "(result u64)"}, [{"ok": 2**64 - 1}, {"err": None}]),
    ({"t": "(result (error string))"}, [{"ok": None}, {"err": "bad"}]),
    ({"t": "(result (option string) (error string))"}, [{"ok": None}, {"ok": "a"}, {"err": "b"}]),
    ({"t": "(tuple u8 string f64)"}, [[1, "two", 3.0]]),
    ({"t": '(record (field "first-name" string) (field "age" u8))'}, [{"first_name": "Ada", "age": 36}]),
    ({"t": '(variant (case "at-once") (case "in-days" u32) (case "named" string))'},
     ["at_once", {"in_days": 3}, {"named": "x"}]),
    ({"t": '(enum "one" "twenty-two")'}, ["one", "twenty_two"]),
    ({"t": '(flags "read" "write-back" "run")'}, [[], ["write_back"], ["read", "write_back", "run"]]),
    (
        {
            "kind": '(enum "big" "small")',
            "item": '(record (field "kind" $kind) (field "tags" (list string)))',
            "tree": '(variant (case "leaf" $item) (case "many" (list $item)) (case "none"))',
            "t": '(record (field "tree" (option $tree)) (field "pair" (tuple $kind (result $item (error $kind)))))',
        },
        [
            {"tree": None, "pair": ["big", {"err": "small"}]},
            {
                "tree": {"many": [{"kind": "big", "tags": ["a", "b"]}, {"kind": "small", "tags": []}]},
                "pair": ["small", {"ok": {"kind": "big", "tags": ["c"]}}],
            },
            {"tree": "none", "pair": ["small", {"ok": {"kind": "big", "tags": []}}]},
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("definitions", "values"), ALL_TYPES, ids=[list(row[0].values())[-1] for row in ALL_TYPES])
async def test_a_value_of_every_type_crosses_unchanged(echo: Echo, definitions: dict[str, str], values: Any) -> None:
    for value in values:
        seen, outcome = await echo(definitions, value)
        assert seen == value
        assert type(seen) is type(value)
        assert outcome == Returned([value, 0])
        assert type(outcome.value[0]) is type(value)


@pytest.mark.parametrize("name", ["f32", "f64"])
async def test_a_nan_stays_a_nan(echo: Echo, name: str) -> None:
    seen, outcome = await echo({"t": name}, math.nan)
    assert math.isnan(seen)
    assert math.isnan(outcome.value[0])


async def test_flags_come_in_the_order_of_their_declaration(echo: Echo) -> None:
    seen, _ = await echo({"t": '(flags "a" "b" "c")'}, ["c", "a"])
    assert seen == ["a", "c"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("string", "x" * 2_000), ("(list u8)", b"x" * 2_000), ("(list u64)", [1] * 250), ("(list string)", ["x" * 1_500])],
)
async def test_payload_above_the_limit_traps_with_size_and_limit(echo: Echo, text: str, value: Any) -> None:
    large = replace(LIMITS, payload_bytes=1_000)
    _, fits = await echo({"t": text}, value[:1] if text != "(list string)" else ["x" * 900], limits=large)
    assert isinstance(fits, Returned)
    small: Any = {"string": "", "(list u8)": b"", "(list u64)": [], "(list string)": []}[text]
    seen, outcome = await echo({"t": text}, small, limits=large, answer=lambda _: value)
    assert seen == small
    assert isinstance(outcome, Trapped)
    assert "1000" in outcome.message


@pytest.mark.parametrize(
    ("definitions", "good", "bad"),
    [
        ({"t": "u8"}, 1, 256),
        ({"t": "string"}, "", 5),
        ({"t": "(list string)"}, ["a"], ["a", 3]),
        ({"t": "(option string)"}, None, 5),
        ({"t": "(list u8)"}, b"", "text"),
        ({"t": '(record (field "a" string) (field "b" string))'}, {"a": "", "b": ""}, {"a": "x"}),
        ({"t": '(variant (case "a" string) (case "b"))'}, "b", {"a": 7}),
        ({"t": '(enum "a" "b")'}, "a", "c"),
        ({"t": '(flags "a" "b")'}, [], ["c"]),
        ({"t": "(result string)"}, {"err": None}, {"ok": 3}),
        ({"t": "(tuple u8 string)"}, [1, ""], [1]),
    ],
)
async def test_an_answer_of_another_type_is_a_bug_of_the_host(
    echo: Echo, definitions: dict[str, str], good: Any, bad: Any
) -> None:
    seen, outcome = await echo(definitions, good, answer=lambda _: bad)
    assert seen == good
    assert isinstance(outcome, HostFailed)


async def test_an_argument_of_another_type_is_refused_and_leaves_nothing(
    engine: WasmtimeEngine, component: Callable[[str], bytes]
) -> None:
    compiled = await engine.compile(component(guest({"t": "(list string)"})))
    linked = compiled.link({("host:api/echo", "echo"): lambda _, arguments: arguments[0]}, {})
    with pytest.raises(AttributeError):
        linked.start(ECHO, (["a", 1], *range(16)), None, LIMITS)
    with pytest.raises(TypeError, match="17 arguments expected, 1 given"):
        linked.start(ECHO, (["a"],), None, LIMITS)
    assert engine.guests == 0


async def test_types_are_described_structurally(engine: WasmtimeEngine, component: Callable[[str], bytes]) -> None:
    definitions, _ = ALL_TYPES[-1]
    compiled = await engine.compile(component(guest(definitions)))
    assert str(compiled.exports[ECHO].params[0][1]) == (
        "record { tree: option<variant { leaf(record { kind: enum { big, small }, tags: list<string> }), "
        "many(list<record { kind: enum { big, small }, tags: list<string> }>), none }>, "
        "pair: tuple<enum { big, small }, "
        "result<record { kind: enum { big, small }, tags: list<string> }, enum { big, small }>> }"
    )
    assert compiled.imports[0].type == compiled.exports[ECHO]


async def test_values_leave_no_memory_behind(
    engine: WasmtimeEngine, component: Callable[[str], bytes], resident_bytes: Callable[[], int]
) -> None:
    text = '(variant (case "all" (tuple (list string) (list u8) (option string))) (case "no" (result string)))'
    value = {"all": [["x" * 1_000] * 10, b"y" * 10_000, "z" * 10_000]}
    waits: list[Any] = []
    on_loop = replace(LIMITS, may_use_threads=False)

    def host(_context: object, arguments: tuple[Any, ...]) -> Any:
        return waits[0] if waits else [arguments[0], 0]

    linked = (await engine.compile(component(guest({"t": text})))).link({("host:api/echo", "echo"): host}, {})

    def many() -> None:
        for index in range(300):
            call = linked.start(ECHO, (value, *range(16)), None, on_loop)
            if index % 3:
                call.poll()
            call.drop()

    many()
    floor = resident_bytes()
    many()
    waits.append(asyncio.get_running_loop().create_future())
    many()
    assert resident_bytes() < floor + 3_000_000
