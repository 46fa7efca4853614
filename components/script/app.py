# Modules must be here: a guest has no file system to import from later.
import datetime as dt
import os
import random
import secrets
import socket
import sys
import time
import traceback
from typing import Any

from componentize_py_types import Err
from wit_world import exports

MODULES = {module.__name__: module for module in (dt, os, random, secrets, socket, sys, time)}


class Script(exports.Script):
    def run(self, source: str) -> str:
        scope: dict[str, Any] = {**MODULES, "answer": None}
        try:
            exec(source, scope)
        except Exception:
            raise Err(traceback.format_exc(limit=0).strip()) from None
        return str(scope["answer"])
