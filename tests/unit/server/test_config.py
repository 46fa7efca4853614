import dataclasses
import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from obelisk_runtime.core.deployment import Access, ComponentKind, ComponentSettings, DirectoryGrant, RuntimeLimits
from obelisk_runtime.core.retry import RetryPolicy
from obelisk_runtime.registry import RegistrySettings, SignaturePolicy
from obelisk_server.config import (
    InvalidConfig,
    Listen,
    LogFormat,
    ServerConfig,
    json_schema,
    load_registry,
    parse_config,
)
from obelisk_server.config.access import AccessSettings
from obelisk_server.config.models import LimitsTable
from obelisk_server.config.secrets import SecretSource
from obelisk_server.config.webhooks.request_values import FromRequest, Literal, Part
from obelisk_server.config.webhooks.settings import (
    Bounds,
    ComponentWebhook,
    FunctionWebhook,
    Signature,
    SignatureStyle,
    Wait,
)

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.wasm").touch()
    return tmp_path


def parse(folder: Path, text: str, **environ: str) -> ServerConfig:
    return parse_config(text, folder / "obelisk.toml", environ)


def problems(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(InvalidConfig) as caught:
        parse(folder, text, **environ)
    return [str(problem).removeprefix(str(folder / "obelisk.toml")) for problem in caught.value.problems]


def activity(line: str) -> str:
    return f'[[activity]]\nname = "a"\nlocation = "a.wasm"\n{line}\n'


def test_an_empty_file_means_the_defaults(folder: Path) -> None:
    assert parse(folder, "") == ServerConfig(
        listen=Listen("127.0.0.1", 8080),
        log=LogFormat.TEXT,
        database=folder / ".obelisk/obelisk.db",
        limits=RuntimeLimits(),
        components=(),
        stubs=(),
        registry=RegistrySettings(),
        secrets={},
        ca_file=None,
        access=AccessSettings(hosts=frozenset({"127.0.0.1"})),
        audit=None,
        webhooks=None,
    )


def test_a_component_without_options_has_the_defaults_of_the_core(folder: Path) -> None:
    config = parse(folder, activity("") + '[[workflow]]\nname = "w"\nlocation = "a.wasm"\n')
    location = str(folder / "a.wasm")
    assert config.components == (
        ComponentSettings("a", ComponentKind.ACTIVITY, location),
        ComponentSettings("w", ComponentKind.WORKFLOW, location),
    )


def test_every_option_reaches_the_core(folder: Path) -> None:
    text = """
        [server]
        listen = "[::1]:0"
        log = "json"
        [storage]
        url = "sqlite:/data/x.db"
        [limits]
        activities_max = 7
        lease = "1m"
        [[activity]]
        name = "a"
        location = "a.wasm"
        attempt_timeout = "10s"
        retries.max = 1
        retries.errs_max = 2
        retries.traps_max = 0
        retries.timeouts_max = 3
        retries.lost_max = 4
        retries.backoff = "1ms"
        retries.factor = 3
        retries.max_backoff = "1h"
        retries.jitter = 0
        env = { MODE = "prod" }
        memory_mib = 64
        fuel = 1000
        start = "after-commit"
    """
    config = parse(folder, text)
    assert config.listen == Listen("::1", 0)
    assert config.log is LogFormat.JSON
    assert config.database == Path("/data/x.db")
    assert config.limits == RuntimeLimits(activities_max=7, lease=60_000_000)
    assert config.components == (
        ComponentSettings(
            name="a",
            kind=ComponentKind.ACTIVITY,
            location=str(folder / "a.wasm"),
            env={"MODE": "prod"},
            memory_mib=64,
            fuel=1000,
            attempt_timeout=10_000_000,
            retries=RetryPolicy(
                max=1,
                errs_max=2,
                traps_max=0,
                timeouts_max=3,
                lost_max=4,
                backoff=1_000,
                factor=3.0,
                backoff_max=3_600_000_000,
                jitter=0.0,
            ),
            start_after_commit=True,
        ),
    )


def test_all_problems_are_reported_at_once_in_the_order_of_lines(folder: Path) -> None:
    text = """
[server]
listn = "127.0.0.1:1"
[storage]
url = 5
[[activity]]
location = "missing.wasm"
attempt_timeout = 10
retries = { max = "many" }
"""
    found = problems(folder, text)
    assert [problem.split(" ")[0] for problem in found] == [
        ":3:", ":5:", ":6:", ":7:", ":8:", ":9:",
    ]  # fmt: skip
    assert found[0] == ":3: server.listn: unknown key 'listn'; did you mean 'listen'?"
    assert found[1] == ":5: storage.url: found 5, expected text in quotes"
    assert found[2] == ":6: activity[0].name: 'name' is required here and was not given"
    assert found[3] == (
        f":7: activity[0].location: {folder}/missing.wasm does not exist; build the component or correct the path"
    )
    assert found[5] == ":9: activity[0].retries.max: found 'many', expected an integer"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("atempt_timeout = '1s'", "unknown key 'atempt_timeout'; did you mean 'attempt_timeout'?"),
        ("zzz = 1", "unknown key 'zzz'; known keys here are name, location"),
        ("attempt_timeout = '10'", "found '10', expected a duration such as"),
        ("attempt_timeout = '0s'", "found a duration of zero"),
        ("fuel = true", "found True, expected an integer"),
        ("fuel = 1.5", "found 1.5, expected an integer"),
        ("memory_mib = 4097", "found 4097, expected at most 4096"),
        ("memory_mib = 0", "found 0, expected at least 1"),
        ("env = { A = 1 }", "found 1, expected text in quotes"),
        ("env = ['A']", "found ['A'], expected a table"),
        ("start = 'late'", "found 'late', expected 'early' or 'after-commit'"),
        ("retries = { jitter = 2 }", "found 2, expected at most 1"),
        ("retries = { lost_max = 1001 }", "found 1001, expected at most 1000"),
        ("retries = { bakoff = '1s' }", "unknown key 'bakoff'; did you mean 'backoff'?"),
        ("retries = 3", "found 3, expected a table"),
    ],
)
def test_what_was_found_and_expected_is_said(folder: Path, line: str, expected: str) -> None:
    (problem,) = problems(folder, activity(line))
    assert problem.startswith(":4: activity[0].")
    assert expected in problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[server]\nlisten = '8080'", 'expected "HOST:PORT"'),
        ("[server]\nlisten = 8080", "found '8080', expected \"HOST:PORT\""),
        ("[server]\nlisten = '127.0.0.1:99999'", 'expected "HOST:PORT"'),
        ("[server]\nlog = 'xml'", "expected 'text' or 'json'"),
        ("[limits]\nlease = '1s'\nheartbeat = '2s'", "expected more than the heartbeat, which is '2s'"),
        ("[limits]\npoll = '99999999999h'", "expected at most 36500d"),
        ("[limits]\npayload_bytes_max = 99999999999", "expected at most 67108864"),
        ("[storage]\nurl = 'postgresql://x'", "PostgreSQL is not supported yet"),
        ("[storage]\nurl = 'obelisk.db'", 'expected "sqlite:PATH"'),
        ("[storage]\nurl = 'sqlite:'", 'expected "sqlite:PATH"'),
        ("[webhooks]\nlisten = 'x'", 'expected "HOST:PORT"'),
        ("[[stub]]\nfunction = 'x'\nparams = 'func()'", "'x' is not a valid function name"),
        ("[[stub]]\nfunction = 'a:b/c.d'\nparams = 'func('", "expected a function type as in WIT"),
        ("[serverr]\n", "did you mean 'server'?"),
        ("activity = 'x'", "expected an array"),
        ("activity = ['x']", "found 'x', expected a table"),
    ],
)
def test_a_wrong_section_is_said(folder: Path, text: str, expected: str) -> None:
    (problem,) = problems(folder, text)
    assert expected in problem


