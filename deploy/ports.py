"""Ports of the local formation: 0 becomes a free one, a taken one becomes a clear error."""

import socket
from collections.abc import Mapping


class PortTaken(RuntimeError):
    """A fixed port is in use; the text names the setting to change."""


def settle_ports(wanted: Mapping[str, tuple[str, int]]) -> dict[str, int]:
    """Setting name to port, for each setting name to (host, wanted port).

    All are held until all are chosen, so no two settings get the same free port. Raises PortTaken.
    """
    held: list[socket.socket] = []
    ports: dict[str, int] = {}
    try:
        for name, (host, port) in wanted.items():
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            holder = socket.socket(family, socket.SOCK_STREAM)
            held.append(holder)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                holder.bind((host, port))
            except OSError as error:
                raise PortTaken(f"Port {port} on {host}: {error.strerror}. Set {name}=0 to use a free one.") from error
            ports[name] = holder.getsockname()[1]
    finally:
        for holder in held:
            holder.close()
    return ports


def accepts(host: str, port: int) -> bool:
    """Whether something listens there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def reachable_host(host: str) -> str:
    """The address a client on this machine uses for a listening address."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}.get(host, host)
