"""The sections `[webhooks]` and `[[webhook]]` of obelisk.toml."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    InstanceOf,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from obelisk_runtime.core.retry import SECOND
from obelisk_server.config.access import TlsTable
from obelisk_server.config.values import STRICT, Duration, FunctionName, Interpolated, Listen, ListenAddress, Name
from obelisk_server.config.webhooks.request_values import AnySource, FromRequest, Part, RequestPart
from obelisk_server.config.webhooks.route_patterns import Pattern, Route, parse_method
from obelisk_server.config.webhooks.settings import (
    Bounds,
    ComponentWebhook,
    FunctionWebhook,
    Signature,
    SignatureStyle,
    Wait,
)
from obelisk_server.durations import duration_text

BODY_BYTES_MAX = 1024 * 1024 * 1024
WAIT_MAX = 300 * SECOND
_METHOD_SCHEMA = WithJsonSchema({"type": "string", "pattern": "^[A-Z][A-Z-]*$"})
Method = Annotated[str, AfterValidator(parse_method), _METHOD_SCHEMA]


def _http_url(url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise ValueError(f'found {url!r}, expected a URL such as "https://obelisk.example.com"')
    return None if url is None else url.rstrip("/")


class WebhooksTable(BaseModel):
    """The listener of webhooks. There is one if this section or a webhook is given."""

    model_config = STRICT

    listen: Annotated[
        ListenAddress, Field(description="HOST:PORT, any address; ${VAR} is replaced. Port 0 takes a free one")
    ] = Listen("127.0.0.1", 9090)
    requests_max: Annotated[
        int, Field(ge=1, le=100_000, description="Requests that are handled at once; beyond it they get a 503")
    ] = 1_000
    api_url: Annotated[
        Interpolated | None,
        Field(description="Where clients reach the API, for Location; absent: where it listens"),
        AfterValidator(_http_url),
    ] = None
    tls: Annotated[TlsTable | None, Field(description="Absent: plain HTTP")] = None


RoutePath = Annotated[
    InstanceOf[Pattern],
    BeforeValidator(lambda text: Pattern.parse(str(text))),
    PlainSerializer(lambda pattern: pattern.text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^/"}),
]


class RouteTable(BaseModel):
    """Which requests a webhook gets."""

    model_config = STRICT

    methods: Annotated[tuple[Method, ...], Field(strict=False, description="In capitals; absent: any")] = ()
    path: Annotated[RoutePath, Field(description="With `:name` for a segment, and `*` for the rest at the end")]


class SignatureTable(BaseModel):
    """How requests are signed (HMAC with SHA-256)."""

    model_config = STRICT

    style: Annotated[SignatureStyle, Field(strict=False, description="Whose headers and text are signed")]
    secret: Annotated[Name, Field(description="A name in [secrets]")]
    window: Annotated[
        Duration | None, Field(description="How far its time may be off, in styles that have one; absent: 5m")
    ] = None

    @model_validator(mode="after")
    def _has_a_time(self) -> Self:
        if self.window is not None and not self.style.timed:
            raise ValueError(f"a signature in the style of {self.style} has no time, so there is no window")
        return self


class WaitTable(BaseModel):
    """Answer with the result if it is there in time, else as "accepted"."""

    model_config = STRICT

    wait: Annotated[Duration, Field(description="How long, at most 5m")]
    err: Annotated[int, Field(ge=400, le=499, description="The status of an err")] = 422

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.wait > WAIT_MAX:
            raise ValueError(f"found a wait of {duration_text(self.wait)}, expected at most {duration_text(WAIT_MAX)}")
        return self


def _respond(found: Any) -> Any:
    if found == "accepted":
        return None
    if not isinstance(found, dict | WaitTable | None):
        raise ValueError(f'found {found!r}, expected "accepted" or {{ wait = "10s" }}')  # noqa: TRY004 - pydantic's way
    return found  # pyright: ignore[reportUnknownVariableType]


def _some(routes: tuple[RouteTable, ...]) -> tuple[RouteTable, ...]:
    if not routes:
        raise ValueError("found no route, expected at least one; without it nothing reaches the webhook")
    return routes


class BoundsTable(BaseModel):
    """What every webhook has."""

    model_config = STRICT

    name: Annotated[Name, Field(description="Of the webhook, for people, logs and figures")]
    routes: Annotated[
        tuple[RouteTable, ...],
        Field(strict=False, description="Which requests it gets; at least one"),
        AfterValidator(_some),
    ]
    timeout: Annotated[Duration, Field(description="Of a request; with `function`, without the wait")] = 30 * SECOND
    concurrency_max: Annotated[
        int | None, Field(ge=1, description="Requests of this webhook at once; beyond it they get a 429")
    ] = None
    body_bytes_max: Annotated[int, Field(ge=0, le=BODY_BYTES_MAX, description="A larger body gets a 413")] = (
        2 * 1024 * 1024
    )


class FunctionWebhookTable(BoundsTable):
    """A webhook without code: a request becomes an execution of a function."""

    function: Annotated[FunctionName, Field(description="`namespace:package/interface.function`")]
    params: Annotated[
        dict[str, AnySource], Field(description="Where each parameter of the function is taken from")
    ] = {}
    signature: Annotated[SignatureTable | None, Field(description="Absent: who reaches the listener may call")] = None
    idempotency_key: Annotated[
        RequestPart | None, Field(description="Requests with the same value are one execution")
    ] = None
    respond: Annotated[
        WaitTable | None,
        BeforeValidator(_respond),
        WithJsonSchema(
            {
                "description": "When it answers: at once, the default, or with the result if it is there in time",
                "anyOf": [
                    {"const": "accepted"},
                    {
                        "type": "object",
                        "properties": {"wait": {"type": "string"}, "err": {"type": "integer"}},
                        "required": ["wait"],
                        "additionalProperties": False,
                    },
                ],
            }
        ),
    ] = None

    @model_validator(mode="after")
    def _names_what_routes_have(self) -> Self:
        sources = [*self.params.values(), *([] if self.idempotency_key is None else [self.idempotency_key])]
        wanted = [source.name for source in sources if isinstance(source, FromRequest) and source.part is Part.PATH]
        for route in self.routes:
            for name in wanted:
                if name not in route.path.names:
                    raise ValueError(f"path.{name} is asked for, but the route {route.path.text} has no such parameter")
        return self


def function_webhook(table: FunctionWebhookTable) -> FunctionWebhook:
    signed, waits = table.signature, table.respond
    return FunctionWebhook(
        table.name,
        routes_of(table.routes),
        bounds_of(table),
        table.function,
        tuple(table.params.items()),
        None if signed is None else Signature(signed.style, signed.secret, signed.window or 300 * SECOND),
        table.idempotency_key,
        None if waits is None else Wait(waits.wait, waits.err),
    )


def component_webhook(table: BoundsTable) -> ComponentWebhook:
    return ComponentWebhook(table.name, routes_of(table.routes), bounds_of(table))


def routes_of(tables: Sequence[RouteTable]) -> tuple[Route, ...]:
    return tuple(Route(table.methods, table.path) for table in tables)


def bounds_of(table: BoundsTable) -> Bounds:
    return Bounds(table.timeout, table.concurrency_max, table.body_bytes_max)
