"""The tables and keys of obelisk.toml. Defaults of limits are those of `obelisk_runtime.core.deployment`."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, Tag, ValidationInfo, field_validator

from obelisk_runtime.core.deployment import ComponentKind, ComponentSettings, OnNondeterminism, RuntimeLimits
from obelisk_runtime.core.retry import LOSSES_MAX, RetryPolicy
from obelisk_server.config.access import HostName, Origin, TlsTable, TokenTable
from obelisk_server.config.directories import Directories
from obelisk_server.config.outgoing import HttpTable, OutgoingTable
from obelisk_server.config.registry import RegistryTable
from obelisk_server.config.secrets import SecretTable
from obelisk_server.config.values import (
    STRICT,
    ComponentLocation,
    Duration,
    DurationOrZero,
    FunctionName,
    FunctionSignature,
    Interpolated,
    Listen,
    ListenAddress,
    Name,
    StorageUrl,
)
from obelisk_server.config.webhooks.tables import BoundsTable, FunctionWebhookTable, WebhooksTable
from obelisk_server.durations import duration_text

_LIMITS = RuntimeLimits()
_RETRIES = RetryPolicy()
_ACTIVITY = ComponentSettings("", ComponentKind.ACTIVITY, "")
MEMORY_MIB_MAX = 4096
"""What 32-bit WebAssembly can address."""

PAYLOAD_BYTES_MAX = 64 * 1024 * 1024
"""Above it one value would hold up everything else for seconds."""

Positive = Annotated[int, Field(ge=1)]


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class Table(BaseModel):
    model_config = STRICT


class ServerTable(Table):
    """The listener of API and UI, and the server's own log."""

    listen: Annotated[
        ListenAddress,
        Field(
            description="HOST:PORT; ${VAR} is replaced. Port 0 takes a free one. "
            "Other than a loopback address needs tokens"
        ),
    ] = Listen("127.0.0.1", 8080)
    log: Annotated[LogFormat, Field(strict=False, description="The server's own log, on standard error")] = (
        LogFormat.TEXT
    )
    hosts: Annotated[
        tuple[HostName, ...],
        Field(strict=False, description="Names that it is reached by, beside localhost and the address of `listen`"),
    ] = ()
    origins: Annotated[
        tuple[Origin, ...],
        Field(strict=False, description="Of pages that may use it, beside its own, such as those of a proxy"),
    ] = ()
    insecure: Annotated[bool, Field(description="Let other machines in although there are no tokens")] = False
    audit: Annotated[
        Interpolated | None,
        Field(min_length=1, description="A file for who changed what; absent: the server's own log"),
    ] = None
    tls: Annotated[TlsTable | None, Field(description="Absent: plain HTTP")] = None


class StorageTable(Table):
    """Where executions are kept."""

    url: Annotated[StorageUrl, Field(description="`sqlite:PATH`, made if it is not there; ${VAR} is replaced")] = (
        "sqlite:.obelisk/obelisk.db"
    )


