"""A client that sends commands behind STARTTLS before TLS is there (CVE-2011-0411). Never here: what is right."""

import socket
import ssl

INJECTIONS = (
    b"NOOP injected\r\n",
    b"RSET\r\n",
    b"EHLO injected\r\n",
    b"MAIL FROM:<>\r\n",
    b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<user@example.net>\r\nDATA\r\nSubject: injected\r\n\r\nx\r\n.\r\n",
    b"AUTH PLAIN AGEAYg==\r\n",
    b"QUIT\r\n",
    b"NOOP no end",
)


def answer_behind_tls(port: int, context: ssl.SSLContext, injected: bytes) -> bytes:
    """The first thing the server says under TLS, to a MAIL without EHLO. An answer to `injected` would come before."""
    with socket.create_connection(("localhost", port), 20) as plain:
        plain.recv(1000)
        plain.sendall(b"EHLO x\r\n")
        while b"250 " not in plain.recv(1000):
            pass
        plain.sendall(b"STARTTLS\r\n" + injected)
        assert plain.recv(1000).startswith(b"220")
        with context.wrap_socket(plain, server_hostname="localhost") as wire:
            wire.sendall(b"MAIL FROM:<a@example.com>\r\n")
            return wire.recv(1000)
