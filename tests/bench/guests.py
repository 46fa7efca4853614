"""What guests of toolchains cost: WASI, a call of the world that is answered at once; START, a call of an activity."""

from pathlib import Path

from client import submit
from measuring import Meter, Scale
from report import Figure, median
from serving import PRODUCTS, TINY, Server, Servers
from wasmtime import wat2wasm

CLOCK = Path(__file__).with_name("clock.wat")
READ = "testing:clock/clock.read"
LANGUAGES = ("c", "go", "javascript", "python", "rust")
DRAW, DRAWN_BYTES = "testing:visitor/visitor.draw", 8
FIBO, N = "testing:fibo/fibo.fibo", 10


def world(servers: Servers, scale: Scale) -> list[Figure]:
    """WASI: within the first time slice of a guest, on the event loop, and beyond it, in a worker thread."""
    wasm = servers.folder / "clock.wasm"
    wasm.write_bytes(wat2wasm(CLOCK.read_text(encoding="utf-8")))
    with servers.run({"activity": (wasm,)}) as server:
        connection, meter = server.connect(), Meter(server)

        def seconds(times: int) -> float:
            return meter.seconds(1, lambda: connection.ask(submit(READ, times)))

        figures = [
            _microseconds(f"WASI {calls}", calls, [seconds(calls) - seconds(0) for _ in range(scale.runs(9))], target)
            for calls, target in ((500, 10.0), (scale.count(100_000), None))
        ]
        connection.close()
        return figures


def _microseconds(name: str, calls: int, seconds: list[float], target: float | None) -> Figure:
    return median(name, [1e6 * each / calls for each in seconds], "us/call", target)


def started(servers: Servers, scale: Scale) -> list[Figure]:
    """START: p50 from request to result, of an activity that does nothing but draw a number; WAT for comparison."""
    guests = {"WAT": (TINY, FIBO, N)}
    for language in LANGUAGES:
        wasm = PRODUCTS / f"visitor_{language}.wasm"
        if wasm.exists():
            guests[language] = ({"activity": (wasm,)}, DRAW, DRAWN_BYTES)
    figures: list[Figure] = []
    for name, (components, function, parameter) in guests.items():
        with servers.run(components) as server:
            times = _milliseconds(server, submit(function, parameter), scale.count(200))
        figures.append(median(f"START {name}", times, "ms"))
    return figures


def _milliseconds(server: Server, request: bytes, n: int) -> list[float]:
    connection, meter = server.connect(), Meter(server)
    for _ in range(3):
        connection.ask(request)
    times = [1e3 * meter.seconds(1, lambda: connection.ask(request)) for _ in range(n)]
    connection.close()
    return times
