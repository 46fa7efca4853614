"""What the tiny components do, each on a host that has just what it imports."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from wasmtime import Config, Engine, Store, WasmtimeError
from wasmtime.component import Component, Linker, Record, ResourceHost, ResourceType, Variant

REPOSITORY = Path(__file__).resolve().parents[2]
JOIN_SET = 1
"""The host's number for its resource type."""
U64_MAX = 2**64 - 1

HostFunctions = Mapping[str, Mapping[str, Callable[..., Any]]]
JOIN_SETS = "obelisk:types/join-set@5.0.0"
TYPES_ONLY: HostFunctions = {
    JOIN_SETS: {},
    "obelisk:types/time@5.0.0": {},
    "obelisk:types/execution@5.0.0": {},
    "testing:flaky/flaky": {},
}


class Guest:
    """A component on a host that has the types of Obelisk and the given functions, `{interface: {name: function}}`."""

    def __init__(self, name: str, functions: HostFunctions) -> None:
        config = Config()
        config.consume_fuel = True
        engine = Engine(config)
        self.component = Component(engine, (REPOSITORY / "build" / "components" / f"{name}.wasm").read_bytes())
        self.store = Store(engine)
        self.store.set_fuel(10_000_000)
        self.store.set_limits(memory_size=8 * 1024 * 1024)
        self.dropped: list[int] = []
        linker = Linker(engine)
        with linker.root() as root:
            for interface, members in {**TYPES_ONLY, **functions}.items():
                with root.add_instance(interface) as instance:
                    if interface == JOIN_SETS:
                        instance.add_resource("join-set", ResourceType.host(JOIN_SET), self._drop)
                    for member, function in members.items():
                        instance.add_func(member, function)
        self.instance = linker.instantiate(self.store, self.component)

    def _drop(self, _store: object, rep: int) -> None:
        self.dropped.append(rep)

    def call(self, interface: str, function: str, *arguments: Any) -> Any:
        outer = self.instance.get_export_index(self.store, interface)
        assert outer is not None
        inner = self.instance.get_export_index(self.store, function, outer)
        assert inner is not None
        exported = self.instance.get_func(self.store, inner)
        assert exported is not None
        return exported(self.store, *arguments)


@pytest.fixture(scope="module", autouse=True)
def products() -> None:
    """The tiny components of this checkout."""
    tiny = [
        path.parent.name
        for path in (REPOSITORY / "components").glob("*/component.toml")
        if "wat" in path.read_text(encoding="utf-8")
    ]
    subprocess.run([sys.executable, "components/build.py", *tiny], cwd=REPOSITORY, check=True, capture_output=True)


def record(**fields: Any) -> Record:
    value = Record()
    for name, field in fields.items():
        setattr(value, name.replace("_", "-"), field)
    return value


def own_join_set(_store: object) -> ResourceHost:
    return ResourceHost.own(7, JOIN_SET)


def rep_of(handle: Any, store: Any) -> int:
    """Consume a borrowed or owned handle that a guest passed."""
    return handle.to_host(store).rep


def test_fibo_counts_from_one() -> None:
    guest = Guest("fibo_tiny", {})
    assert [guest.call("testing:fibo/fibo", "fibo", n) for n in (0, 1, 2, 10, 20)] == [1, 1, 2, 89, 10946]


def log_into(lines: list[str]) -> HostFunctions:
    def info(_store: object, message: str) -> None:
        lines.append(message)

    return {"obelisk:log/log@1.0.0": {"info": info}}


def fibo_host(calls: list[str], answer: int | None = 89) -> HostFunctions:
    def submit(store: Any, join_set: Any, n: int) -> Any:
        calls.append(f"submit {rep_of(join_set, store)} {n}")
        return record(id="E_1.g:1_1")

    def await_next(store: Any, join_set: Any) -> Any:
        calls.append(f"await {rep_of(join_set, store)}")
        return Variant("ok", answer)

    def fibo(_store: Any, n: int) -> int | None:
        calls.append(f"fibo {n}")
        return answer

    return {
        "obelisk:workflow/workflow-support@6.0.0": {"join-set-create": own_join_set},
        "testing:fibo/fibo": {"fibo": fibo},
        "testing:fibo-obelisk-ext/fibo": {"fibo-submit": submit, "fibo-await-next": await_next},
    }