class LimitsTable(Table):
    """Bounds of this server process."""

    activities_max: Annotated[Positive, Field(description="Attempts that run at once")] = _LIMITS.activities_max
    worker_threads: Annotated[int, Field(ge=1, le=256, description="Threads for guests that compute long")] = (
        _LIMITS.worker_threads
    )
    workflows_max: Annotated[Positive, Field(description="Workflows in memory at once")] = _LIMITS.workflows_max
    resident_memory_mib: Annotated[
        Positive,
        Field(
            description="Memory of waiting workflows; beyond it the least recently used leave, and are replayed later"
        ),
    ] = _LIMITS.resident_memory_mib
    resident_seconds: Annotated[
        Positive, Field(description="A workflow that waits longer than this leaves the memory")
    ] = _LIMITS.resident_seconds
    backlog_max: Annotated[
        Positive, Field(description="Executions that wait for a slot; beyond it submits are refused with 429")
    ] = _LIMITS.backlog_max
    payload_bytes_max: Annotated[
        int, Field(ge=1, le=PAYLOAD_BYTES_MAX, description="JSON of parameters, or of a result")
    ] = _LIMITS.payload_bytes_max
    events_per_write_max: Annotated[
        Positive, Field(description="Host calls of a workflow that are written at once")
    ] = _LIMITS.events_per_write_max
    history_events_max: Annotated[
        Positive, Field(description="Events of a workflow; at 80 % it is warned of, beyond it the workflow fails")
    ] = _LIMITS.history_events_max
    history_bytes_max: Annotated[Positive, Field(description="The same, of parameters and results in its history")] = (
        _LIMITS.history_bytes_max
    )
    log_records_max: Annotated[
        Positive,
        Field(description="Lines that one attempt, or a workflow, may write; the last one says that the rest is cut"),
    ] = _LIMITS.log_records_max
    log_bytes_max: Annotated[Positive, Field(description="The same, in bytes of their text")] = _LIMITS.log_bytes_max
    deaths_max: Annotated[
        Positive, Field(description="What was running when the server died so many times in a row is paused")
    ] = _LIMITS.deaths_max
    heartbeat: Annotated[Duration, Field(description="How often the server says that it lives")] = _LIMITS.heartbeat
    lease: Annotated[Duration, Field(description="Silence after which a server has lost what it held")] = _LIMITS.lease
    shutdown: Annotated[DurationOrZero, Field(description="How long stopping waits for activities")] = _LIMITS.shutdown
    poll: Annotated[Duration, Field(description="How often the queue is read without a hint")] = _LIMITS.poll

    @field_validator("lease")
    @classmethod
    def _outlasts_the_heartbeat(cls, lease: int, info: ValidationInfo) -> int:
        heartbeat = info.data.get("heartbeat")
        if heartbeat is not None and lease <= heartbeat:
            text = duration_text(lease)
            raise ValueError(f"found {text!r}, expected more than the heartbeat, which is {duration_text(heartbeat)!r}")
        return lease


class RetentionTable(Table):
    """What is deleted when it is old. `obelisk execution hold` keeps what must stay."""

    finished: Annotated[
        DurationOrZero | None, Field(description="How long a finished tree of executions is kept; absent: for ever")
    ] = None


class RetriesTable(Table):
    """When a failed attempt is tried again."""

    max: Annotated[
        int,
        Field(ge=0, description="Attempts after the first, for all classes of failures without a budget of their own"),
    ] = _RETRIES.max
    errs_max: Annotated[int | None, Field(ge=0, description="A budget of its own for errs")] = _RETRIES.errs_max
    traps_max: Annotated[int | None, Field(ge=0, description="A budget of its own for traps")] = _RETRIES.traps_max
    timeouts_max: Annotated[int | None, Field(ge=0, description="A budget of its own for timeouts")] = (
        _RETRIES.timeouts_max
    )
    lost_max: Annotated[int, Field(ge=0, le=LOSSES_MAX, description="For attempts whose server died")] = (
        _RETRIES.lost_max
    )
    backoff: Annotated[DurationOrZero, Field(description="The wait before the second attempt")] = _RETRIES.backoff
    factor: Annotated[float, Field(ge=1, le=1_000, description="Each wait is so many times the one before")] = (
        _RETRIES.factor
    )
    max_backoff: Annotated[DurationOrZero, Field(description="No wait is longer")] = _RETRIES.backoff_max
    final_errors: Annotated[
        tuple[str, ...],
        Field(strict=False, description="Cases of an err, or its whole text, that are never tried again"),
    ] = ()
    jitter: Annotated[float, Field(ge=0, le=1, description="A share of the wait, by which it is longer or shorter")] = (
        _RETRIES.jitter
    )


class Start(StrEnum):
    EARLY = "early"
    AFTER_COMMIT = "after-commit"