def test_text_that_is_nested_too_deep_is_refused(folder: Path) -> None:
    (problem,) = problems(folder, "a = " + "[" * 5_000 + "]" * 5_000)
    assert "nested too deep" in problem


def test_text_that_is_no_toml_names_its_line(folder: Path) -> None:
    (problem,) = problems(folder, "[server]\nlisten = \n")
    assert "not TOML" in problem
    assert "line 2" in problem


def test_a_location_may_be_in_a_registry(folder: Path) -> None:
    config = parse(folder, '[[activity]]\nname = "a"\nlocation = "oci://ghcr.io/x/y:1"\n')
    assert config.components[0].location == "oci://ghcr.io/x/y:1"


def test_a_location_that_is_none_is_refused(folder: Path) -> None:
    (problem,) = problems(folder, '[[activity]]\nname = "a"\nlocation = "oci://ghcr.io/X:1"\n')
    assert "'X' is not a repository" in problem


def test_the_registry_section_reaches_the_registry(folder: Path) -> None:
    (folder / "key.pub").write_bytes(b"key")
    (folder / "ca.pem").touch()
    text = """
        [registry]
        insecure = ["registry.lan:5000"]
        ca_file = "ca.pem"
        token_hosts = { "registry.lan:5000" = ["auth.lan"] }
        [registry.policy]
        require_signatures = ["ghcr.io/team/*"]
        public_keys = ["key.pub"]
    """
    expected = RegistrySettings(
        insecure=frozenset({"registry.lan:5000"}),
        ca_file=folder / "ca.pem",
        token_hosts={"registry.lan:5000": ("auth.lan",)},
        policy=SignaturePolicy(("ghcr.io/team/*",), (b"key",)),
    )
    assert parse(folder, text).registry == expected
    (folder / "obelisk.toml").write_text(text + "[[activity]]\n")
    assert load_registry(folder / "obelisk.toml", {}) == expected
    assert load_registry(folder / "missing.toml", {}) == RegistrySettings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("insecure = 'x'", "registry.insecure: found 'x', expected an array"),
        ("insecure = ['http://x']", "registry.insecure[0]: found 'http://x'"),
        ("ca_file = 'missing.pem'", "missing.pem is not a file"),
        ("policy = { public_keys = ['missing.pub'] }", "missing.pub is not a file"),
        ("policy = { require_signatures = ['x'] }", "name the public_keys"),
        ("polcy = {}", "did you mean 'policy'?"),
    ],
)
def test_a_wrong_registry_section_is_said(folder: Path, text: str, expected: str) -> None:
    (problem,) = problems(folder, "[registry]\n" + text)
    assert expected in problem
    (folder / "obelisk.toml").write_text("[registry]\n" + text)
    with pytest.raises(InvalidConfig) as caught:
        load_registry(folder / "obelisk.toml", {})
    assert expected in str(caught.value)


