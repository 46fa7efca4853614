import pytest

from obelisk_runtime.core.host_types import BORROWED_JOIN_SET, HOST_FUNCTIONS
from obelisk_runtime.core.interfaces import (
    AwaitNext,
    DirectCall,
    Get,
    HostFunction,
    Import,
    Schedule,
    Stub,
    Submit,
    UnknownImport,
    WasiFunction,
    classify,
    derive,
)
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import Primitive
from obelisk_runtime.core.wit_text import parse_function

FOO = Ffqn.parse("ns:pkg/ifc@1.0.0.foo")
EXECUTION_ID = "record { id: string }"
FUNCTION = "record { interface-name: string, function-name: string }"
MISMATCH = (
    f"record {{ specified-function: {FUNCTION}, actual-function: option<{FUNCTION}>, "
    f"actual-id: variant {{ execution-id({EXECUTION_ID}), delay-id({EXECUTION_ID}) }} }}"
)
SCHEDULE_AT = (
    "variant { now, at(record { seconds: u64, nanoseconds: u32 }), "
    "in(variant { milliseconds(u64), seconds(u64), minutes(u32), hours(u32), days(u32) }) }"
)


def test_the_host_derives_five_functions_of_an_exported_one_and_keeps_the_version_at_the_end():
    derived = derive(FOO, parse_function("func(a: u32) -> result<u64, string>"))
    assert {key: str(item) for key, item in derived.items()} == {
        ("ns:pkg-obelisk-ext/ifc@1.0.0", "foo-submit"): f"func(join-set: borrow<join-set>, a: u32) -> {EXECUTION_ID}",
        ("ns:pkg-obelisk-ext/ifc@1.0.0", "foo-await-next"): (
            "func(join-set: borrow<join-set>) -> result<result<u64, string>, "
            f"variant {{ all-processed, function-mismatch({MISMATCH}) }}>"
        ),
        ("ns:pkg-obelisk-ext/ifc@1.0.0", "foo-get"): (
            f"func(execution-id: {EXECUTION_ID}) -> result<result<u64, string>, "
            f"variant {{ function-mismatch({MISMATCH}), not-found-in-processed-responses }}>"
        ),
        ("ns:pkg-obelisk-schedule/ifc@1.0.0", "foo-schedule"): (
            f"func(schedule-at: {SCHEDULE_AT}, a: u32) -> {EXECUTION_ID}"
        ),
        ("ns:pkg-obelisk-stub/ifc@1.0.0", "foo-stub"): (
            f"func(execution-id: {EXECUTION_ID}, execution-result: result<u64, string>) -> "
            "result<_, variant { execution-not-found, type-check-error(string), conflict }>"
        ),
    }
    assert derived["ns:pkg-obelisk-ext/ifc@1.0.0", "foo-submit"].params == (
        ("join-set", BORROWED_JOIN_SET),
        ("a", Primitive.U32),
    )


@pytest.mark.parametrize(
    ("interface", "name", "expected"),
    [
        ("ns:pkg/ifc@1.0.0", "foo", DirectCall(FOO)),
        ("ns:pkg/ifc@1.0.0", "foo-submit", DirectCall(Ffqn.parse("ns:pkg/ifc@1.0.0.foo-submit"))),
        ("ns:pkg-obelisk-ext/ifc@1.0.0", "foo-submit", Submit(FOO)),
        ("ns:pkg-obelisk-ext/ifc@1.0.0", "foo-await-next", AwaitNext(FOO)),
        ("ns:pkg-obelisk-ext/ifc@1.0.0", "foo-get", Get(FOO)),
        ("ns:pkg-obelisk-ext/ifc", "get-get", Get(Ffqn.parse("ns:pkg/ifc.get"))),
        ("ns:pkg-obelisk-schedule/ifc@1.0.0", "foo-schedule", Schedule(FOO)),
        ("ns:pkg-obelisk-stub/ifc@1.0.0", "foo-stub", Stub(FOO)),
        ("obelisk:log/log@1.0.0", "info", HostFunction("obelisk:log/log@1.0.0", "info")),
        ("wasi:cli/stdout@0.2.3", "get-stdout", WasiFunction("wasi:cli/stdout@0.2.3", "get-stdout")),
    ],
)
def test_an_import_is_known_by_its_name(interface: str, name: str, expected: Import):
    assert classify(interface, name) == expected


@pytest.mark.parametrize(
    ("interface", "name"),
    [
        ("ns:pkg-obelisk-ext/ifc", "foo"),
        ("ns:pkg-obelisk-ext/ifc", "foo-schedule"),
        ("ns:pkg-obelisk-ext/ifc", "-submit"),
        ("ns:pkg-obelisk-schedule/ifc", "foo-submit"),
        ("ns:pkg/ifc", "[method]thing.do"),
        ("ifc", "foo"),
        ("", "foo"),
    ],
)
def test_an_import_that_makes_no_sense_is_unknown(interface: str, name: str):
    assert classify(interface, name) == UnknownImport(interface, name)


def test_every_derived_function_is_classified_as_what_it_is():
    kinds = [classify(*key) for key in derive(FOO, parse_function("func() -> result"))]
    assert kinds == [Submit(FOO), AwaitNext(FOO), Get(FOO), Schedule(FOO), Stub(FOO)]


def test_every_host_function_is_classified_as_one():
    assert all(classify(*key) == HostFunction(*key) for key in HOST_FUNCTIONS)
