from wit_world import exports
from wit_world.imports import greeting, workflow_support
from wit_world.imports.time import Duration_Seconds, ScheduleAt_In


class Welcome(exports.Welcome):
    def welcome(self, name: str) -> str:
        workflow_support.sleep(ScheduleAt_In(Duration_Seconds(1)), None)
        return greeting.greet(name)
