"""What these pages say of the code, taken from the code: `python docs/reference.py` writes it into them.

It stands between `<!-- NAME -->` and `<!-- end -->`; the names are the keys of `TABLES`. A test compares, so that the
pages cannot differ from the code, and words about a key, an option, or an operation are written once, beside it.
"""

import ast
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

import click
import msgspec

from obelisk_runtime.core import events
from obelisk_runtime.core.secrets import SECRET_BYTES_MIN
from obelisk_runtime.core.values.text import DEFAULT_LIMITS
from obelisk_runtime.ports.store import CHANGES_MAX, PAGE_MAX
from obelisk_runtime.registry import files
from obelisk_runtime.service import BATCH_MAX
from obelisk_runtime.service.guests import log, network
from obelisk_runtime.service.replay import debugging, rehearsing, room
from obelisk_runtime.service.trees import transfer
from obelisk_runtime.storage.sqlite import listing, overview
from obelisk_runtime.wasi import filesystem
from obelisk_runtime.wasi.files import open_file, paths
from obelisk_runtime.wasi.http import connecting
from obelisk_server.access import audit, audit_file, failures
from obelisk_server.api import bulk, followers, metrics, replays, submitting, waits, wire
from obelisk_server.api import listener as api
from obelisk_server.api.descriptions import texts_of_fields
from obelisk_server.api.listener import OPERATIONS
from obelisk_server.api.operations import AnyOperation
from obelisk_server.api.problems import PROBLEMS
from obelisk_server.cli import root
from obelisk_server.config import json_schema, load, secrets
from obelisk_server.endpoints import ENDPOINTS, Scope
from obelisk_server.serving import boundary, listening
from obelisk_server.serving.problems import INTERNAL

