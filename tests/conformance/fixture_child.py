"""A server on stdio that costs next to nothing to start: it borrows a fixture that is loaded already.

    python -I -S fixture_child.py SOCKET

Hands its standard streams to `fixture_server --children SOCKET`, which serves them from a fork, and ends with it.
"""

import socket
import sys

with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    socket.send_fds(connection, [b"!"], [0, 1, 2])
    connection.recv(1)
