"""Publish a marker, such as the start of a stimulus.

    python examples/publish_marker.py "stimulus on" --field image=beach.jpg --field trial=3

Markers are written to the session folder and recorded. Reports show how emotions, heart rate and
skin conductance changed after each one.

A marker has a time in the session. With a camera that is the time of the clock; while a film is
analysed, it is the time of its newest frame, which is in the newest result.
"""

import argparse
import json
import time

import msgpack
import zmq

parser = argparse.ArgumentParser(description="Publish a marker.")
parser.add_argument("label", help="name of the event")
parser.add_argument("--field", action="append", default=[], metavar="NAME=VALUE")
parser.add_argument("--session", default="experiment", help="last part of the topic")
parser.add_argument("--address", default="tcp://127.0.0.1:5555", help="the hub's ingress")
parser.add_argument("--outlet", default="tcp://127.0.0.1:5556", help="the hub's outlet")
options = parser.parse_args()

now = time.time_ns()  # when it happened: as early as possible
context = zmq.Context.instance()


def moment() -> int:
    """The session's current time. An experiment would stay subscribed and not have to wait."""
    results = context.socket(zmq.SUB)
    results.connect(options.outlet)
    results.subscribe("emotion/")
    if not results.poll(500):  # no frames: a session with sensors only
        return now
    emotion = msgpack.unpackb(results.recv_multipart()[1])
    is_film = emotion["media_time"] is not None or emotion["file"] is not None
    return emotion["captured_at"] if is_film else now


def parse(text: str) -> object:
    """Parse numbers and other JSON; everything else is text."""
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
