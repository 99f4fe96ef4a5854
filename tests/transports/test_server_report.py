"""What the keeper says of a server is heard however it is cut into pieces."""

import os

import pytest

from callgate.transports.keeper import KeeperPipes
from callgate.transports.server_process import ServerProcess


@pytest.mark.parametrize("cut", range(0, 23, 3))
def test_the_status_of_a_server_that_ends_at_once_is_known(cut: int) -> None:
    control_r, control_w = os.pipe()
    report_r, report_w = os.pipe()
    input_r, input_w = os.pipe()
    output_r, output_w = os.pipe()
    said = b"started 5\nexited 5888\n"
    os.write(report_w, said[: max(cut, 10)])
    server = ServerProcess(KeeperPipes(0, control_w, report_r, input_w, output_r), ["sh"])
    server.start()
    os.write(report_w, said[max(cut, 10) :])
    os.close(report_w)
    while server.read_report():
        continue
    assert (server.pid, server.status, server.lost) == (5, 5888, False)
    for fd in (control_r, control_w, report_r, input_r, input_w, output_r, output_w):
        os.close(fd)