def test_fiboa_calls_in_series_and_returns_the_last_value() -> None:
    calls: list[str] = []
    guest = Guest("fibo_workflow_tiny", fibo_host(calls))
    assert guest.call("testing:fibo-workflow/workflow", "fiboa", 10, 3) == 89
    assert calls == ["fibo 10"] * 3


def test_fiboa_ends_at_the_first_error() -> None:
    calls: list[str] = []
    guest = Guest("fibo_workflow_tiny", fibo_host(calls, answer=None))
    assert guest.call("testing:fibo-workflow/workflow", "fiboa", 10, 3) is None
    assert calls == ["fibo 10"]


def test_fiboa_concurrent_submits_all_then_awaits_all_and_drops_the_join_set() -> None:
    calls: list[str] = []
    guest = Guest("fibo_workflow_tiny", fibo_host(calls))
    assert guest.call("testing:fibo-workflow/workflow", "fiboa-concurrent", 10, 3) == 89
    assert calls == ["submit 7 10"] * 3 + ["await 7"] * 3
    assert guest.dropped == [7]


@pytest.mark.parametrize("function", ["sleep", "sleep-cancellable"])
@pytest.mark.parametrize(("slept", "outcome"), [(record(seconds=5, nanoseconds=0), "ok"), (None, "err")])
def test_sleeper_sleeps_for_milliseconds(function: str, slept: Any, outcome: str) -> None:
    sleeps: list[Any] = []

    def sleep(_store: Any, due: Any, name: Any) -> Any:
        sleeps.append((due, name))
        return slept

    guest = Guest("sleeper", {"obelisk:workflow/workflow-support@6.0.0": {"sleep": sleep}})
    assert guest.call("testing:sleeper/sleeper", function, 1500) == Variant(outcome)
    assert sleeps == [(Variant("milliseconds", 1500), None)]


@pytest.mark.parametrize("value", [0, 7, 1234567890, U64_MAX])
def test_recorder_logs_key_and_value(value: int) -> None:
    lines: list[str] = []
    guest = Guest("recorder", log_into(lines))
    assert guest.call("testing:dice/recorder", "record", value, "schlüssel") == value
    assert lines == [f"schlüssel={value}"]


def test_dice_has_the_drawn_number_recorded() -> None:
    drawn: list[Any] = []

    def record_(_store: Any, value: int, key: str) -> int:
        drawn.append((value, key))
        return value

    def highest(_store: Any, minimum: int, maximum_exclusive: int) -> int:
        return max(minimum, maximum_exclusive - 1)

    functions = {
        "obelisk:workflow/workflow-support@6.0.0": {"random-u64": highest},
        "testing:dice/recorder": {"record": record_},
    }
    assert Guest("dice", functions).call("testing:dice/dice", "roll", "k") == U64_MAX - 1
    assert drawn == [(U64_MAX - 1, "k")]


def run_flaky(mode: str, n: int) -> tuple[Any, list[str]]:
    lines: list[str] = []
    guest = Guest("flaky", log_into(lines))
    try:
        return guest.call("testing:flaky/flaky", "run", mode, n), lines
    except WasmtimeError as error:
        return error, lines


@pytest.mark.parametrize(
    ("mode", "n", "value"),
    [
        ("ok", 0, "ok"),
        ("err", 12, Variant("transient", "err")),
        ("permanent", 4294967295, Variant("permanent", "permanent")),
        ("large", 1_000_000, "x" * 1_000_000),
        ("spin", 1000, "spin"),
    ],
)
def test_flaky_ends_as_asked_and_logs_the_attempt(mode: str, n: int, value: Any) -> None:
    assert run_flaky(mode, n) == (value, [f"{mode} {n}"])


@pytest.mark.parametrize(
    ("mode", "trap"), [("trap", "unreachable"), ("hog", "unreachable"), ("endless", "all fuel consumed")]
)
def test_flaky_traps_as_asked_and_logs_the_attempt(mode: str, trap: str) -> None:
    error, lines = run_flaky(mode, 1)
    assert trap in str(error)
    assert lines == [f"{mode} 1"]