FOLDER = Path(__file__).parent
REPOSITORY = FOLDER.parent
BLOCK = re.compile(r"(<!-- (?!end)(.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

Json = dict[str, Any]


def pages() -> list[Path]:
    return sorted(FOLDER.glob("*.md"))


def written(text: str) -> str:
    """The page with its tables as they must be. Raises: KeyError for a table that there is not."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]().strip()}\n\n{found[4]}", text)


def main() -> None:
    for page in pages():
        page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])


def code(text: str) -> str:
    return f"`{text}`"


def sentence(text: str) -> str:
    """Without the full stop that a single sentence in a table does not need."""
    return text.removesuffix(".") if ". " not in text else text


# obelisk.toml


@cache
def schema() -> Json:
    return json_schema()


def models() -> list[str]:
    """Every table of obelisk.toml by the name of its model; enumerations have no keys."""
    return [name for name, found in schema()["$defs"].items() if "properties" in found]


def keys(model: str) -> str:
    found = schema()["$defs"][model]
    required = found.get("required", ())
    rows = (
        (code(name), kind(value), default(value, required=name in required), sentence(value.get("description", "")))
        for name, value in found["properties"].items()
    )
    return table(("key", "type", "default", "meaning"), rows)


def target(value: Json) -> Json | None:
    """What a reference leads to."""
    return schema()["$defs"][value["$ref"].rpartition("/")[2]] if "$ref" in value else None


def kind(value: Json) -> str:
    """The type of a key, in words."""
    found = target(value)
    if found is not None:
        return kind(found) if "enum" in found else "table"
    match value:
        case {"anyOf": [*choices]}:
            return " or ".join(dict.fromkeys(kind(item) for item in choices if item.get("type") != "null"))
        case {"const": text}:
            return code(json.dumps(text))
        case {"enum": [*texts]}:
            return " or ".join(code(json.dumps(text)) for text in texts)
        case {"type": "array", "items": items}:
            return f"list of {plural(kind(items))}"
        case {"type": "string"}:
            return kind_of_text(value)
        case _:
            return KINDS.get(value["type"]) or value["type"] + bounds_of(value)


KINDS = {"object": "table", "boolean": "`true` or `false`"}


def kind_of_text(value: Json) -> str:
    if value.get("format") == "date-time":
        return "time"
    return "duration" if value.get("pattern", "").endswith("(us|ms|s|m|h|d)$") else "text"


def plural(text: str) -> str:
    return text if text.startswith("`") else text + "s"


def bounds_of(value: Json) -> str:
    match value:
        case {"minimum": least, "maximum": most}:
            return f", {least} to {most}"
        case {"minimum": least}:
            return f", at least {least}"
        case _:
            return ""


def default(value: Json, *, required: bool) -> str:
    found = value.get("default")
    if required:
        return "required"
    if isinstance(found, dict) and found:
        return "those of its keys"
    return "none" if found in (None, [], {}) else code(json.dumps(found))


# The command line

SHARED = {
    "connection options": ("server", "token_file", "ca_file"),
    "filters": (
        "function",
        "status",
        "result",
        "tag",
        "parent",
        "id",
        "digest",
        "text",
        "created_since",
        "created_before",
        "finished_since",
        "finished_before",
        "children",
    ),
}
"""Options that many commands have: told of once, by the names of their parameters."""
OF_SHARED = {"connection options": ("execution", "list"), "filters": ("execution", "list")}
"""A command that has them."""
EVERYWHERE = {"as_json", "help"}


def command(*path: str) -> tuple[click.Command, click.Context]:
    """Raises: KeyError."""
    found: click.Command = root
    context = click.Context(root, info_name="obelisk")
    for name in path:
        below = found.get_command(context, name) if isinstance(found, click.Group) else None
        if below is None:
            raise KeyError(" ".join(("obelisk", *path)))
        found, context = below, click.Context(below, info_name=name, parent=context)
    return found, context


def commands(path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every command that is no group."""
    found, context = command(*path)
    if not isinstance(found, click.Group):
        yield path
        return
    for name in found.list_commands(context):
        yield from commands((*path, name))


def groups() -> list[str]:
    return list(dict.fromkeys(path[0] for path in commands()))


def commands_of(group: str) -> str:
    return "\n\n".join(one_command(path) for path in commands((group,)))


def one_command(path: tuple[str, ...]) -> str:
    found, context = command(*path)
    usage = " ".join(part for part in found.collect_usage_pieces(context) if part != "[OPTIONS]")
    paragraphs = (" ".join(text.split()) for text in inspect.cleandoc(found.help or "").split("\n\n"))
    heading = f"{'##' if len(path) == 1 else '###'} obelisk {' '.join(path)}"
    parts = [heading, code(f"obelisk {' '.join(path)} {usage}".rstrip()), *paragraphs]
    if own := own_options(found):
        parts.append(options_table(own, context))
    names = {parameter.name for parameter in found.params}
    also = [f"the [{name}](#{name.replace(' ', '-')})" for name in SHARED if names.issuperset(SHARED[name])]
    also += ["`--json`"] if "as_json" in names else []
    return "\n\n".join([*parts, *([f"Also {joined(also)}."] if also else [])])


UNSAID = re.compile(r" RANGE\b|\[x>=\d+\]|x>=\d+; ")
"""What click says of numbers that nobody needs to read."""


def own_options(found: click.Command) -> list[click.Option]:
    names = {parameter.name for parameter in found.params}
    told = set(chain.from_iterable(shared for shared in SHARED.values() if names.issuperset(shared))) | EVERYWHERE
    return [item for item in found.params if isinstance(item, click.Option) and item.name not in told]


def options_table(options: Iterable[click.Option], context: click.Context) -> str:
    records = [option.get_help_record(context) for option in options]
    rows = ((code(UNSAID.sub("", record[0])), sentence(UNSAID.sub("", record[1]))) for record in records if record)
    return table(("option", "meaning"), rows)


def shared_options(name: str) -> str:
    found, context = command(*OF_SHARED[name])
    return options_table(
        (item for item in found.params if isinstance(item, click.Option) and item.name in SHARED[name]), context
    )


def joined(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


def exit_codes() -> str:
    told = (root.epilog or "").removeprefix("Exit codes: ").removesuffix(".").split("; ")
    return table(
        ("exit code", "meaning"), ((code(number), text) for number, _, text in (item.partition(" ") for item in told))
    )


# The HTTP API


def operations() -> str:
    by_name = {item.name: item for item in OPERATIONS}
    rows = (
        (code(name), code(f"{endpoint.method} {endpoint.path}"), *of_operation(by_name[name]))
        for name, endpoint in ENDPOINTS.items()
    )
    return table(("operation", "request", "scope", "limited tokens", "takes", "what it does"), rows)


def of_operation(item: AnyOperation) -> tuple[str, ...]:
    endpoint = item.endpoint
    names = [field.encode_name for struct in (item.query, item.body) for field in msgspec.structs.fields(struct)]
    minds = endpoint.scope is None or item.minds_functions or "{id}" in endpoint.path
    limited = minds and endpoint.scope is not Scope.ADMIN
    scope = "anybody" if endpoint.scope is None else code(endpoint.scope)
    return scope, "yes" if limited else "no", ", ".join(map(code, names)), sentence(item.summary)


def fields_of_requests() -> str:
    """Each field that is explained; those of the same name and meaning together."""
    told: dict[tuple[str, str], list[str]] = {}
    for item in OPERATIONS:
        for field in dict.fromkeys(chain(texts_of_fields(item.query), texts_of_fields(item.body))):
            told.setdefault(field, []).append(code(item.name))
    rows = ((code(name), ", ".join(of), sentence(text)) for (name, text), of in sorted(told.items()))
    return table(("field", "of", "meaning"), rows)


def scopes() -> str:
    return table(
        ("scope", "allows"), ((code(scope), sentence(text)) for scope, text in zip(Scope, words(Scope), strict=True))
    )


def words(enumeration: type) -> list[str]:
    """The docstrings below the members of an enumeration."""
    (definition,) = ast.parse(inspect.getsource(enumeration)).body
    assert isinstance(definition, ast.ClassDef)
    pairs = zip(definition.body, definition.body[1:], strict=False)
    return [
        " ".join(str(text).split())
        for member, following in pairs
        for text in [getattr(getattr(following, "value", None), "value", "")]
        if isinstance(member, ast.Assign)
    ]


def problems() -> str:
    rows = {(found.status, found.slug): found.title for found in (INTERNAL, *reversed(PROBLEMS.values()))}
    return table(
        ("status", "type `urn:obelisk:problem:...`", "title"),
        ((str(status), code(slug), title) for (status, slug), title in sorted(rows.items())),
    )


KINDS_OF_METRICS = {
    "CounterMetricFamily": ("counter", "_total"),
    "_counter": ("counter", "_total"),
    "GaugeMetricFamily": ("gauge", ""),
    "HistogramMetricFamily": ("histogram", ""),
    "_histogram": ("histogram", ""),
    "InfoMetricFamily": ("info", "_info"),
}
"""By what makes one: its kind, and what Prometheus adds to its name."""


def metric_rows() -> Iterator[tuple[str, str, str, str]]:
    """(name, kind, labels, meaning), as they are built in the code: values depend on what happened."""
    for node in ast.walk(ast.parse(inspect.getsource(metrics))):
        match node:
            case ast.Call(func=ast.Name(id=maker), args=[ast.Constant(str(name)), ast.Constant(str(text)), *more]):
                labels = [str(item.value) for item in more if isinstance(item, ast.Constant)]
                labels += chain.from_iterable(ast.literal_eval(item.value) for item in node.keywords)
                made, suffix = KINDS_OF_METRICS[maker]
                yield name + suffix, made, ", ".join(map(code, labels)), sentence(text)
            case _:
                pass


def metric_table() -> str:
    return table(("metric", "kind", "labels", "meaning"), ((code(name), *rest) for name, *rest in metric_rows()))


# Bounds that no key changes

BYTES = {1024 * 1024: "MiB", 1024: "KiB"}


def in_bytes(count: int) -> str:
    size, unit = next((item for item in BYTES.items() if count >= item[0]), (1, "bytes"))
    return f"{count / size:g} {unit}"


def count(number: int) -> str:
    return f"{number:,}"


def seconds(number: float) -> str:
    return f"{number:g} s"


BOUNDS = (
    ("obelisk.toml", in_bytes(load.FILE_BYTES_MAX)),
    ("a component, in a file or a registry", in_bytes(files.COMPONENT_BYTES_MAX)),
    ("a component that is sent to the API, for replay or fork", in_bytes(replays.COMPONENT_BYTES_MAX)),
    ("requests to the API at once; one more gets a 429", count(api.REQUESTS_MAX)),
    ("how long the body of a request may take to arrive", seconds(api.BODY_SECONDS_MAX)),
    (
        "how long the head of a request may take to arrive, the pause before it included",
        seconds(listening.HEAD_SECONDS_MAX),
    ),
    (
        "connections to a listener; one more gets a 503",
        f"{count(listening.CONNECTIONS_MAX)}, or a quarter of the descriptors that the process may have",
    ),
    ("how long a client may take to read what it is sent", seconds(boundary.WRITE_SECONDS_MAX)),
    ("the body of a request, beyond `payload_bytes_max`", in_bytes(api.BODY_MARGIN_BYTES)),
    ("`wait` of a request", seconds(waits.WAIT_SECONDS_MAX)),
    ("streams at once; one more gets a 429", count(followers.FOLLOWERS_MAX)),
    ("changes that a slow reader of a stream may be behind", count(followers.BACKLOG_MAX)),
    ("changes that a stream tells of after a pause", count(CHANGES_MAX)),
    ("a page of a list", count(PAGE_MAX)),
    ("executions that a call for a page looks at", count(listing.SCANNED_MAX)),
    (
        "executions in the store from which on nobody is told what changed during a pause",
        count(overview.CHANGES_SCANNED_MAX),
    ),
    ("executions in a batch", count(BATCH_MAX)),
    ("a batch", in_bytes(submitting.BATCH_BYTES_MAX)),
    ("executions of a bulk action; of one call of it", f"{count(bulk.MATCHES_MAX)}; {count(wire.BULK_LIMIT_MAX)}"),
    ("tags of an execution; characters of a key or value", f"{wire.TAGS_MAX}; {wire.TAG_CHARACTERS_MAX}"),
    ("characters of an id or name", count(wire.NAME_CHARACTERS_MAX)),
    ("executions of a tree that is exported", count(transfer.EXECUTIONS_MAX)),
    ("the lines of a tree that is exported", in_bytes(transfer.EXPORT_BYTES_MAX)),
    ("wrong tokens from one address in a minute", count(failures.FAILURES_MAX)),
    (
        "a file of the audit log; older files that are kept",
        f"{in_bytes(audit_file.FILE_BYTES_MAX)}; {audit_file.FILES_KEPT}",
    ),
    ("its lines in a minute about requests of nobody known", count(audit.STRANGERS_MAX)),
    ("a line that a guest writes", in_bytes(log.LINE_BYTES_MAX)),
    ("HTTP requests that the record of an attempt has, and one that failed", count(network.REQUESTS_MAX)),
    ("HTTP connections of all guests together", count(connecting.CONNECTIONS_MAX)),
    ("head of a response that a guest gets", in_bytes(connecting.HEAD_BYTES_MAX)),
    ("files and directories that a call has open", count(filesystem.DESCRIPTORS_MAX)),
    ("entries of a directory that a guest lists", count(open_file.ENTRIES_MAX)),
    ("links that a path of a guest leads through", count(paths.LINKS_MAX)),
    ("a secret", f"{SECRET_BYTES_MIN} bytes to {in_bytes(secrets.SECRET_BYTES_MAX)}"),
    ("nesting of a value; items of a list", f"{DEFAULT_LIMITS.nesting_depth}; {count(DEFAULT_LIMITS.list_length)}"),
    ("how long a replay may take", seconds(rehearsing.REPLAY_SECONDS_MAX)),
    ("how long the debugger may take", seconds(debugging.DEBUG_SECONDS_MAX)),
    (
        "replays and looks of the debugger at once; that wait, and one more gets a 429",
        f"{room.AT_ONCE_MAX}; {room.WAITING_MAX}",
    ),
)


def bounds_table() -> str:
    return table(("bound", "value"), BOUNDS)


# Logs of executions


def event_table() -> str:
    rows = ((code(name), sentence(" ".join((form.__doc__ or "").split()))) for form, name in events.EVENT_NAMES.items())
    return table(("event", "meaning"), rows)


def failure_kinds() -> str:
    return ", ".join(code(kind.label) for kind in events.FailureKind)


# WIT

FUNCTION = re.compile(r"((?: *///.*\n)+) +([a-z0-9-]+): func")


def host_functions(package: str, interface: str) -> str:
    (file,) = (REPOSITORY / "wit").glob(f"obelisk_{package}@*/*.wit")
    text = file.read_text(encoding="utf-8").partition(f"interface {interface} {{")[2].partition("\n}\n")[0]
    rows = ((code(name), sentence(" ".join(said.replace("///", "").split()))) for said, name in FUNCTION.findall(text))
    return table(("function", "meaning"), rows)


_TABLES: dict[str, Callable[[], str]] = {
    **{f"keys of {model}": partial(keys, model) for model in models()},
    **{f"commands of {group}": partial(commands_of, group) for group in groups()},
    **{name: partial(shared_options, name) for name in SHARED},
    "exit codes": exit_codes,
    "operations": operations,
    "fields of requests": fields_of_requests,
    "scopes": scopes,
    "problems": problems,
    "metrics": metric_table,
    "bounds": bounds_table,
    "events": event_table,
    "failure kinds": failure_kinds,
    "functions of workflow-support": partial(host_functions, "workflow", "workflow-support"),
    "functions of webhook-support": partial(host_functions, "webhook", "webhook-support"),
    "functions of log": partial(host_functions, "log", "log"),
}
TABLES = {name: cache(make) for name, make in _TABLES.items()}

if __name__ == "__main__":
    main()
