"""Publish an event marker, such as the start of a stimulus.

    python examples/publish_marker.py "stimulus on" --field image=beach.jpg --field trial=3

Markers are written to the session folder, recorded, and used by reports: how did emotions, heart
rate and skin conductance change after each one?

A marker is set at a moment of the session. Beside a camera that is the time of the clock; while a
film is analysed it is the time of its newest frame, which the newest result tells.
"""

import argparse
import json
import time

import msgpack
import zmq

parser = argparse.ArgumentParser(description="Publish an event marker.")
parser.add_argument("label", help="name of the event")
parser.add_argument("--field", action="append", default=[], metavar="NAME=VALUE")
parser.add_argument("--session", default="experiment", help="last part of the topic")
parser.add_argument("--address", default="tcp://127.0.0.1:5555", help="the hub's ingress")
parser.add_argument("--outlet", default="tcp://127.0.0.1:5556", help="the hub's outlet")
options = parser.parse_args()

now = time.time_ns()  # when it happened: as early as possible
context = zmq.Context.instance()


def moment() -> int:
    """The present of the session. An experiment would stay subscribed, and wait for nothing."""
    results = context.socket(zmq.SUB)
    results.connect(options.outlet)
    results.subscribe("emotion/")
    if not results.poll(500):  # no frames: a session of sensors alone
        return now
    emotion = msgpack.unpackb(results.recv_multipart()[1])
    is_film = emotion["media_time"] is not None or emotion["file"] is not None
    return emotion["captured_at"] if is_film else now


def parse(text: str) -> object:
    """Numbers and JSON stay what they are, all else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


marker = {
    "message": "Marker",
    "version": 1,
    "session": options.session,
    "at": moment(),
    "label": options.label,
    "source": "publish_marker.py",
    "extra": {name: parse(value) for name, _, value in (f.partition("=") for f in options.field)},
}

socket = context.socket(zmq.XPUB)  # a PUB socket that learns when somebody subscribes
socket.connect(options.address)
if not socket.poll(5000):
    raise SystemExit(f"no hub at {options.address}: is affectline up running?")
socket.recv()  # the hub has subscribed; what is sent before that is lost
socket.send_multipart([f"marker/{options.session}".encode(), msgpack.packb(marker)])
context.destroy(linger=1000)
