# Modules must be here: a guest has no file system to import from later.
import traceback
from typing import Any

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import (
    execution,
    log,
    testing_approval_desk,
    testing_approval_obelisk_ext_desk,
    testing_approval_obelisk_stub_desk,
    testing_fibo_fibo,
    testing_fibo_obelisk_schedule_fibo,
    time,
    workflow_support,
)

SCOPE: dict[str, Any] = {
    "Err": Err,
    "Ok": Ok,
    "Function": execution.Function,
    "Id": execution.ExecutionId,
    "log": log,
    "time": time,
    "support": workflow_support,
    "fibo": testing_fibo_fibo,
    "fibo_schedule": testing_fibo_obelisk_schedule_fibo,
    "desk": testing_approval_desk,
    "desk_ext": testing_approval_obelisk_ext_desk,
    "desk_stub": testing_approval_obelisk_stub_desk,
}


class Script(exports.Script):
    def run(self, source: str) -> str:
        scope: dict[str, Any] = {**SCOPE, "answer": None}
        try:
            exec(source, scope)
        except Exception:
            raise Err(traceback.format_exc(limit=0).strip()) from None
        return str(scope["answer"])

    def run_cancellable(self, source: str) -> str:
        return self.run(source)
