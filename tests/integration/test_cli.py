"""The command `obelisk` against a server in a process of its own."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from server_process import OBELISK

COMPONENTS = Path(__file__).parents[2] / "components"
START_SECONDS_MAX = 240
FIBOA = "testing:fibo-workflow/workflow.fiboa"
SLEEPER = "testing:sleeper/sleeper"
CONFIG = """
[server]
listen = "127.0.0.1:0"
[limits]
shutdown = "0s"
[[activity]]
name = "fibo"
location = "fibo_tiny.wasm"
[[activity]]
name = "flaky"
location = "flaky.wasm"
attempt_timeout = "1h"
[[workflow]]
name = "fibo-workflow"
location = "fibo_workflow_tiny.wasm"
[[workflow]]
name = "sleeper"
location = "sleeper.wasm"
[[stub]]
function = "testing:approval/desk.decide"
params = "func(order: u64) -> result<bool, string>"
"""


@dataclass
class Ended:
    code: int
    out: str
    err: str


@dataclass
class Cli:
    """Commands run in a folder, with a cache of their own and no other environment."""

    folder: Path
    server: str = "http://127.0.0.1:1"

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(self.folder), "OBELISK_SERVER": self.server}

    def run(self, *arguments: str, stdin: str = "") -> Ended:
        done = subprocess.run(
            [*OBELISK, *arguments],
            cwd=self.folder,
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: str) -> dict[str, object]:
        ended = self.run(*arguments, "--json")
        assert ended.code == 0, ended
        return json.loads(ended.out)

    def start(self) -> "subprocess.Popen[str]":
        """A server, once it serves."""
        process = subprocess.Popen(
            [*OBELISK, "server", "run"],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("serving on http://"), process.communicate()
        self.server = line.split()[-1]
        return process


def put_components(folder: Path) -> None:
    for name in ("fibo_tiny", "fibo_workflow_tiny", "flaky", "sleeper"):
        text = (COMPONENTS / name / "component.wat").read_text(encoding="utf-8")
        (folder / f"{name}.wasm").write_bytes(wat2wasm(text))
    (folder / "obelisk.toml").write_text(CONFIG, encoding="utf-8")


def stop(process: "subprocess.Popen[str]") -> Ended:
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=START_SECONDS_MAX)
    return Ended(process.returncode, out, err)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    put_components(tmp_path)
    return Cli(tmp_path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """Commands with a server that serves."""
    cli = Cli(tmp_path_factory.mktemp("served"))
    put_components(cli.folder)
    process = cli.start()
    yield cli
    ended = stop(process)
    assert ended.code == 0, ended
    assert "Traceback" not in ended.err


# With a server


def test_a_followed_submit_prints_progress_and_then_the_result(served: Cli) -> None:
    ended = served.run("execution", "submit", "fiboa", "[10, 5]", "--follow")
    assert (ended.code, ended.out) == (0, '{"ok":89}\n')
    assert "5 children done" in ended.err


def test_a_followed_submit_in_json_prints_one_object(served: Cli) -> None:
    found = served.json("execution", "submit", "fiboa", "[10, 5]", "--follow")
    assert found["result"] == {"ok": 89}
    assert found["function"] == FIBOA


def test_a_submit_prints_the_id_that_other_commands_take(served: Cli) -> None:
    execution_id = served.run("execution", "submit", "fiboa", "[10, 2]", "--tag", "by=test").out.strip()
    followed = served.run("execution", "follow", execution_id)
    assert (followed.code, followed.out) == (0, '{"ok":89}\n')
    assert served.json("execution", "get", execution_id)["tags"] == {"by": "test"}
    listed = served.run("execution", "list", "--tag", "by=test", "--status", "finished").out
    assert listed.splitlines()[1].split()[0] == execution_id
    events = served.run("execution", "events", execution_id).out.splitlines()
    assert [line.split()[2] for line in events] == [
        "created", "locked", "child-submitted", "child-submitted", "finished",
    ]  # fmt: skip
    responses = served.run("execution", "responses", execution_id, "--json", "--limit", "1").out.splitlines()
    assert [json.loads(line)["outcome"] for line in responses] == [{"ok": 89}]


def test_lists_are_narrowed_and_turned_round(served: Cli) -> None:
    first, second = (served.json("execution", "submit", "fiboa", f"[{n}, 0]", "--follow")["id"] for n in (7, 8))

    def ids(*options: str) -> list[str]:
        return [item["id"] for item in served.json("execution", "list", "--function", "fiboa", *options)["items"]]  # type: ignore[index, union-attr]

    assert ids("--created-since", "1h", "--oldest-first")[-2:] == [first, second]
    assert ids("--text", "[7,0]") == [first]
    assert ids("--id", str(second)) == [second]
    assert ids("--finished-before", "1h") == []


def test_a_workflow_is_looked_at_where_it_stood_at_an_event(served: Cli) -> None:
    execution_id = served.run("execution", "submit", "fiboa", "[10, 2]", "--follow", "--json").out
    execution_id = json.loads(execution_id)["id"]
    shown = served.run("execution", "debug", execution_id, "--version", "3")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[0].startswith(f"event 3 of {execution_id}: child-submitted at ")
    assert "asked      child-submitted(join_set=o:2, function=testing:fibo/fibo.fibo, params=[10])" in lines
    assert f'got        child-finished of {execution_id}.o:2_1: {{"ok":89}}' in lines
    assert f"  waiting    {execution_id}.o:2_1  testing:fibo/fibo.fibo" in lines
    assert lines[lines.index("backtrace") + 1].startswith("  ")
    ended = served.run("execution", "debug", execution_id, "--version", "4").out
    assert "ended      to return ok(89)" in ended
    missing = served.run("execution", "debug", execution_id, "--version", "5")
    assert (missing.code, "its events are 0 to 4" in missing.err) == (3, True)
    digest = "sha256:" + "0" * 64
    assert served.run("execution", "debug", execution_id, "--version", "1", "--component", digest).code == 4


def test_a_stub_is_answered_once(served: Cli) -> None:
    execution_id = served.run("execution", "submit", "desk.decide", "[7]").out.strip()
    wrong = served.run("execution", "stub", execution_id, '{"ok":7}')
    assert (wrong.code, "expected bool" in wrong.err) == (2, True)
    assert served.run("execution", "stub", execution_id, '{"ok":true}').code == 0
    assert served.run("execution", "stub", execution_id, '{"ok": true}').code == 0
    other = served.run("execution", "stub", execution_id, '{"ok":false}')
    assert (other.code, 'another result: {"ok": true}' in other.err) == (4, True)
    assert served.json("execution", "get", execution_id)["result"] == {"ok": True}


def test_a_submit_begins_at_a_time_or_after_a_while_or_when_it_is_resumed(served: Cli) -> None:
    submit = "execution", "submit", "sleeper.sleep", "[1]"
    at = served.run(*submit, "--at", "2100-01-01T00:00:00Z").out.strip()
    assert served.json("execution", "get", at)["due"] == "2100-01-01T00:00:00.000000Z"
    later = served.run(*submit, "--in", "1h").out.strip()
    assert served.json("execution", "why", later)["because"] == "due later"
    paused = served.run(*submit, "--paused").out.strip()
    assert served.json("execution", "why", paused)["because"] == "paused"
    assert served.run("execution", "resume", paused).out.strip() == "resumed"
    assert served.run("execution", "follow", paused).code == 0
    assert served.run("execution", "cancel", later).code == 4
    assert served.run("execution", "terminate", later).out.strip() == "cancelling"


def test_an_execution_that_ends_in_an_err_has_its_own_exit_code(served: Cli) -> None:
    execution_id = served.run("execution", "submit", "sleep-cancellable", "[3600000]").out.strip()
    assert served.run("execution", "cancel", execution_id).out.strip() in ("cancelled", "cancelling")
    followed = served.run("execution", "follow", execution_id)
    assert followed.code == 1
    assert '"kind":"cancelled"' in followed.out


def test_the_lines_a_guest_wrote_are_shown_while_it_is_followed_and_later(served: Cli) -> None:
    ended = served.run("execution", "submit", "flaky.run", '["permanent", 7]', "--follow")
    assert ended.code == 1
    assert ended.out == '{"err":{"permanent":"permanent"}}\n'
    assert " info  permanent 7" in ended.err
    execution_id = ended.err.split()[1].rstrip(";")
    for more in ((), ("--follow",)):
        line = served.run("execution", "logs", execution_id, *more).out
        assert line.split(maxsplit=1)[1].split() == ["info", "log", "permanent", "7"]


def test_logs_are_chosen_by_level_and_shown_with_the_execution_they_are_of(served: Cli) -> None:
    execution_id = served.run("execution", "submit", "flaky.run", '["permanent", 8]', "-f").err.split()[1].rstrip(";")
    assert served.run("execution", "logs", execution_id, "--level", "warn").out == ""
    assert "permanent 8" in served.run("execution", "logs", execution_id, "--level", "info").out
    (line,) = served.run("execution", "logs", execution_id, "--tree").out.splitlines()
    assert line.split()[1:] == ["info", "log", execution_id, "permanent", "8"]
    refused = served.run("execution", "logs", execution_id, "--level", "loud")
    assert (refused.code, "'loud' is not one of 'trace'" in refused.err) == (2, True)


def test_logs_are_shown_as_they_come_until_the_execution_ends(served: Cli) -> None:
    execution_id = served.run("execution", "submit", "flaky.run", '["endless", 9]').out.strip()
    follow = subprocess.Popen(
        [*OBELISK, "execution", "logs", execution_id, "--follow"], env=served.environ, stdout=subprocess.PIPE, text=True
    )
    assert follow.stdout is not None
    assert "endless 9" in follow.stdout.readline()
    assert follow.poll() is None
    served.run("execution", "terminate", execution_id)
    assert follow.communicate() == ("", None)
    assert follow.returncode == 0


def test_ctrl_c_stops_following_but_not_the_execution(served: Cli) -> None:
    execution_id = served.run("execution", "submit", "sleep-cancellable", "[3600000]").out.strip()
    follow = subprocess.Popen(
        [*OBELISK, "execution", "follow", execution_id], env=served.environ, stderr=subprocess.PIPE, text=True
    )
    assert follow.stderr is not None
    follow.stderr.readline()
    follow.send_signal(signal.SIGINT)
    _, err = follow.communicate()
    assert (follow.returncode, err.splitlines()[-1]) == (130, "interrupted")
    assert served.json("execution", "get", execution_id)["status"] == "blocked"


def test_params_come_from_standard_input_or_a_file(served: Cli) -> None:
    (served.folder / "params.json").write_text("[5, 1]")
    assert served.run("execution", "submit", "fiboa", "-", "-f", stdin="[4, 1]").out == '{"ok":5}\n'
    assert served.run("execution", "submit", "fiboa", "@params.json", "-f").out == '{"ok":8}\n'


def test_the_same_id_twice_is_one_execution_and_other_content_a_conflict(served: Cli) -> None:
    chosen = "E_01J00000000000000000000000"
    for _ in range(2):
        assert served.run("execution", "submit", "fiboa", "[4, 1]", "--id", chosen).out == chosen + "\n"
    ended = served.run("execution", "submit", "fiboa", "[5, 1]", "--id", chosen)
    assert ended.code == 4
    assert "choose another id" in ended.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["execution", "submit", "fibob", "[]"], 3, "did you mean"),
        (["execution", "submit", "fiboa", "[1]"], 2, "expected 2 parameters"),
        (["execution", "submit", "fiboa", "[1, 'x']"], 2, "not valid JSON"),
        (["execution", "submit", "fiboa", "5"], 2, "a JSON array"),
        (["execution", "submit", "fiboa", "@missing.json"], 2, "cannot be read"),
        (["execution", "submit", "fiboa", "--tag", "x"], 2, "KEY=VALUE"),
        (["execution", "get", "E_01J00000000000000000000001"], 3, "there is no execution"),
        (["execution", "get", "nonsense"], 2, "not a valid execution id"),
        (["execution", "list", "--status", "done"], 2, "expected one of"),
        (["function", "list", "--server", "nonsense"], 2, "expected http://HOST:PORT"),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_code(served: Cli, arguments: list[str], code: int, said: str) -> None:
    ended = served.run(*arguments)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("error: ")
    assert said in ended.err


def test_an_error_in_json_is_the_problem(served: Cli) -> None:
    ended = served.run("execution", "submit", "fibob", "[]", "--json")
    found = json.loads(ended.err)
    assert found["exit_code"] == ended.code == 3
    assert found["error"]["type"] == "urn:obelisk:problem:unknown-function"


def test_functions_and_components_are_listed(served: Cli) -> None:
    assert "func(n: u8, iterations: u32) -> result<u64>" in served.run("function", "list").out
    assert len(served.json("function", "list")["items"]) == 7  # type: ignore[arg-type]
    assert "fibo-workflow" in served.run("component", "list").out


def test_a_second_server_on_the_same_database_is_refused(served: Cli) -> None:
    ended = served.run("server", "run")
    assert ended.code == 9
    assert "is in use by the server with process id" in ended.err
    assert "Traceback" not in ended.err


def test_a_second_server_on_the_same_port_is_refused(served: Cli, cli: Cli) -> None:
    port = served.server.rpartition(":")[2]
    (cli.folder / "obelisk.toml").write_text(CONFIG.replace(":0", f":{port}"))
    ended = cli.run("server", "run")
    assert ended.code == 9
    assert f"error: cannot listen on 127.0.0.1:{port}: Address already in use; stop what uses it" in ended.err
    assert not (cli.folder / ".obelisk").exists()


# Without a server


def test_without_a_server_the_next_step_is_said(cli: Cli) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        cli.server = f"http://127.0.0.1:{unused.getsockname()[1]}"
        ended = cli.run("function", "list")
    assert ended.code == 5
    assert "start one with `obelisk server run`" in ended.err


def test_something_that_is_no_obelisk_server_is_told_apart(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        cli.server = f"http://127.0.0.1:{other.getsockname()[1]}"
        command = subprocess.Popen([*OBELISK, "function", "list"], env=cli.environ, stderr=subprocess.PIPE, text=True)
        connection, _ = other.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            _, err = command.communicate()
    assert command.returncode == 7
    assert "is it an Obelisk server?" in err


def test_help_and_version_need_no_library_of_the_server() -> None:
    program = (
        "import sys\nsys.argv[1:] = ['--help']\nfrom obelisk_server.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([name for name in ('aiohttp', 'pydantic', 'wasmtime', 'msgspec', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "Exit codes:" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_is_that_of_the_distribution(cli: Cli) -> None:
    assert cli.run("--version").out.startswith("obelisk 0.")


def test_verify_names_what_a_component_imports_and_nobody_has(cli: Cli) -> None:
    (cli.folder / "asking.wasm").write_bytes(
        wat2wasm("""(component
          (import "wasi:keyvalue/store@0.2.0-draft" (instance (export "open" (func))))
          (import "wasi:clocks/wall-clock@0.3.0" (instance (export "now" (func))))
          (core module $m (func (export "f") (result i32) (i32.const 0)))
          (core instance $i (instantiate $m))
          (func $f (result (result)) (canon lift (core func $i "f")))
          (instance $e (export "f" (func $f)))
          (export "test:asking/asking" (instance $e)))""")
    )
    (cli.folder / "obelisk.toml").write_text('[[activity]]\nname = "asking"\nlocation = "asking.wasm"\n')
    ended = cli.run("server", "verify")
    assert ended.code != 0
    for name in ("wasi:keyvalue/store@0.2.0-draft", "wasi:clocks/wall-clock@0.3.0"):
        assert f"it imports {name}, which this host does not have" in ended.err


def test_verify_checks_everything_and_opens_no_database(cli: Cli) -> None:
    ended = cli.run("server", "verify")
    assert (ended.code, ended.out) == (0, "obelisk.toml is right: 4 components, 7 functions\n")
    assert not (cli.folder / ".obelisk").exists()


def test_a_missing_file_is_said(cli: Cli) -> None:
    ended = cli.run("server", "run", "--config", "other.toml")
    assert ended.code == 8
    assert ended.err == "error: other.toml: there is no such file; write one or name another with --config\n"


@pytest.mark.parametrize("command", ["run", "verify"])
def test_every_mistake_in_the_file_is_said_at_once(cli: Cli, command: str) -> None:
    (cli.folder / "obelisk.toml").write_text('[server]\nlisten = 1\n[[activity]]\nname = "a"\nlocation = "no.wasm"\n')
    ended = cli.run("server", command)
    assert ended.code == 8
    assert "obelisk.toml:2: server.listen" in ended.err
    assert "obelisk.toml:5: activity[0].location" in ended.err


def test_every_broken_component_is_said_at_once(cli: Cli) -> None:
    (cli.folder / "fibo_tiny.wasm").write_bytes(b"nonsense")
    (cli.folder / "sleeper.wasm").write_bytes((cli.folder / "sleeper.wasm").read_bytes()[:100])
    ended = cli.run("server", "verify", "--json")
    assert ended.code == 8
    problems = json.loads(ended.err)["error"]["problems"]
    assert any(problem.startswith("fibo (") for problem in problems)
    assert any(problem.startswith("sleeper (") for problem in problems)
    assert "Traceback" not in ended.err


def test_an_import_that_nobody_exports_is_said(cli: Cli) -> None:
    config = CONFIG.replace('[[activity]]\nname = "fibo"\nlocation = "fibo_tiny.wasm"\n', "")
    (cli.folder / "obelisk.toml").write_text(config)
    ended = cli.run("server", "verify")
    assert ended.code == 8
    assert "fibo-workflow imports testing:fibo/fibo.fibo, which no component" in ended.err


def test_a_function_that_two_components_export_is_said(cli: Cli) -> None:
    again = '[[activity]]\nname = "again"\nlocation = "fibo_tiny.wasm"\n'
    (cli.folder / "obelisk.toml").write_text(CONFIG + again)
    ended = cli.run("server", "verify")
    assert ended.code == 8
    assert "testing:fibo/fibo.fibo is exported by fibo and again; deploy one of them" in ended.err


@pytest.mark.parametrize("content", [b"this is no database at all" * 100, b"SQLite format 3\0" + b"x" * 5000])
def test_a_file_that_is_no_database_is_left_alone(cli: Cli, content: bytes) -> None:
    database = cli.folder / ".obelisk/obelisk.db"
    database.parent.mkdir()
    database.write_bytes(content)
    ended = cli.run("server", "run")
    assert ended.code == 9
    assert ended.err.count("error: ") == 1
    assert str(database) in ended.err
    assert "Traceback" not in ended.err
    assert database.read_bytes() == content


def test_a_server_ends_in_order_at_ctrl_c_and_leaves_the_database_to_the_next(cli: Cli) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        process = cli.start()
        asleep = cli.run("execution", "submit", "sleep", "[3600000]").out.strip()
        process.send_signal(number)
        out, err = process.communicate(timeout=START_SECONDS_MAX)
        assert (process.returncode, out) == (0, ""), err
        assert "Traceback" not in err
    process = cli.start()
    assert cli.json("execution", "get", asleep)["status"] == "blocked"
    assert stop(process).code == 0


def test_a_second_signal_does_not_wait_for_activities(cli: Cli) -> None:
    (cli.folder / "obelisk.toml").write_text(CONFIG.replace('shutdown = "0s"', 'shutdown = "1h"'))
    process = cli.start()
    endless = cli.run("execution", "submit", "flaky.run", '["endless", 0]').out.strip()
    while cli.json("execution", "get", endless)["status"] != "locked":
        pass
    assert process.stderr is not None
    process.send_signal(signal.SIGTERM)
    while "the server stops" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=START_SECONDS_MAX)
    assert process.returncode == 128 + signal.SIGTERM


def test_a_database_of_a_newer_release_is_refused(cli: Cli) -> None:
    assert stop(cli.start()).code == 0
    with closing(sqlite3.connect(cli.folder / ".obelisk/obelisk.db")) as database:
        database.execute("PRAGMA user_version = 999")
    ended = cli.run("server", "run")
    assert ended.code == 9
    assert "has schema 999, this release knows" in ended.err
    assert "Traceback" not in ended.err


def test_a_database_that_cannot_be_made_is_refused(cli: Cli) -> None:
    (cli.folder / "obelisk.toml").write_text(CONFIG + '[storage]\nurl = "sqlite:fibo_tiny.wasm/x.db"\n')
    ended = cli.run("server", "run")
    assert ended.code == 9
    assert "fibo_tiny.wasm" in ended.err
    assert "Traceback" not in ended.err


def test_a_follow_goes_on_when_a_server_that_was_killed_comes_back(cli: Cli) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    (cli.folder / "obelisk.toml").write_text(CONFIG.replace("127.0.0.1:0", listen))
    first = cli.start()
    execution_id = cli.run("execution", "submit", "sleep-cancellable", "[3600000]").out.strip()
    follow = subprocess.Popen(
        [*OBELISK, "execution", "follow", execution_id],
        env=cli.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert follow.stderr is not None
    follow.stderr.readline()
    first.kill()
    first.communicate()
    while "the server does not answer" not in follow.stderr.readline():
        pass
    second = cli.start()
    assert cli.run("execution", "cancel", execution_id).code == 0
    out, _ = follow.communicate(timeout=START_SECONDS_MAX)
    assert (follow.returncode, '"cancelled"' in out) == (1, True)
    assert stop(second).code == 0


def test_the_log_is_json_where_it_is_asked_for(cli: Cli) -> None:
    (cli.folder / "obelisk.toml").write_text(CONFIG.replace("[server]", '[server]\nlog = "json"'))
    ended = stop(cli.start())
    lines = [json.loads(line) for line in ended.err.splitlines()]
    assert {line["message"] for line in lines} >= {"the server stops", "the server has stopped"}
    assert {line["level"] for line in lines} == {"info"}


def test_the_schema_is_printed(cli: Cli) -> None:
    assert json.loads(cli.run("config", "schema").out)["title"]