class ComponentTable(Table):
    name: Annotated[Name, Field(description="Of the component, for people and commands; each has its own")]
    location: Annotated[
        ComponentLocation,
        Field(description="Path of a component, or `oci://host[:port]/repository[:tag][@sha256:...]`"),
    ]
    memory_mib: Annotated[int, Field(ge=1, le=MEMORY_MIB_MAX, description="What one call may use")] = (
        _ACTIVITY.memory_mib
    )
    fuel: Annotated[int | None, Field(ge=1, description="Instructions that one call may use; absent: any number")] = (
        _ACTIVITY.fuel
    )


class WorldlyTable(OutgoingTable, ComponentTable):
    """What a component may see that need not be the same at each replay: so nothing for workflows."""

    env: Annotated[
        dict[str, Interpolated], Field(description="Environment variables of the guest; ${VAR} is replaced in values")
    ] = {}
    directories: Directories = ()


class ActivityTable(WorldlyTable):
    """A component that may touch the world; its calls are retried."""

    attempt_timeout: Annotated[Duration, Field(description="After it the guest is stopped")] = _ACTIVITY.attempt_timeout
    retries: Annotated[RetriesTable, Field(description="When a failed attempt is tried again")] = RetriesTable()
    concurrency_max: Annotated[
        int | None,
        Field(ge=1, description="Attempts of each function that run at once; absent: as many as there are slots"),
    ] = _ACTIVITY.concurrency_max
    start: Annotated[
        Start, Field(strict=False, description="`early`: an attempt may start before its creation is on disk")
    ] = Start.AFTER_COMMIT if _ACTIVITY.start_after_commit else Start.EARLY


class WorkflowTable(ComponentTable):
    """A deterministic component; its calls are replayed from the log."""

    on_nondeterminism: Annotated[
        OnNondeterminism,
        Field(strict=False, description="What becomes of a workflow that asks for something else than its log says"),
    ] = _ACTIVITY.on_nondeterminism


class ComponentWebhookTable(WorldlyTable, BoundsTable):
    """A component that handles HTTP requests: it exports wasi:http/incoming-handler."""


FUNCTION_WEBHOOK, COMPONENT_WEBHOOK = "[webhook with function]", "[webhook with location]"
"""Tags of the two forms of a webhook, also in the places that pydantic reports; no key of TOML looks like them."""


def _form_of_webhook(section: Any) -> str:
    return FUNCTION_WEBHOOK if isinstance(section, dict) and "function" in section else COMPONENT_WEBHOOK


WebhookTable = Annotated[
    Annotated[FunctionWebhookTable, Tag(FUNCTION_WEBHOOK)] | Annotated[ComponentWebhookTable, Tag(COMPONENT_WEBHOOK)],
    Discriminator(_form_of_webhook),
]
"""With `function` one without code, else a component."""


class StubTable(Table):
    """A function without code: a person or another system supplies the result of each execution."""

    function: Annotated[FunctionName, Field(description="`namespace:package/interface.function`")]
    params: Annotated[
        FunctionSignature, Field(description="Its type as in WIT, such as `func(order: u64) -> result<bool, string>`")
    ]


class ObeliskToml(Table):
    """What one server runs."""

    server: ServerTable = ServerTable()
    token: Annotated[tuple[TokenTable, ...], Field(strict=False)] = ()
    storage: StorageTable = StorageTable()
    limits: LimitsTable = LimitsTable()
    retention: RetentionTable = RetentionTable()
    registry: RegistryTable = RegistryTable()
    http: HttpTable = HttpTable()
    activity: Annotated[tuple[ActivityTable, ...], Field(strict=False)] = ()
    workflow: Annotated[tuple[WorkflowTable, ...], Field(strict=False)] = ()
    stub: Annotated[tuple[StubTable, ...], Field(strict=False)] = ()
    secrets: Annotated[dict[Name, SecretTable], Field(description="Where values are that nobody may see")] = {}
    webhooks: WebhooksTable | None = None
    webhook: Annotated[tuple[WebhookTable, ...], Field(strict=False)] = ()
