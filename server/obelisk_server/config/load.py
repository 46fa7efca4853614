"""From the text of obelisk.toml to a ServerConfig."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from obelisk_runtime.core.deployment import ComponentKind, ComponentSettings, RuntimeLimits, StubSettings
from obelisk_runtime.core.retry import RetryPolicy
from obelisk_runtime.registry import RegistrySettings
from obelisk_server.config.access import AccessSettings, TlsFiles, access_problems, own_name, tls_files, token_settings
from obelisk_server.config.directories import grants
from obelisk_server.config.explain import explain, place
from obelisk_server.config.models import (
    ActivityTable,
    ComponentTable,
    ComponentWebhookTable,
    LimitsTable,
    LogFormat,
    ObeliskToml,
    RetentionTable,
    Start,
    WorkflowTable,
    WorldlyTable,
)
from obelisk_server.config.outgoing import GrantedSecrets
from obelisk_server.config.problems import ConfigProblem, InvalidConfig
from obelisk_server.config.registry import registry_settings
from obelisk_server.config.secrets import SecretSource, secret_sources
from obelisk_server.config.toml_lines import KeyPath, TomlLines
from obelisk_server.config.values import Listen, Surroundings
from obelisk_server.config.webhooks.settings import (
    WebhookSettings,
    route_conflicts,
    unknown_secrets,
)
from obelisk_server.config.webhooks.tables import WebhooksTable, component_webhook, function_webhook

FILE_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """An obelisk.toml that is right, with every path absolute."""

    listen: Listen
    log: LogFormat
    database: Path
    limits: RuntimeLimits
    components: tuple[ComponentSettings, ...]
    stubs: tuple[StubSettings, ...]
    registry: RegistrySettings
    secrets: Mapping[str, SecretSource]
    ca_file: Path | None
    """Authorities that the HTTP requests of guests trust beside the usual ones."""
    access: AccessSettings
    audit: Path | None
    """Where it is written who changed what; None: to the log."""
    webhooks: WebhookSettings | None
    """None: there is no listener of webhooks."""


def tls_of(config: ServerConfig) -> Mapping[str, TlsFiles]:
    """The certificates of listeners that have one, by the section that they are in."""
    hooks = None if config.webhooks is None else config.webhooks.tls
    found = {"server": config.access.tls, "webhooks": hooks}
    return {section: files for section, files in found.items() if files is not None}


def load_config(file: Path, environ: Mapping[str, str]) -> ServerConfig:
    """Raises: InvalidConfig with everything that is wrong."""
    try:
        return parse_config(read_config(file), file, environ)
    except FileNotFoundError:
        hint = "there is no such file; write one or name another with --config"
        raise InvalidConfig([ConfigProblem(file, None, (), hint)]) from None


def load_registry(file: Path, environ: Mapping[str, str]) -> RegistrySettings:
    """The section `[registry]` alone, for commands that need no server; its defaults if there is no file.

    Raises: InvalidConfig.
    """
    try:
        text = read_config(file)
    except FileNotFoundError:
        return RegistrySettings()
    parsed = _parse(text, file)
    only = {"registry": parsed["registry"]} if "registry" in parsed else {}
    tables, problems = _validate(only, Surroundings(file.absolute().parent, environ))
    if tables is None:
        raise InvalidConfig(_placed(problems, file, TomlLines(text)))
    return registry_settings(tables.registry)


def read_config(file: Path) -> str:
    """The text of an obelisk.toml. Raises: FileNotFoundError, InvalidConfig."""
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise InvalidConfig([ConfigProblem(file, None, (), f"the file is larger than {FILE_BYTES_MAX} bytes")])
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig([ConfigProblem(file, None, (), f"the file cannot be read: {error}")]) from error


def parse_config(text: str, file: Path, environ: Mapping[str, str]) -> ServerConfig:
    """`file` is where the text is from; paths in it are relative to its folder. Raises: InvalidConfig."""
    parsed = _parse(text, file)
    surroundings = Surroundings(file.absolute().parent, environ)
    tables, problems = _validate(parsed, surroundings)
    problems += _repeated_names(parsed)
    webhooks = None if tables is None else _webhooks(tables)
    secrets = secret_sources({} if tables is None else tables.secrets)
    granted = GrantedSecrets(secrets, environ)
    if tables is not None:
        problems += _secret_problems(tables, granted)
        problems += access_problems(tables.server.listen, tables.token, insecure=tables.server.insecure)
    if webhooks is not None:
        problems += route_conflicts(webhooks.webhooks)
        problems += unknown_secrets(webhooks.webhooks, list(secrets))
    if tables is None or problems:
        raise InvalidConfig(_placed(problems, file, TomlLines(text)))
    return ServerConfig(
        listen=tables.server.listen,
        log=tables.server.log,
        database=surroundings.folder / tables.storage.url.removeprefix("sqlite:"),
        limits=_limits(tables.limits, tables.retention),
        components=(
            *(_activity(table, granted) for table in tables.activity),
            *map(_workflow, tables.workflow),
            *(_webhook_component(table, granted) for _, table in _webhook_components(tables)),
        ),
        stubs=tuple(StubSettings(table.function, table.params) for table in tables.stub),
        registry=registry_settings(tables.registry),
        secrets=secrets,
        ca_file=None if tables.http.ca_file is None else Path(tables.http.ca_file),
        access=_access(tables),
        audit=None if tables.server.audit is None else surroundings.folder / tables.server.audit,
        webhooks=webhooks,
    )


def _access(tables: ObeliskToml) -> AccessSettings:
    server = tables.server
    return AccessSettings(
        tokens=tuple(map(token_settings, tables.token)),
        hosts=frozenset({*server.hosts, *own_name(server.listen)}),
        origins=frozenset(server.origins),
        tls=tls_files(server.tls),
        loopback=server.listen.loopback,
        insecure=server.insecure,
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of obelisk.toml, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "obelisk.toml",
        **ObeliskToml.model_json_schema(mode="serialization"),  # in the other mode a default duration is a number
    }


def _parse(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig([ConfigProblem(file, None, (), f"this is not TOML: {error}")]) from None
    except RecursionError:
        raise InvalidConfig([ConfigProblem(file, None, (), "this is nested too deep")]) from None


def _validate(
    parsed: dict[str, Any], surroundings: Surroundings
) -> tuple[ObeliskToml | None, list[tuple[KeyPath, str]]]:
    try:
        return ObeliskToml.model_validate(parsed, context=surroundings), []
    except ValidationError as error:
        return None, [(place(details["loc"]), explain(details)) for details in error.errors(include_url=False)]


def _placed(found: list[tuple[KeyPath, str]], file: Path, lines: TomlLines) -> list[ConfigProblem]:
    problems = [ConfigProblem(file, lines.line_of(key), key, message) for key, message in found]
    return sorted(problems, key=lambda problem: problem.line or 0)


def _repeated_names(parsed: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Names are unique over activities, workflows and webhooks."""
    seen = Counter[str]()
    for kind in ComponentKind:
        for index, section in enumerate(_items(parsed.get(kind))):
            name = cast("dict[str, Any]", section).get("name") if isinstance(section, dict) else None
            if isinstance(name, str):
                seen[name] += 1
                if seen[name] == 2:
                    yield (kind.value, index, "name"), f"another component has the name {name!r}; choose a unique one"