def test_two_components_may_not_have_one_name(folder: Path) -> None:
    text = activity("") + '[[workflow]]\nname = "a"\nlocation = "a.wasm"\n'
    assert problems(folder, text) == [
        ":6: workflow[0].name: another component has the name 'a'; choose a unique one"
    ]  # fmt: skip


def test_variables_are_replaced_where_it_is_said(folder: Path) -> None:
    text = "[server]\nlisten = '127.0.0.1:${PORT}'\n[storage]\nurl = 'sqlite:${DIR:-data}/x.db'\n" + activity(
        "env = { TOKEN = '${A}-${B:-b}' }"
    )
    config = parse(folder, text, PORT="9000", A="a")
    assert config.listen.port == 9000
    assert config.database == folder / "data/x.db"
    assert config.components[0].env == {"TOKEN": "a-b"}


def test_a_variable_that_is_not_set_is_named(folder: Path) -> None:
    (problem,) = problems(folder, activity("env = { TOKEN = '${NO_SUCH}' }"))
    assert "the environment variable NO_SUCH is not set" in problem


def test_other_values_are_not_interpolated(folder: Path) -> None:
    (problem,) = problems(folder, '[[activity]]\nname = "${A}"\nlocation = "a.wasm"\n', A="a")
    assert "found '${A}'" in problem


def test_the_limits_are_those_of_the_core() -> None:
    fields = {field.name for field in dataclasses.fields(RuntimeLimits)}
    assert set(LimitsTable.model_fields) == fields - {"retention"}, "which has a table of its own"


