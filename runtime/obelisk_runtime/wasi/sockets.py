"""wasi:sockets: a guest gets a handle to the network, and every use of it is denied."""

from obelisk_runtime.wasi.state import Interfaces, Resource, WasiState


class Network(Resource):
    """What a guest shows when it asks for a connection."""

    __slots__ = ()


def instance_network(state: WasiState) -> int:
    return state.add(Network())


INTERFACES: Interfaces = {
    "network": {},
    "instance-network": {"instance-network: func() -> own<network>": instance_network},
    "tcp": {},
    "tcp-create-socket": {},
    "udp": {},
    "udp-create-socket": {},
    "ip-name-lookup": {},
}