def _items(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _limits(table: LimitsTable, retention: RetentionTable) -> RuntimeLimits:
    return RuntimeLimits(**dict(table), retention=retention.finished)


def _common(table: ComponentTable) -> dict[str, Any]:
    return {
        "name": table.name,
        "location": table.location,
        "memory_mib": table.memory_mib,
        "fuel": table.fuel,
    }


def _worldly(table: WorldlyTable) -> dict[str, Any]:
    return {**_common(table), "env": table.env, "directories": grants(table.directories)}


def _activity(table: ActivityTable, granted: GrantedSecrets) -> ComponentSettings:
    retries = table.retries
    return ComponentSettings(
        kind=ComponentKind.ACTIVITY,
        attempt_timeout=table.attempt_timeout,
        retries=RetryPolicy(
            max=retries.max,
            errs_max=retries.errs_max,
            traps_max=retries.traps_max,
            timeouts_max=retries.timeouts_max,
            lost_max=retries.lost_max,
            backoff=retries.backoff,
            factor=retries.factor,
            backoff_max=retries.max_backoff,
            jitter=retries.jitter,
            final_errors=frozenset(retries.final_errors),
        ),
        concurrency_max=table.concurrency_max,
        start_after_commit=table.start is Start.AFTER_COMMIT,
        **granted.settings(table),
        **_worldly(table),
    )


def _workflow(table: WorkflowTable) -> ComponentSettings:
    return ComponentSettings(kind=ComponentKind.WORKFLOW, on_nondeterminism=table.on_nondeterminism, **_common(table))


def _webhook_component(table: ComponentWebhookTable, granted: GrantedSecrets) -> ComponentSettings:
    return ComponentSettings(kind=ComponentKind.WEBHOOK, **granted.settings(table), **_worldly(table))


def _webhook_components(tables: ObeliskToml) -> Iterator[tuple[int, ComponentWebhookTable]]:
    yield from ((at, table) for at, table in enumerate(tables.webhook) if isinstance(table, ComponentWebhookTable))


def _secret_problems(tables: ObeliskToml, granted: GrantedSecrets) -> Iterator[tuple[KeyPath, str]]:
    for kind, found in (
        (ComponentKind.ACTIVITY, enumerate(tables.activity)),
        (ComponentKind.WEBHOOK, _webhook_components(tables)),
    ):
        yield from granted.problems(kind, ((at, table, table.env) for at, table in found))


def _webhooks(tables: ObeliskToml) -> WebhookSettings | None:
    if tables.webhooks is None and not tables.webhook:
        return None
    table = tables.webhooks or WebhooksTable()
    webhooks = tuple(
        component_webhook(each) if isinstance(each, ComponentWebhookTable) else function_webhook(each)
        for each in tables.webhook
    )
    return WebhookSettings(table.listen, table.requests_max, table.api_url, webhooks, tls_files(table.tls))
