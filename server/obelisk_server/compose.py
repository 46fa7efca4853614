"""The composition root: the only place that chooses adapters."""

import asyncio
import errno
import logging
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obelisk_runtime import wasi
from obelisk_runtime.core.deployment import RuntimeLimits
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine
from obelisk_runtime.ports.engine import CompiledComponent, Engine
from obelisk_runtime.ports.guest import GuestResources, GuestWorld
from obelisk_runtime.ports.http import HttpRequest, Incoming
from obelisk_runtime.ports.store import Store
from obelisk_runtime.service import Service
from obelisk_runtime.storage.memory import MemoryStore
from obelisk_runtime.storage.sqlite import Checked, Migrated, SqliteStore, check_store
from obelisk_runtime.storage.sqlite import back_up as copy_store
from obelisk_runtime.storage.sqlite import migrate as migrate_store
from obelisk_runtime.system import SystemClock, SystemIds
from obelisk_runtime.wasi.http import arrive
from obelisk_runtime.wasi.http.client import HttpClient, UnusableAuthorities
from obelisk_server.access import Audit, AuditFile, Doors
from obelisk_server.api import Context, Listener, Waits
from obelisk_server.config import InvalidConfig, Listen, ServerConfig, load_config
from obelisk_server.config.access import TlsFiles
from obelisk_server.log_lines import Lines, configure_log
from obelisk_server.process import keep_what_is_loaded, reload_on_signal, settle_in, stop_on_signals
from obelisk_server.setup import InvalidSetup, Reload, Setup, deploy
from obelisk_server.sources import Pulling, cache_folder
from obelisk_server.ui import Pages
from obelisk_server.webhooks import Mounts, Surroundings, WebhookListener

__all__ = ["CannotServe", "InvalidSetup", "Verified", "back_up", "check", "migrate", "run", "verify"]

_log = logging.getLogger(__name__)


