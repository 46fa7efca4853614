"""What every HTTP listener of the server does the same: sockets, errors, bodies within limits, problem details."""

from obelisk_server.serving.bodies import BodyCutOff, BodyTooLarge, invite_body, read_body
from obelisk_server.serving.boundary import REQUEST_ID, leave, read_in_time
from obelisk_server.serving.figures import OPERATION, HttpFigures
from obelisk_server.serving.listening import HttpListener, while_there
from obelisk_server.serving.problems import (
    MEDIA_TYPE,
    Problem,
    ProblemType,
    problem_of,
    problem_response,
    retry_soon,
)

__all__ = [
    "MEDIA_TYPE", "OPERATION", "REQUEST_ID", "BodyCutOff", "BodyTooLarge", "HttpFigures", "HttpListener", "Problem",
    "ProblemType", "invite_body", "leave", "problem_of", "problem_response", "read_body", "read_in_time", "retry_soon",
    "while_there",
]  # fmt: skip