def test_the_sample_is_right(tmp_path: Path) -> None:
    text = (REPOSITORY / "obelisk.toml").read_text(encoding="utf-8")
    for location in ("fibo", "fibo_workflow"):
        product = tmp_path / f"build/components/{location}.wasm"
        product.parent.mkdir(parents=True, exist_ok=True)
        product.touch()
    config = parse(tmp_path, text)
    assert [component.name for component in config.components] == ["fibo", "fibo-workflow"]
    jsonschema.validate(tomllib.loads(text), json_schema())


def test_the_schema_shows_durations_as_text_and_refuses_unknown_keys() -> None:
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$defs"]["LimitsTable"]["properties"]["lease"]["default"] == "10s"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"server": {"listn": "x"}}, schema)


# Webhooks and secrets

HOOK = """
[[webhook]]
name = "h"
function = "a:b/c.d"
routes = [{ methods = ["POST"], path = "/x/:id" }]
"""
SIGNED = HOOK + 'signature = { style = "github", secret = "HUB" }\n'


def test_a_webhook_has_defaults(folder: Path) -> None:
    settings = parse(folder, HOOK).webhooks
    assert settings is not None
    assert (settings.listen, settings.requests_max, settings.api_url) == (Listen("127.0.0.1", 9090), 1_000, None)
    (hook,) = settings.webhooks
    assert isinstance(hook, FunctionWebhook)
    assert hook.bounds == Bounds(timeout=30_000_000, concurrency_max=None, body_bytes_max=2 * 1024 * 1024)
    assert (hook.params, hook.signature, hook.idempotency_key, hook.respond) == ((), None, None, None)


def test_every_option_of_a_webhook_is_read(folder: Path) -> None:
    text = (
        '[webhooks]\nlisten = "0.0.0.0:80"\nrequests_max = 5\napi_url = "https://o.example/"\n'
        '[secrets]\nHUB = { env = "X" }\nFILE = { file = "key" }\n'
        + SIGNED.replace('"github"', '"slack", window = "1m"')
        + 'timeout = "1s"\nconcurrency_max = 2\nbody_bytes_max = 3\nidempotency_key = "body.id"\n'
        'params = { a = "path.id", b = { from = "query.b", default = [1] }, c = { literal = true } }\n'
        'respond = { wait = "10s", err = 400 }\n'
        '[[webhook]]\nname = "w"\nlocation = "a.wasm"\nroutes = [{ path = "/w/*" }]\nmemory_mib = 7\n'
    )
    config = parse(folder, text)
    assert config.secrets == {"HUB": SecretSource(env="X"), "FILE": SecretSource(file=folder / "key")}
    assert config.components == (ComponentSettings("w", ComponentKind.WEBHOOK, str(folder / "a.wasm"), memory_mib=7),)
    assert config.webhooks is not None
    assert (config.webhooks.listen, config.webhooks.api_url) == (Listen("0.0.0.0", 80), "https://o.example")
    declared, component = config.webhooks.webhooks
    assert isinstance(declared, FunctionWebhook)
    assert isinstance(component, ComponentWebhook)
    assert declared.bounds == Bounds(1_000_000, 2, 3)
    assert declared.params == (
        ("a", FromRequest(Part.PATH, "id")),
        ("b", FromRequest(Part.QUERY, "b", Literal([1]))),
        ("c", Literal(True)),
    )
    assert declared.signature == Signature(SignatureStyle.SLACK, "HUB", 60_000_000)
    assert declared.idempotency_key == FromRequest(Part.BODY, "id")
    assert declared.respond == Wait(10_000_000, 400)
    assert [str(route) for route in component.routes] == ["any method /w/*"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[webhooks]\nlistn = 'x'", ":2: webhooks.listn: unknown key 'listn'; did you mean 'listen'?"),
        ("[webhooks]\napi_url = 'ftp://x'", "expected a URL"),
        (HOOK + "parms = {}", ":6: webhook[0].parms: unknown key 'parms'; did you mean 'params'?"),
        (HOOK + "location = 'a.wasm'", "unknown key 'location'"),
        (HOOK.replace("function", "location"), "does not exist; build the component"),
        (HOOK.replace("/x/:id", "x"), ":5: webhook[0].routes[0].path: found 'x', expected a path"),
        (HOOK.replace("POST", "post"), "expected an HTTP method in capital letters"),
        (HOOK.replace('[{ methods = ["POST"], path = "/x/:id" }]', "[]"), "expected at least one"),
        (HOOK + "params = { a = 'header' }", ":6: webhook[0].params.a: found 'header', expected a part of the request"),
        (HOOK + "params = { a = 'path.other' }", "the route /x/:id has no such parameter"),
        (HOOK + "idempotency_key = { literal = 1 }", "expected a part of the request"),
        (HOOK + "respond = 'later'", 'expected "accepted" or { wait = "10s" }'),
        (HOOK + "respond = { wait = '1h' }", "expected at most 5m"),
        (HOOK + "respond = { wait = '1s', err = 500 }", "expected at most 499"),
        (SIGNED, "webhook[0].signature.secret: there is no secret 'HUB'; write [secrets]"),
        ("[secrets]\nHUB = { env = 'X' }\n" + SIGNED.replace('"HUB"', '"HUB", window = "1m"'), "there is no window"),
        ("[secrets]\nHUB = 'value'", 'expected { env = "VARIABLE" } or { file = "PATH" }'),
        ("[secrets]\nHUB = { env = 'X', file = 'y' }", "a value is never in this file"),
        (HOOK + HOOK.replace('"h"', '"other"').replace(":id", ":x"), "POST /x/:x of other fits the same requests as"),
        (HOOK + HOOK.replace("/x/:id", "/y"), "another component has the name 'h'"),
    ],
)
def test_a_wrong_webhook_is_said_with_its_place(folder: Path, text: str, expected: str) -> None:
    (problem,) = problems(folder, text)
    assert expected in problem


