"""What the command `obelisk` does for people: many executions at once, pictures, completion, terminals."""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from obelisk_server.cli import get, root
from server_process import NOBODY, OBELISK, ServerProcess


class Cli(ServerProcess):
    def id(self, *arguments: str) -> str:
        return self.said("execution", "submit", *arguments)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    cli = Cli(tmp_path_factory.mktemp("served"))
    cli.put_tiny()
    cli.start()
    yield cli
    cli.end()


@contextmanager
def terminal(cli: Cli, *arguments: str, columns: int = 80, lines: int = 24, **environ: str) -> Generator["Terminal"]:
    """A command on a pseudo-terminal of that size, in a session of its own."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(
        [*OBELISK, *arguments],
        env={**cli.environ, "TERM": "xterm", **environ},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)


@dataclass
class Terminal:
    master: int
    process: "subprocess.Popen[bytes]"
    shown: str = ""

    def read_until(self, text: str) -> str:
        """What was shown up to this text, and whatever came with it."""
        start = len(self.shown)
        while text not in self.shown[start:]:
            self.shown += self._read() or pytest.fail(f"it ended without {text!r}: {self.shown!r}")
        return self.shown[start:]

    def end(self) -> int:
        while more := self._read():
            self.shown += more
        return self.process.wait()

    def _read(self) -> str:
        with suppress(OSError):  # EIO: nobody has its other end any more
            return os.read(self.master, 65_536).decode(errors="replace")
        return ""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())


def test_a_picture_of_what_is_below_follows_the_fields_of_an_execution(served: Cli) -> None:
    execution_id = served.id("fiboa", "[5, 2]")
    served.run("execution", "follow", execution_id)
    shown = served.run("execution", "get", execution_id).stdout
    fields, picture = shown.split("\n\n")
    assert 'result      {"ok": 8}' in fields.splitlines()[-1].replace("result       ", "result      ")
    head, *rows = [line for line in picture.splitlines() if line != "░ queued"]
    assert head.split()[:4] == ["EXECUTION", "STATUS", "TRIED", "DURATION"]
    assert [row.split()[:3] for row in rows[1:]] == [["├", "o:1_1", "fibo.fibo"], ["└", "o:2_1", "fibo.fibo"]]
    assert all("█" in row for row in rows)


def test_a_sleep_is_in_the_picture(served: Cli) -> None:
    execution_id = served.id("sleeper.sleep", "[1]")
    served.run("execution", "follow", execution_id)
    assert "└ o:1 delay " in served.run("execution", "get", execution_id).stdout


def test_all_pages_are_drawn_up_to_a_bound_that_is_said(served: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    execution_id = served.id("fiboa", "[5, 6]")
    served.run("execution", "follow", execution_id)

    def shown() -> list[str]:
        return CliRunner().invoke(root, ["execution", "get", execution_id, "--server", served.url]).output.splitlines()

    monkeypatch.setattr(get, "PAGE", "2")
    assert shown() == (everything := served.run("execution", "get", execution_id).stdout.splitlines())
    assert sum("fibo.fibo" in line for line in everything) == 6
    monkeypatch.setattr(get, "BELOW_MAX", 4)
    monkeypatch.setattr(get, "EVENTS_MAX", 4)
    *drawn, cut_off, more = shown()
    assert sum("fibo.fibo" in line for line in drawn) == 4
    assert cut_off.startswith(f"{execution_id} is drawn from the first 4 of its ")
    assert more == f"below it are more than 4; see `obelisk execution list --parent {execution_id}`"


def test_many_are_paused_resumed_and_deleted_after_a_dry_run(served: Cli) -> None:
    ids = {served.id("sleeper.sleep", "[1]", "--tag", "set=many", "--in", "1h") for _ in range(3)}

    def bulk(verb: str, *options: str) -> "subprocess.CompletedProcess[str]":
        return served.run("execution", "bulk", verb, "--tag", "set=many", *options)

    seen = bulk("pause", "--dry-run")
    assert seen.stdout.splitlines()[0] == "3 executions match"
    refused = bulk("pause")
    assert (refused.returncode, "repeat it with --yes to pause them" in refused.stderr) == (2, True)
    paused = bulk("pause", "--yes")
    assert {line.split()[0]: line.split()[1] for line in paused.stdout.splitlines()} == dict.fromkeys(ids, "paused")
    assert paused.stderr == "3 paused\n"
    assert bulk("resume", "--yes", "--status", "paused").stderr == "3 resumed\n"
    deleted = bulk("delete", "--yes", "--json")
    assert deleted.returncode == 4
    assert all("refused" in json.loads(line) for line in deleted.stdout.splitlines())


def test_nothing_is_done_with_many_where_no_filter_is_given(served: Cli) -> None:
    ended = served.run("execution", "bulk", "cancel", "--yes")
    assert (ended.returncode, "no filter is given" in ended.stderr) == (2, True)


def test_a_person_is_asked_before_many_are_changed(served: Cli) -> None:
    execution_id = served.id("sleeper.sleep", "[1]", "--tag", "set=asked", "--in", "1h")
    for answer, status in (("n\r", "active"), ("y\r", "paused")):
        with terminal(served, "execution", "bulk", "pause", "--tag", "set=asked") as shown:
            assert execution_id in shown.read_until("[y/N]:")
            shown.type(answer)
            assert shown.end() == (0 if status == "paused" else 130)
        found = json.loads(served.run("execution", "get", execution_id, "--json").stdout)
        assert found["lifecycle"] == status


def test_a_file_of_lines_is_submitted_as_a_whole_or_not_at_all(served: Cli) -> None:
    (served.folder / "batch.jsonl").write_text(
        '{"function": "fibo.fibo", "params": [5], "tags": {"set": "batch"}}\n\n'
        '{"function": "fibo.fibo", "params": [6], "tags": {"set": "batch"}}\n'
    )
    ids = served.run("execution", "submit-batch", "batch.jsonl").stdout.split()
    assert len(ids) == 2
    wrong = '{"function": "fibo.fibo", "params": [5], "tags": {"set": "wrong"}}\n{"function": "fibo.fibo"}\n'
    refused = served.run("execution", "submit-batch", "-", stdin=wrong)
    assert (refused.returncode, refused.stdout) == (2, "")
    listed = json.loads(served.run("execution", "list", "--tag", "set=wrong", "--json").stdout)
    assert listed["items"] == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [("", "has no line"), ("{}\n", "line 1 of"), ('{"function": "f"}\nnonsense\n', "line 2 of")],
)
def test_a_line_that_is_no_submit_is_named(served: Cli, lines: str, said: str) -> None:
    ended = served.run("execution", "submit-batch", "-", stdin=lines)
    assert (ended.returncode, said in ended.stderr) == (2, True)


def test_functions_components_and_the_server_are_looked_at(served: Cli) -> None:
    function = served.run("function", "get", "fiboa").stdout
    assert ["function", "testing:fibo-workflow/workflow.fiboa"] in [line.split() for line in function.splitlines()]
    assert "iterations  u32" in function
    assert "fibo: func(n: u8)" in served.run("function", "wit", "fibo.fibo").stdout
    component = served.run("component", "get", "fibo-workflow").stdout
    assert "calls\n  fibo: testing:fibo/fibo.fibo" in component
    assert "state       ready" in served.run("server", "health").stdout
    assert served.run("execution", "counts").stdout.startswith("STATUS")
    assert served.run("component", "get", "nobody").returncode == 3


def complete(cli: Cli, line: str) -> list[str]:
    words = {"_OBELISK_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    done = cli.run(**words)
    assert (done.returncode, done.stderr) == (0, ""), done
    return [item.partition(",")[2] for item in done.stdout.splitlines() if item]


def test_a_shell_completes_commands_options_ids_and_functions(served: Cli) -> None:
    execution_id = served.id("sleeper.sleep", "[1]", "--in", "1h")
    assert complete(served, "obelisk ex") == ["execution"]
    assert "submit-batch" in complete(served, "obelisk execution sub")
    assert complete(served, "obelisk execution list --finished-s") == ["--finished-since"]
    assert complete(served, f"obelisk execution get {execution_id[:-1]}") == [execution_id]
    assert complete(served, "obelisk execution submit fiboa-") == ["fiboa-concurrent"]
    assert complete(served, "obelisk component get fibo-") == ["fibo-workflow"]
    assert complete(Cli(served.folder), "obelisk execution get E_") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(served: Cli, shell: str) -> None:
    done = served.run("completion", shell)
    assert (done.returncode, f"_OBELISK_COMPLETE={shell}_complete" in done.stdout) == (0, True)


def test_a_table_on_a_terminal_fits_into_it(served: Cli) -> None:
    with terminal(served, "function", "list", columns=60) as shown:
        assert shown.end() == 0
    lines = [line for line in shown.shown.splitlines() if line]
    assert "─" in lines[1]
    assert "…" in shown.shown


def test_a_watched_list_is_drawn_again_and_ends_on_ctrl_c(served: Cli) -> None:
    execution_id = served.id("sleeper.sleep", "[1]", "--tag", "set=watched", "--in", "1h")
    with terminal(served, "execution", "list", "--tag", "set=watched", "--watch") as shown:
        shown.read_until(execution_id)
        served.run("execution", "pause", execution_id)
        shown.read_until("paused")
        shown.process.send_signal(signal.SIGINT)
        assert shown.end() == 0
    first, _, rest = shown.shown.partition("\x1b[?1049h")
    assert first == ""
    assert rest.count("\x1b[?1049l") == 1
    assert execution_id in rest.partition("\x1b[?1049l")[2]
    assert "Traceback" not in rest


def test_a_watched_list_in_a_pipe_is_printed_when_it_changes(served: Cli) -> None:
    command = [*OBELISK, "execution", "list", "--tag", "set=piped", "--watch", "--json"]
    with subprocess.Popen(command, env=served.environ, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        assert json.loads(watch.stdout.readline())["items"] == []
        execution_id = served.id("sleeper.sleep", "[1]", "--tag", "set=piped", "--in", "1h")
        assert json.loads(watch.stdout.readline())["items"][0]["id"] == execution_id
        watch.send_signal(signal.SIGINT)
        assert (watch.stdout.read(), watch.wait()) == ("", 0)


@pytest.mark.parametrize(("what", "last"), [("events", "finished"), ("responses", "delay-")])
def test_a_log_is_shown_as_it_grows_until_the_execution_ends(served: Cli, what: str, last: str) -> None:
    execution_id = served.id("sleeper.sleep", "[3600000]")
    command = [*OBELISK, "execution", what, execution_id, "--follow"]
    with subprocess.Popen(command, env=served.environ, stdout=subprocess.PIPE, text=True) as follow:
        assert follow.stdout is not None
        first = follow.stdout.readline() if what == "events" else ""
        assert ("created" in first) == (what == "events")
        assert follow.poll() is None
        served.run("execution", "terminate", execution_id)
        lines = follow.stdout.read().splitlines()
        assert (last in lines[-1], follow.wait()) == (True, 0), lines


def test_output_that_nobody_reads_or_that_has_no_room_ends_a_command(served: Cli) -> None:
    served.id("sleeper.sleep", "[1]", "--in", "1h")
    with Path("/dev/full").open("w") as full:
        command = [*OBELISK, "execution", "list"]
        done = subprocess.run(command, env=served.environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (11, "error: the output cannot be written: No space left on device\n")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, env=served.environ, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_pictures_are_plain_and_legible_where_a_terminal_can_do_little(served: Cli) -> None:
    execution_id = served.id("fiboa", "[1, 2]")
    served.run("execution", "follow", execution_id)
    with terminal(served, "execution", "get", execution_id, columns=60) as shown:
        assert shown.end() == 0
    assert max(len(click.unstyle(line)) for line in shown.shown.partition("EXECUTION")[2].splitlines()) <= 60
    plain = served.run("execution", "get", execution_id, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (plain.returncode, plain.stderr, "fibo.fibo" in plain.stdout) == (0, "", True)
    with terminal(served, "execution", "list", NO_COLOR="1") as shown:
        assert shown.end() == 0
    assert "\x1b" not in shown.shown


def test_a_server_that_never_answered_is_not_waited_for(served: Cli) -> None:
    nowhere = Cli(served.folder)
    for command in ("follow", "logs", "get"):
        done = nowhere.run("execution", command, "E_01J00000000000000000000000")
        assert (done.returncode, f"no server answers at {NOBODY}" in done.stderr) == (5, True)
    tls = Cli(served.folder, served.url.replace("http:", "https:")).run("function", "list")
    assert (tls.returncode, tls.stderr.split("; ")[1]) == (5, f"try {served.url}\n")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("execution", "get", "E_01J00000000000000000000000"), "execution list"),
        (("function", "get", "x"), "function list"),
    ],
)
def test_errors_say_what_to_do(served: Cli, arguments: tuple[str, ...], hint: str) -> None:
    done = served.run(*arguments)
    assert (done.returncode, f"`obelisk {hint}` shows those that there are" in done.stderr) == (3, True)


def test_a_pipe_gets_rows_and_standard_error_where_to_go_on(served: Cli) -> None:
    for _ in range(2):
        served.id("sleeper.sleep", "[1]", "--tag", "set=paged", "--in", "1h")
    page = served.run("execution", "list", "--tag", "set=paged", "--limit", "1")
    assert (len(page.stdout.splitlines()), page.stderr.split()[:2]) == (2, ["more:", "--cursor"])
    rest = served.run("execution", "list", "--tag", "set=paged", "--cursor", page.stderr.split()[2])
    assert (len(rest.stdout.splitlines()), rest.stderr) == (2, "")


def test_what_is_no_text_is_refused_by_name(served: Cli) -> None:
    (served.folder / "binary").write_bytes(b"\xff\xfe")
    (served.folder / "deep").write_text("[" * 100_000)
    for arguments, said in (
        (("execution", "import", "binary"), "no UTF-8 text"),
        (("execution", "import", "deep"), "line 1 of"),
        (("execution", "get", os.fsdecode(b"\xff")), "not UTF-8"),
        (("execution", "list", "--tag", os.fsdecode(b"a=\xff")), "not UTF-8"),
    ):
        ended = served.run(*arguments)
        assert (ended.returncode, said in ended.stderr, "Traceback" in ended.stderr) == (2, True, False), arguments


def test_an_export_that_fails_leaves_the_file_as_it_was(served: Cli) -> None:
    good = served.id("fibo", "[3]")
    served.said("execution", "follow", good)
    file = served.folder / "kept.jsonl"
    file.write_text("precious")
    assert served.run("execution", "export", good, "E_01J00000000000000000000000", "-o", str(file)).returncode == 3
    assert file.read_text() == "precious"
    served.said("execution", "export", good, "-o", str(file))
    assert served.said("execution", "export", good) + "\n" == file.read_text()
    assert served.said("execution", "export", good, "-o", "-") + "\n" == file.read_text()


def test_a_full_disk_is_named_also_by_commands_about_components(served: Cli) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*OBELISK, "component", "inspect", "fibo_tiny.wasm"],
            cwd=served.folder, env=served.environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, "cannot be written" in done.stderr) == (11, True)
