"""The scenarios of control, over HTTP against a real server and real components."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from server_process import ServerProcess, build, eventually

SCRIPT = "testing:script-workflow/script.run"
CANCELLABLE = "testing:script-workflow/script.run-cancellable"
FLAKY = "testing:flaky/flaky.run"
RECOVER = "testing:recovering/recovering.run"
SLEEP = "testing:sleeper/sleeper.sleep"
LONG = 3_600_000
FLOOD = 10_000
ROUNDS = 5
"""Short workflows beside the load, one after the other."""
CONFIG = """
[server]
listen = "127.0.0.1:0"
[limits]
shutdown = "0s"
[[activity]]
name = "fibo"
location = "{components}/fibo_tiny.wasm"
[[activity]]
name = "flaky"
location = "{components}/flaky.wasm"
attempt_timeout = "300ms"
retries = {{ max = 0 }}
[[activity]]
name = "recovering"
location = "{components}/recovering.wasm"
retries = {{ max = 2, backoff = "40ms", factor = 3.0, jitter = 0.0 }}
[[workflow]]
name = "racer"
location = "{components}/racer.wasm"
[[workflow]]
name = "sleeper"
location = "{components}/sleeper.wasm"
[[workflow]]
name = "script"
location = "{components}/script_workflow.wasm"
[[stub]]
function = "testing:approval/desk.decide"
params = "func(order: u64) -> result<bool, string>"
"""


class Server(ServerProcess):
    def finished(self, function: str, *params: Any) -> tuple[str, Any]:
        execution_id = self.submit(function, *params)
        return execution_id, self.result(execution_id)

    def responses(self, execution_id: str) -> list[Any]:
        return self.ask("GET", f"/v1/executions/{execution_id}/responses")["items"]

    def steer(self, verb: str, target: str) -> str:
        return self.ask("POST", f"/v1/executions/{target}/{verb}", {})["outcome"]


def started(folder: Path) -> Server:
    build("fibo_tiny", "flaky", "recovering", "racer", "sleeper", "script_workflow")
    server = Server(folder)
    server.configure(CONFIG)
    server.start()
    return server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = started(tmp_path_factory.mktemp("control"))
    yield server
    server.kill()


def seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()


# 1


def test_an_activity_that_errs_twice_waits_by_its_policy_and_then_succeeds(server: Server) -> None:
    execution_id, result = server.finished(RECOVER, 2)
    assert result == {"ok": 3}
    failed = server.events(execution_id, "attempt-failed")
    waits = [round(seconds(event["due"]) - seconds(event["at"]), 3) for event in failed]
    assert waits == [0.04, 0.12]


def test_with_no_retries_left_the_last_err_is_the_result(server: Server) -> None:
    assert server.finished(RECOVER, 9)[1] == {"err": "not yet"}


def test_a_permanent_err_is_not_tried_again(server: Server) -> None:
    execution_id, result = server.finished(FLAKY, "permanent", 1)
    assert result == {"err": {"permanent": "permanent"}}
    assert server.get(execution_id)["attempts"] == 1


@pytest.mark.parametrize(("mode", "kind"), [("trap", "trapped"), ("endless", "timed-out")])
def test_a_trap_and_a_timeout_are_failures_of_their_kind_projected_into_the_parents_type(
    server: Server, mode: str, kind: str
) -> None:
    assert server.finished(FLAKY, mode, 1)[1]["failure"]["kind"] == kind
    call = f"support.call_json(Function('testing:flaky/flaky', 'run'), '[\"{mode}\", 1]')"
    source = f"try:\n answer = {call}\nexcept Err as error:\n answer = error.value\n"
    assert "execution_failed" in server.finished(SCRIPT, source)[1]["ok"]


# 2


def test_closing_the_set_of_a_race_cancels_the_slow_activity_before_its_timeout(server: Server) -> None:
    execution_id, result = server.finished("testing:racer/racer.race", 1, "endless", 1, 20, "close")
    assert result == {"ok": "delay"}
    assert server.get(f"{execution_id}.g:1_1")["outcome"] == "cancelled"


# 3


def test_a_parent_finishes_after_the_child_workflow_it_did_not_await(server: Server) -> None:
    source = "support.submit_json(support.join_set_create(), Function('testing:sleeper/sleeper', 'sleep'), '[200]')"
    execution_id, result = server.finished(SCRIPT, source)
    assert result == {"ok": "None"}
    child = server.get(f"{execution_id}.g:1_1")
    assert child["outcome"] == "ok"
    assert child["finished_at"] <= server.get(execution_id)["finished_at"]


def test_what_a_parent_did_not_await_is_cancelled_in_reverse_order_of_creation(server: Server) -> None:
    sleeper = "Function('testing:sleeper/sleeper', 'sleep-cancellable'), '[3600000]'"
    source = f"""
