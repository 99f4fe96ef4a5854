"""Sockets of every family: a script has none."""

from attack import Attack, InMonty

_NO_SOCKET = InMonty(
    script="import socket\nx = socket.socket()",
    ends=("ModuleNotFoundError",),
    safe="x = mcp_Shop_find(name=1)",
)

SOCKETS = (
    Attack(
        name="TCP",
        script="""
import socket, urllib.request, urllib.error
def unnamed(what, *arguments):
    try: return what(*arguments)
    except (socket.gaierror, urllib.error.URLError): raise PermissionError(1, "no name, or no socket")
for host in ("127.0.0.1", "::1", "0.0.0.0", "localhost", "169.254.169.254"):
    refused(host, unnamed, socket.create_connection, (host, world["tcp_port"]), 2)
refused("listen", lambda: socket.create_server(("127.0.0.1", 0)))
refused("http", unnamed, urllib.request.urlopen, f"http://127.0.0.1:{world['tcp_port']}/", None, 2)
for name, kind in (("sctp", 132), ("mptcp", 262)):
    refused(name, socket.socket, socket.AF_INET, socket.SOCK_STREAM, kind)
refused("raw", socket.socket, socket.AF_INET, socket.SOCK_RAW, 6)
""",
        safe="""
import ipaddress, urllib.parse, http.client, socket
assert ipaddress.ip_address('10.0.0.1').is_private
assert urllib.parse.urlsplit('http://a:1/b').port == 1
""",
        monty=_NO_SOCKET,
    ),
    Attack(
        name="UDP",
        script="""
import socket
def send(family, host):
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        return one.sendto(b"out", (host, world["udp_port"]))
refused("v4", send, socket.AF_INET, "127.0.0.1")
refused("v6", send, socket.AF_INET6, "::1")
refused("udp-lite", socket.socket, socket.AF_INET, socket.SOCK_DGRAM, 136)
refused("icmp", socket.socket, socket.AF_INET, socket.SOCK_DGRAM, 1)
""",
        safe="import struct\nassert struct.unpack('!H', struct.pack('!H', 53)) == (53,)\n",
        monty=_NO_SOCKET,
    ),
    Attack(
        name="netlink",
        script="""
import socket
for kind in (0, 4, 6, 12, 15, 16):
    refused(f'netlink {kind}', socket.socket, 16, 3, kind)
try: holds('interfaces', not socket.if_nameindex(), 'seen')
except OSError: pass
""",
        safe="import platform\nassert platform.system() == 'Linux'\n",
        monty=_NO_SOCKET,
    ),
    Attack(
        name="vsock",
        script="""
import socket
refused('stream', socket.socket, 40, 1)
refused('datagram', socket.socket, 40, 2)
refused('device', open, '/dev/vsock')
""",
        safe="import select, os\na, b = os.pipe()\nassert select.select([], [b], [], 1)[1] == [b]\n",
        monty=_NO_SOCKET,
    ),
    Attack(
        name="abstract unix sockets",
        script="""
import socket
def reach(kind):
    with socket.socket(socket.AF_UNIX, kind) as one:
        one.connect("\\0" + world["abstract"])
for kind in (1, 2, 5): refused(f"kind {kind}", reach, kind)
refused("pair", socket.socketpair)
""",
        safe="""
import queue, threading
q = queue.Queue()
threading.Thread(target=q.put, args=(1,)).start()
assert q.get() == 1
""",
        monty=_NO_SOCKET,
    ),
    Attack(
        name="path unix sockets",
        script="""
import socket
def reach(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(path)
refused("the host's", reach, world["socket_path"])
refused("docker", reach, "/var/run/docker.sock"); refused("bus", reach, "/run/dbus/system_bus_socket")
def bind():
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("/work/socket")
refused("its own", bind)
""",
        safe="import selectors, os\nwith selectors.DefaultSelector() as s:\n    a, b = os.pipe()\n"
        "    s.register(b, selectors.EVENT_WRITE)\n    assert s.select(1)\n",
        monty=_NO_SOCKET,
    ),
    Attack(
        name="other families of sockets",
        script="import socket\nfor family in range(46):\n    for kind in (1, 2, 3, 5):\n"
        "        refused(f'family {family}, kind {kind}', socket.socket, family, kind)\n",
        safe="""
import zlib, hashlib
assert zlib.decompress(zlib.compress(b'x')) == b'x' and hashlib.sha256(b'').digest()
""",
    ),
)
