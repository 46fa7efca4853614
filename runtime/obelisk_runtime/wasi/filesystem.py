"""wasi:filesystem: no directory is granted, so there is nothing to open and every function is denied."""

from obelisk_runtime.wasi.state import Interfaces

INTERFACES: Interfaces = {"types": {}, "preopens": {}}