def test_directories_of_an_activity_are_absolute_and_checked(folder: Path) -> None:
    (folder / "data").mkdir()
    text = 'directories = [{ host = "data", guest = "/data" }, { host = "data", guest = "/", access = "read-write" }]'
    assert parse(folder, activity(text)).components[0].directories == (
        DirectoryGrant(str(folder / "data"), "/data", Access.READ_ONLY),
        DirectoryGrant(str(folder / "data"), "/", Access.READ_WRITE),
    )


@pytest.mark.parametrize(
    ("directories", "message"),
    [
        ('[{ host = "none", guest = "/data" }]', "none does not exist; make it, or correct the path"),
        ('[{ host = "obelisk.txt", guest = "/data" }]', "obelisk.txt is not a directory; make it, or correct the path"),
        ('[{ host = ".", guest = "data" }]', "found 'data', expected an absolute path without"),
        ('[{ host = ".", guest = "/a/../b" }]', "found '/a/../b', expected an absolute path without"),
        ('[{ host = ".", guest = "/a" }, { host = ".", guest = "/a" }]', "2 directories have the name '/a'"),
        ('[{ host = ".", guest = "/a", access = "all" }]', "found 'all', expected 'read-only' or 'read-write'"),
        ('[{ guest = "/a" }]', "'host' is required here and was not given"),
    ],
)
def test_directories_that_cannot_be_granted_are_refused(folder: Path, directories: str, message: str) -> None:
    (folder / "obelisk.txt").write_text("")
    (problem,) = problems(folder, activity(f"directories = {directories}"))
    assert message in problem


@pytest.mark.parametrize(("key", "value"), [("directories", "[{ host = '.', guest = '/a' }]"), ("env", "{ A = 'b' }")])
def test_a_workflow_sees_nothing_that_could_change_between_replays(folder: Path, key: str, value: str) -> None:
    text = f'[[workflow]]\nname = "w"\nlocation = "a.wasm"\n{key} = {value}'
    (problem,) = problems(folder, text)
    assert problem.startswith(f":4: workflow[0].{key}: a workflow has no '{key}': each replay must see the same")


def test_a_variable_with_a_password_is_not_repeated() -> None:
    with pytest.raises(InvalidConfig) as refused:
        parse_config('[storage]\nurl = "postgresql://u:${PW}@db/x"', Path("/x/obelisk.toml"), {"PW": "verysecret"})
    assert "${PW}" in str(refused.value)
    assert "verysecret" not in str(refused.value)
