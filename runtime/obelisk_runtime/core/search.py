"""Looking for text in what executions took and gave."""

from typing import assert_never

from obelisk_runtime.core import events as ev


def mentions(text: str, created: ev.Created, last: ev.Event) -> bool:
    """Whether the text occurs in the canonical JSON of the parameters, of the result, or in a failure's reason."""
    return text in created.params or (isinstance(last, ev.Finished) and text in _shown(last.outcome))


def _shown(outcome: ev.Outcome) -> str:
    match outcome:
        case ev.Ok(value) | ev.Err(value):
            return value or ""
        case ev.Failed(reason=reason):
            return reason
        case _:
            assert_never(outcome)
