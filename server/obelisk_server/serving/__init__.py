"""What every HTTP listener of the server does the same: sockets, bodies within limits, problem details."""

from obelisk_server.serving.bodies import BodyCutOff, BodyTooLarge, invite_body, read_body
from obelisk_server.serving.figures import OPERATION, HttpFigures
from obelisk_server.serving.listening import HttpListener
from obelisk_server.serving.problems import MEDIA_TYPE, RETRY, ProblemType, lookup, problem_body, problem_response

__all__ = [
    "MEDIA_TYPE", "OPERATION", "RETRY", "BodyCutOff", "BodyTooLarge", "HttpFigures", "HttpListener", "ProblemType",
    "invite_body", "lookup", "problem_body", "problem_response", "read_body",
]  # fmt: skip
