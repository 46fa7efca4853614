from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.generic import Answer, Call
from wit_world.imports import log, workflow, workflow_support
from wit_world.imports.execution import ExecutionId, Function, ResponseId_ExecutionId
from wit_world.imports.join_set import JoinSet
from wit_world.imports.workflow_support import SubmitJsonError_FfqnParsingError, SubmitJsonError_FunctionNotFound


class Generic(exports.Generic):
    def submit_all(self, calls: list[Call]) -> list[Answer]:
        with workflow_support.join_set_create() as join_set:
            for call in calls:
                submit(join_set, call)
            return [next_answer(join_set) for _ in calls]

    def submit_and_close(self, calls: list[Call], await_count: int) -> int:
        join_set = workflow_support.join_set_create()
        for call in calls:
            submit(join_set, call)
        for _ in range(await_count):
            workflow_support.join_next(join_set)
        workflow_support.join_set_close(join_set)
        return len(calls) - await_count

    def submit_and_close_cancellable(self, calls: list[Call], await_count: int) -> int:
        return self.submit_and_close(calls, await_count)

    def fiboa(self, n: int, iterations: int) -> int:
        return workflow.fiboa(n, iterations)

    def log_all(self, message: str) -> None:
        for write in (log.trace, log.debug, log.info, log.warn, log.error):
            write(message)


def submit(join_set: JoinSet, call: Call) -> ExecutionId:
    try:
        return workflow_support.submit_json(join_set, Function(call.interface_name, call.function_name), call.params)
    except Err as error:
        raise Err(f"{call.interface_name}.{call.function_name}: {reason(error.value)}") from None


def reason(error: workflow_support.SubmitJsonError) -> str:
    match error:
        case SubmitJsonError_FunctionNotFound():
            return "no such function"
        case SubmitJsonError_FfqnParsingError(text):
            return f"not a function name: {text}"
        case _:
            return f"type check: {error.value}"


def next_answer(join_set: JoinSet) -> Answer:
    outcome = workflow_support.join_next(join_set)
    match join_set.last_id():
        case ResponseId_ExecutionId(execution_id):
            kind = workflow_support.get_execution_failure_kind(execution_id)
            failure = kind.name.lower().replace("_", "-") if kind is not None else None
            return Answer(execution_id.id, outcome, failure)
        case other:
            raise AssertionError(f"a response of {other}, where only executions were submitted")
