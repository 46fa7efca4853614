"""wasi:sockets: a guest gets a handle to the network, and every use of it is denied."""

from typing import NoReturn

from obelisk_runtime.ports.engine import GuestTrap, Value
from obelisk_runtime.wasi.state import Interfaces, Resource, WasiState


class Network(Resource):
    """What a guest shows when it asks for a connection."""

    __slots__ = ()


def instance_network(state: WasiState) -> int:
    return state.add(Network())


def denied(_: WasiState, *_arguments: Value) -> Value:
    return {"err": "access_denied"}


def network_error_code(_: WasiState, _error: int) -> None:
    """No error of another interface is one of the network."""
    return


def unreachable(_: WasiState, *_arguments: Value) -> NoReturn:
    raise GuestTrap("there are no sockets")


_CODES = (
    "unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout, concurrency-conflict, "
    "not-in-progress, would-block, invalid-state, new-socket-limit, address-not-bindable, address-in-use, "
    "remote-unreachable, connection-refused, connection-reset, connection-aborted, datagram-too-large, "
    "name-unresolvable, temporary-resolver-failure, permanent-resolver-failure"
)
_ERROR = f"enum {{ {_CODES} }}"
_FAMILY = "address-family: enum { ipv4, ipv6 }"
_TCP = (
    "start-bind finish-bind start-connect finish-connect start-listen finish-listen accept local-address "
    "remote-address is-listening address-family set-listen-backlog-size keep-alive-enabled "
    "set-keep-alive-enabled keep-alive-idle-time set-keep-alive-idle-time keep-alive-interval "
    "set-keep-alive-interval keep-alive-count set-keep-alive-count hop-limit set-hop-limit "
    "receive-buffer-size set-receive-buffer-size send-buffer-size set-send-buffer-size subscribe shutdown"
)
_UDP = (
    "start-bind finish-bind stream local-address remote-address address-family unicast-hop-limit "
    "set-unicast-hop-limit receive-buffer-size set-receive-buffer-size send-buffer-size "
    "set-send-buffer-size subscribe"
)

# Methods of what a guest never gets have no type here: none of them is ever called.
INTERFACES: Interfaces = {
    "network": {"network-error-code: func(err: borrow<error>) -> option<" + _ERROR + ">": network_error_code},
    "instance-network": {"instance-network: func() -> own<network>": instance_network},
    "tcp": {f"[method]tcp-socket.{name}": unreachable for name in _TCP.split()},
    "tcp-create-socket": {f"create-tcp-socket: func({_FAMILY}) -> result<own<tcp-socket>, {_ERROR}>": denied},
    "udp": {
        **{f"[method]udp-socket.{name}": unreachable for name in _UDP.split()},
        "[method]incoming-datagram-stream.receive": unreachable,
        "[method]incoming-datagram-stream.subscribe": unreachable,
        "[method]outgoing-datagram-stream.check-send": unreachable,
        "[method]outgoing-datagram-stream.send": unreachable,
        "[method]outgoing-datagram-stream.subscribe": unreachable,
    },
    "udp-create-socket": {f"create-udp-socket: func({_FAMILY}) -> result<own<udp-socket>, {_ERROR}>": denied},
    "ip-name-lookup": {
        "resolve-addresses: func(network: borrow<network>, name: string)"
        f" -> result<own<resolve-address-stream>, {_ERROR}>": denied,
        "[method]resolve-address-stream.resolve-next-address": unreachable,
        "[method]resolve-address-stream.subscribe": unreachable,
    },
}
