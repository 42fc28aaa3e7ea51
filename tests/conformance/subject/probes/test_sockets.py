"""The TCP connections of this process as the system sees them."""

import socket
import sys
import time

import pytest

from resultspec_conformance.subject.probes.sockets import traffic_with

BOUND_SECONDS = 10.0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports the traffic")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_traffic_with_a_port_is_what_went_both_ways(host: str) -> None:
    """Of connections from here to that port, and no others; what was closed counts no longer."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"no {host} here")
    with server:
        port = server.getsockname()[1]
        assert traffic_with(port) == 0
        with socket.create_connection((host, port)) as client, server.accept()[0] as accepted:
            accepted.settimeout(BOUND_SECONDS)
            begun = traffic_with(port)
            client.sendall(b"x" * 1000)
            assert len(accepted.recv(1000, socket.MSG_WAITALL)) == 1000
            accepted.sendall(b"y" * 500)
            assert len(client.recv(500, socket.MSG_WAITALL)) == 500
            deadline = time.monotonic() + BOUND_SECONDS
            # that it has come is one thing, that the other side has said so another
            while traffic_with(port) < begun + 1500 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert traffic_with(port) == begun + 1500
            assert client.getpeername()[1] == port
        assert traffic_with(port) == 0