class CannotServe(ObeliskError):
    """The setup is right, but the port or the store cannot be had; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Verified:
    components: int
    functions: int


def verify(config_file: Path, environ: Mapping[str, str], pulling: Pulling = Pulling()) -> Verified:  # noqa: B008 - frozen
    """Check the file and all components; no store is opened. Raises: InvalidSetup."""
    setup = Setup(config_file, environ, pulling)
    return asyncio.run(_verify(setup, setup.load()))


def run(config_file: Path, environ: Mapping[str, str], pulling: Pulling = Pulling()) -> None:  # noqa: B008 - frozen
    """Serve until SIGTERM or SIGINT, then shut down in order; a second signal ends the process at once.

    Raises: InvalidSetup, CannotServe.
    """
    setup = Setup(config_file, environ, pulling)
    config = setup.load()
    lines = configure_log(config.log)
    settle_in()
    asyncio.run(_run(setup, config, lines))


async def _verify(setup: Setup, config: ServerConfig) -> Verified:
    components = await setup.read(config)
    async with AsyncExitStack() as stack:
        engine = _engine(config, setup.environ)
        stack.push_async_callback(engine.close)
        service = _service(MemoryStore(), engine, config.limits)
        mounts = _mounts(service, config, config.listen, setup.environ)
        await deploy(service, config, components, (mounts, Doors(config, service.now)))
        return Verified(len(service.components), len(service.functions))


async def _run(setup: Setup, config: ServerConfig, lines: Lines) -> None:
    stop_on_signals()
    try:
        async with AsyncExitStack() as stack:
            await _serve(setup, config, lines, stack)
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        _log.info("the server has stopped")


async def _serve(setup: Setup, config: ServerConfig, lines: Lines, stack: AsyncExitStack) -> None:
    """Start everything; what was started is stopped by the stack, the last one first."""
    components = await setup.read(config)
    audit = _audit(config.audit)
    stack.callback(audit.close)
    bound = stack.enter_context(_bind(config.listen, "[server] listen"))
    hooked = (
        None if config.webhooks is None else stack.enter_context(_bind(config.webhooks.listen, "[webhooks] listen"))
    )
    address = Listen(config.listen.host, bound.getsockname()[1])
    store = await _open_store(config.database)
    stack.push_async_callback(store.close)
    engine = _engine(config, setup.environ)
    stack.push_async_callback(engine.close)
    http = _http_client(config)
    stack.push_async_callback(http.close)
    service = _service(store, engine, config.limits, http)
    lines.redact = service.redact
    _log.info("components are prepared; new ones take some seconds", extra={"count": len(components)})
    mounts = _mounts(service, config, address, setup.environ)
    doors = Doors(config, service.now)
    await deploy(service, config, components, (mounts, doors))
    _warn(config)
    reload = Reload(setup, config, service, (mounts, doors))
    context = Context(service, Waits(), reload, guard=doors.guard, audit=audit)
    stack.callback(service.subscribe(context.waits.on_change))
    stack.callback(service.subscribe_logs(context.waits.on_logs))
    await service.start()
    grace = _Grace(config.limits.shutdown / 1e6)
    stack.push_async_callback(lambda: service.stop(grace.left()))
    listener = Listener(
        context,
        payload_bytes_max=config.limits.payload_bytes_max,
        pages=Pages(with_tokens=lambda: doors.guard.wants_tokens),
    )
    stack.push_async_callback(listener.stop)
    await listener.start(bound, doors.tls("server"))
    if hooked is not None:
        webhooks = WebhookListener(mounts, audit, context.http)
        stack.push_async_callback(lambda: webhooks.stop(grace.left()))
        await webhooks.start(hooked, doors.tls("webhooks"))
    reloading = reload_on_signal(reload, audit)
    stack.callback(reloading.cancel)
    keep_what_is_loaded()
    context.ready = True
    stack.callback(setattr, context, "ready", False)  # noqa: FBT003 - the value of the attribute
    url = _url(address, config.access.tls)
    print(f"serving on {url}", flush=True)  # noqa: T201 - for the person, or script, that started it
    if hooked is not None and config.webhooks is not None:
        at = Listen(config.webhooks.listen.host, hooked.getsockname()[1])
        print(f"webhooks on {_url(at, config.webhooks.tls)}", flush=True)  # noqa: T201 - as above


class _Grace:
    """How long a stopping server waits for what runs: in all, from the first that asks."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end: float | None = None

    def left(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._end is None:
            self._end = now + self._seconds
        return max(0.0, self._end - now)


def _mounts(service: Service, config: ServerConfig, api: Listen, environ: Mapping[str, str]) -> Mounts:
    api_url = config.webhooks and config.webhooks.api_url
    url = api_url or _url(api, config.access.tls)
    return Mounts(Surroundings(service, SystemClock(), url, asyncio.Event()), environ)


def _url(at: Listen, tls: TlsFiles | None) -> str:
    return f"{'http' if tls is None else 'https'}://{at}"


def _warn(config: ServerConfig) -> None:
    """Of what is allowed and yet rarely meant."""
    access = config.access
    if access.loopback:
        return
    if not access.tokens:
        _log.warning("anybody who reaches the listener can run anything: insecure = true, and there are no tokens")
    elif access.tls is None:
        _log.warning("tokens travel in clear text: add [server.tls], or let a proxy speak TLS")


def _audit(file: Path | None) -> Audit:
    """Raises: CannotServe."""
    now = SystemClock().now
    if file is None:
        return Audit(now)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return Audit(now, AuditFile(file))
    except OSError as error:
        raise CannotServe(f"{file} cannot be written: {error.strerror} ([server] audit)") from error


def _bind(listen: Listen, key: str) -> socket.socket:
    """Take the port before anything slow is done. Raises: CannotServe."""
    try:
        family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((listen.host, listen.port))
        except BaseException:
            bound.close()
            raise
    except OSError as error:
        hint = "stop what uses it, or choose another port" if error.errno == errno.EADDRINUSE else "choose another"
        raise CannotServe(f"cannot listen on {listen}: {error.strerror}; {hint} ({key})") from error
    return bound


def back_up(config_file: Path, environ: Mapping[str, str], target: Path) -> int:
    """Copy the store of this configuration to a new file; its bytes. Raises: InvalidSetup, CannotServe."""
    database = _database(config_file, environ)
    try:
        copy_store(database, target)
        return target.stat().st_size
    except ObeliskError as error:
        raise CannotServe(str(error)) from error


def migrate(config_file: Path, environ: Mapping[str, str]) -> Migrated:
    """Bring the store of this configuration to the schema of this release. Raises: InvalidSetup, CannotServe."""
    database = _database(config_file, environ)
    try:
        return migrate_store(database)
    except ObeliskError as error:
        raise CannotServe(str(error)) from error


def _database(config_file: Path, environ: Mapping[str, str]) -> Path:
    """Raises: InvalidSetup."""
    try:
        return load_config(config_file, environ).database
    except InvalidConfig as error:
        raise InvalidSetup([str(problem) for problem in error.problems]) from error


def check(file: Path) -> Checked:
    """Read a whole store and compare what is in it. Raises: CannotServe if it cannot be read at all."""
    try:
        return asyncio.run(check_store(file))
    except ObeliskError as error:
        raise CannotServe(str(error)) from error


async def _open_store(database: Path) -> Store:
    try:
        return await SqliteStore.open(database)
    except ObeliskError as error:
        raise CannotServe(str(error)) from error


def _engine(config: ServerConfig, environ: Mapping[str, str]) -> WasmtimeEngine:
    settings = EngineSettings(
        fuel=any(component.fuel is not None for component in config.components),
        worker_threads=config.limits.worker_threads,
    )
    return WasmtimeEngine(cache_folder(environ) / "compiled", settings)


def _http_client(config: ServerConfig) -> HttpClient:
    try:
        return HttpClient(config.ca_file)
    except UnusableAuthorities as error:
        raise CannotServe(f"{error} ([http] ca_file)") from error


class Wasi:
    """WASI 0.2 as the service's library of host functions. Without a client every HTTP request is denied."""

    def __init__(self, http: HttpClient | None = None) -> None:
        self._http = http
        self._files = wasi.OpenFiles()

    def bind(self, component: CompiledComponent) -> Any:
        binding = wasi.bind(component)
        return binding.functions, binding.destructors

    def state(self, world: GuestWorld) -> wasi.WasiState:
        return wasi.WasiState(world, None if self._http is None else self._http.outgoing(world), self._files)

    def arrive(self, state: GuestResources, request: HttpRequest) -> Incoming:
        assert isinstance(state, wasi.WasiState)
        return arrive(state, request)


def _service(store: Store, engine: Engine, limits: RuntimeLimits, http: HttpClient | None = None) -> Service:
    library = Wasi(http)
    return Service(store=store, engine=engine, clock=SystemClock(), ids=SystemIds(), library=library, limits=limits)