s = support.join_set_create()
support.submit_delay(s, time.ScheduleAt_In(time.Duration_Hours(1)))
support.submit_json(s, {sleeper})
support.submit_delay(s, time.ScheduleAt_In(time.Duration_Hours(1)))
"""
    execution_id, result = server.finished(SCRIPT, source)
    assert result == {"ok": "None"}
    indices = [item["id"].rpartition("_")[2] for item in server.responses(execution_id)]
    assert sorted(indices) == ["1", "2", "3"]
    assert indices.index("3") < indices.index("1")


# 4


def tree(depth: int) -> str:
    """A workflow that waits for a child, as deep as asked, down to a sleep."""
    if depth == 0:
        return "support.sleep(time.ScheduleAt_In(time.Duration_Hours(1)), None)"
    params = json.dumps([tree(depth - 1)])
    function = "Function('testing:script-workflow/script', 'run-cancellable')"
    return f"support.call_json({function}, {params!r})"


def test_a_cancelled_tree_ends_leaves_first_and_a_second_cancel_says_so(server: Server) -> None:
    root = server.submit(CANCELLABLE, tree(2))
    ids = [root, f"{root}.o:1_1", f"{root}.o:1_1.o:1_1"]
    eventually(lambda: server.ask("GET", f"/v1/executions?id={ids[2]}&children=true")["items"])
    server.until(ids[2], status="blocked")
    assert server.steer("cancel", root) == "cancelling"
    assert server.steer("cancel", root) in ("already cancelling", "already finished")
    ends: list[str] = []
    for execution_id in ids:
        assert server.result(execution_id)["failure"]["kind"] == "cancelled"
        assert server.events(execution_id, "cancel-requested")
        ends.append(server.get(execution_id)["finished_at"])
    assert ends == sorted(ends, reverse=True)
    assert server.steer("cancel", root) == "already finished"


def test_a_workflow_is_seen_as_cancelling_while_it_awaits_a_child_that_cannot_be_cancelled(server: Server) -> None:
    call = f"support.call_json(Function('testing:sleeper/sleeper', 'sleep'), '[{LONG}]')"
    parent = server.submit(CANCELLABLE, call)
    child = f"{parent}.o:1_1"
    server.until(parent, status="blocked")
    assert server.steer("cancel", parent) == "cancelling"
    server.until(parent, lifecycle="cancelling")
    assert server.steer("cancel", parent) == "already cancelling"
    found = server.ask("GET", f"/v1/executions/{parent}/why")
    assert (found["because"], found["waits_for"]) == ("cancelling", [child])
    assert server.steer("terminate", child) == "cancelling"
    assert server.result(parent)["failure"]["kind"] == "cancelled"
    assert server.get(child)["finished_at"] <= server.get(parent)["finished_at"]


def test_a_workflow_that_is_not_cancellable_refuses_and_can_be_terminated(server: Server) -> None:
    execution_id = server.submit(SLEEP, LONG)
    with pytest.raises(AssertionError, match="not-cancellable"):
        server.steer("cancel", execution_id)
    assert server.steer("terminate", execution_id) == "cancelling"
    assert server.result(execution_id)["failure"]["kind"] == "cancelled"


# 5


def test_a_sleep_across_a_restart_wakes_at_its_original_time_and_a_paused_one_when_it_is_resumed(
    tmp_path: Path,
) -> None:
    server = started(tmp_path)
    sleeping, paused = [server.submit(SLEEP, 4_000) for _ in range(2)]
    server.until(sleeping, status="blocked")
    server.until(paused, status="blocked")
    assert server.steer("pause", paused) == "paused"
    (wakes,) = [event["wakes"] for event in server.events(sleeping, "delay-submitted")]
    server.kill()
    server.start()
    try:
        assert server.result(sleeping) == {"ok": None}
        assert [event["wakes"] for event in server.events(sleeping, "delay-submitted")] == [wakes]
        assert server.responses(sleeping)[0]["at"] >= wakes
        eventually(lambda: server.responses(paused))
        found = server.get(paused)
        assert (found["responses"], found["lifecycle"], found["status"]) == (1, "paused", "pending")
        assert "resume" in server.ask("GET", f"/v1/executions/{paused}/why")["text"]
        assert server.steer("resume", paused) == "resumed"
        assert server.result(paused) == {"ok": None}
    finally:
        server.kill()


# 6


def test_a_stub_awaited_by_a_workflow_is_answered_over_the_api_once(server: Server) -> None:
    execution_id = server.submit(SCRIPT, "answer = desk.decide(7)")
    server.until(execution_id, status="blocked")
    stub = f"/v1/executions/{execution_id}.o:1_1/stub"
    assert "somebody supplies" in server.ask("GET", f"/v1/executions/{execution_id}.o:1_1/why")["text"]
    with pytest.raises(AssertionError, match="expected"):
        server.ask("POST", stub, {"result": {"ok": "perhaps"}})
    assert server.ask("POST", stub, {"result": {"ok": True}})["outcome"] == "supplied"
    assert server.ask("POST", stub, {"result": {"ok": True}})["outcome"] == "already supplied"
    with pytest.raises(AssertionError, match="stub-conflict"):
        server.ask("POST", stub, {"result": {"ok": False}})
    assert server.result(execution_id) == {"ok": "True"}


# 7


def test_short_workflows_end_beside_a_busy_loop_and_a_poller_and_long_before_a_flood_that_was_there_first(
    server: Server,
) -> None:
    poller = """
s = support.join_set_create()
support.submit_delay(s, time.ScheduleAt_In(time.Duration_Hours(1)))
while True:
    try:
        support.join_next_try(s)
    except Err:
        pass
"""
    flood = f"""
s = support.join_set_create()
for n in range({FLOOD}):
    support.submit_json(s, Function("testing:fibo/fibo", "fibo"), "[1]")
"""
    busy, polling, flooding = (server.submit(CANCELLABLE, text) for text in ("while True: pass", poller, flood))
    server.until(polling, status="locked")
    for _ in range(ROUNDS):
        assert server.result(server.submit(SLEEP, 1, wait=60)) == {"ok": None}
    assert server.get(busy)["status"] == "locked"
    assert server.get(flooding)["responses"] < FLOOD
