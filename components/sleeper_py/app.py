from wit_world import exports
from wit_world.imports import workflow_support
from wit_world.imports.time import Duration_Milliseconds, ScheduleAt_In


class Sleeper(exports.Sleeper):
    def sleep(self, milliseconds: int) -> None:
        workflow_support.sleep(ScheduleAt_In(Duration_Milliseconds(milliseconds)), None)

    def sleep_cancellable(self, milliseconds: int) -> None:
        self.sleep(milliseconds)
