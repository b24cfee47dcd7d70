"""Events of connections are read as libzmq writes them."""

import struct

import pytest
import zmq

from affectline.common.runtime.socket_events import parse_event


def test_a_monitor_s_events_are_read() -> None:
    with zmq.Context() as context, context.socket(zmq.REP) as server:
        monitor = server.get_monitor_socket(zmq.EVENT_LISTENING | zmq.EVENT_CLOSED)
        server.bind_to_random_port("tcp://127.0.0.1")
        assert monitor.poll(5000)
        found = parse_event(monitor.recv_multipart())
        assert found.event == zmq.EVENT_LISTENING
        assert found.value > 2
        server.disable_monitor()
        monitor.close(linger=0)


def test_another_message_is_none() -> None:
    with pytest.raises(struct.error):
        parse_event([b"short", b""])