@pytest.mark.parametrize(
    ("environment", "outcome"),
    [
        ([("HOME", "/"), ("OBELISK_ATTEMPT", "2")], "not yet"),
        ([("OBELISK_ATTEMPS?", "9"), ("OBELISK_ATTEMPT", "13"), ("LAST", "")], 13),
        ([("OBELISK_ATTEMPS", "9")], "no attempt"),
        ([], "no attempt"),
    ],
)
def test_recovering_fails_in_its_first_attempts(environment: list[tuple[str, str]], outcome: int | str) -> None:
    def get_environment(_store: object) -> list[tuple[str, str]]:
        return environment

    guest = Guest("recovering", {"wasi:cli/environment@0.2.0": {"get-environment": get_environment}})
    assert guest.call("testing:recovering/recovering", "run", 2) == outcome


@pytest.mark.parametrize(
    ("winner", "who"),
    [
        (Variant("execution-id", record(id="E_1.g:1_1")), "activity"),
        (Variant("delay-id", record(id="Delay_1.g:1_1")), "delay"),
    ],
)
@pytest.mark.parametrize("ending", ["close", "drop", "leave", "trap"])
def test_racer_tells_who_won_and_ends_the_join_set_as_asked(winner: Variant, who: str, ending: str) -> None:
    calls: list[Any] = []

    def consuming(name: str, answer: Any) -> Callable[..., Any]:
        def function(store: Any, join_set: Any, *arguments: Any) -> Any:
            calls.append((name, rep_of(join_set, store), *arguments))
            return answer

        return function

    def sleep(_store: Any, due: Any, _name: Any) -> Any:
        calls.append(("sleep", due))
        return record(seconds=1, nanoseconds=0)

    guest = Guest(
        "racer",
        {
            JOIN_SETS: {"[method]join-set.last-id": consuming("last-id", winner)},
            "obelisk:workflow/workflow-support@6.0.0": {
                "sleep": sleep,
                "join-set-create": own_join_set,
                "join-set-close": consuming("close", None),
                "submit-delay": consuming("submit-delay", record(id="Delay_1.g:1_1")),
                "join-next": consuming("join-next", Variant("ok", None)),
            },
            "testing:flaky-obelisk-ext/flaky": {"run-submit": consuming("run-submit", record(id="E_1.g:1_1"))},
        },
    )
    race = ("testing:racer/racer", "race", 5, "endless", 3, 900, ending)
    if ending == "trap":
        with pytest.raises(WasmtimeError, match="unreachable"):
            guest.call(*race)
    else:
        assert guest.call(*race) == who
    assert calls[:5] == [
        ("sleep", Variant("milliseconds", 5)),
        ("run-submit", 7, "endless", 3),
        ("submit-delay", 7, Variant("milliseconds", 900)),
        ("join-next", 7),
        ("last-id", 7),
    ]
    assert calls[5:] == ([("close", 7)] if ending == "close" else [])
    assert guest.dropped == ([7] if ending == "drop" else [])


EVERYTHING = record(
    truth=True,
    tiny_signed=-128,
    tiny=255,
    short_signed=-32768,
    short=65535,
    whole_signed=-(2**31),
    whole=2**32 - 1,
    long_signed=-(2**63),
    long=U64_MAX,
    single=0.5,
    double=1e300,
    letter="😀",
    text="naïve",
    bytes=bytes(range(256)) * 400,
    maybe=Variant("some", None),
    colour="deep-blue",
    permissions={"read", "run-as-root"},
    shape=("here", record(x=-1, y=2**31 - 1)),
    pair=(7, "seven"),
    outcome="failed",
    rows=[[1, 2], [], [65535]],
)


def plain(value: Any) -> Any:
    """Records as dicts, at any depth."""
    if isinstance(value, Variant):
        return (value.tag, plain(value.payload))
    if isinstance(value, Record):
        return {name: plain(field) for name, field in vars(value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in cast("Sequence[Any]", value)]
    return value


def test_shapes_come_back_as_they_were_sent_through_workflow_and_activity() -> None:
    activity = Guest("shapes", {})

    def echo(_store: Any, value: Any) -> Any:
        return activity.call("testing:shapes/shapes", "echo", value)

    workflow = Guest("shapes_workflow", {"testing:shapes/shapes": {"echo": echo}})
    answer = workflow.call("testing:shapes-workflow/workflow", "echo", EVERYTHING)
    assert plain(answer) == plain(EVERYTHING)
