"""What a server runs and within which bounds: the small values that configuration is turned into.

Every default of a limit is here and nowhere else. Durations are microseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from obelisk_runtime.core.allowed_hosts import AllowedHost
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.retry import SECOND, RetryPolicy
from obelisk_runtime.core.secrets import Secret
from obelisk_runtime.core.types import FunctionType

MEBIBYTE = 1024 * 1024


class ComponentKind(StrEnum):
    ACTIVITY = "activity"
    WORKFLOW = "workflow"
    WEBHOOK = "webhook"
    """A component that handles HTTP requests."""
    STUB = "stub"
    """No component: a function that is answered from outside."""


class OnNondeterminism(StrEnum):
    """What becomes of a workflow that asks for something else than is recorded."""

    PAUSE = "pause"
    FAIL = "fail"


class Access(StrEnum):
    READ_ONLY = "read-only"
    READ_WRITE = "read-write"


@dataclass(frozen=True, slots=True)
class DirectoryGrant:
    """A directory that guests may use."""

    host: str
    """Where it is on this machine, absolute."""
    guest: str
    """What guests call it."""
    access: Access = Access.READ_ONLY


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of the HTTP requests that one component makes in this process."""

    connections_max: int = 64
    """Requests under way at once; one more waits."""
    request_bytes_max: int = 64 * MEBIBYTE
    """The body of a request. Bodies are streamed: it is no memory."""
    response_bytes_max: int = 64 * MEBIBYTE
    connect_timeout: int = 30 * SECOND
    """Until there is a connection, if the guest does not say."""


@dataclass(frozen=True, slots=True)
class ComponentSettings:
    """One `[[activity]]`, `[[workflow]]` or `[[webhook]]` section."""

    name: str
    kind: ComponentKind
    location: str
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Not of workflows."""
    directories: tuple[DirectoryGrant, ...] = ()
    """Not of workflows."""
    memory_mib: int = 256
    fuel: int | None = None
    attempt_timeout: int = 30 * SECOND
    """Activities only."""
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    """Activities only."""
    concurrency_max: int | None = None
    """Activities only: how many executions of each function run at once; None: as many as there are slots."""
    start_after_commit: bool = False
    """Activities only: never start before the commit of the creation."""
    on_nondeterminism: OnNondeterminism = OnNondeterminism.PAUSE
    """Workflows only."""
    allowed_hosts: tuple[AllowedHost, ...] = ()
    """Not of workflows: what its HTTP requests may reach."""
    http: HttpLimits = HttpLimits()
    secrets: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    """Those that `allowed_hosts` grants."""


@dataclass(frozen=True, slots=True)
class StubSettings:
    """One `[[stub]]` section: a function without code, whose results are supplied from outside."""

    function: Ffqn
    type: FunctionType


@dataclass(frozen=True, slots=True)
class RuntimeLimits:
    """Bounds of one server process."""

    activities_max: int = 512
    """Attempts that run at once in this process; the rest waits in the store."""
    worker_threads: int = 4
    """Threads for guests that compute longer than a time slice."""
    workflows_max: int = 4_096
    """Workflows in memory at once, waiting ones included."""
    resident_memory_mib: int = 2_048
    """Memory of waiting workflows; beyond it the least recently used are evicted."""
    resident_seconds: int = 3_600
    """A workflow that waits longer than this is evicted."""
    backlog_max: int = 100_000
    """Executions that wait in the store for a slot; beyond it submits are refused."""
    payload_bytes_max: int = 2 * MEBIBYTE
    events_per_write_max: int = 256
    """Buffered host calls of a workflow before they are written."""
    history_events_max: int = 100_000
    history_bytes_max: int = 64 * MEBIBYTE
    """Parameters and results in the history of one workflow. It is warned of either limit at 80 %."""
    log_records_max: int = 10_000
    """Lines that one attempt, or a workflow, may write; the last one says that the rest is not kept."""
    log_bytes_max: int = 4 * MEBIBYTE
    """The same, in bytes of their text."""
    deaths_max: int = 3
    """An execution that was running when the process died so many times in a row is paused."""
    heartbeat: int = 2 * SECOND
    lease: int = 10 * SECOND
    """An executor that has not beaten for this long has lost what it held."""
    shutdown: int = 10 * SECOND
    """How long a stopping server waits for running activities."""
    poll: int = 1 * SECOND
    """How often the queue is read though nothing hinted at work."""
    retention: int | None = None
    """How long a finished tree of executions is kept; None: for ever."""
