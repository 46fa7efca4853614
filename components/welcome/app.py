from wit_world import exports
from wit_world.imports import greeting, workflow_support
from wit_world.imports.time import Duration_Seconds, ScheduleAt_In


class Welcome(exports.Welcome):
    def welcome(self, names: list[str], pause_seconds: int) -> list[str]:
        greetings: list[str] = []
        for name in names:
            greetings.append(greeting.greet(name))
            workflow_support.sleep(ScheduleAt_In(Duration_Seconds(pause_seconds)), None)
        return greetings
