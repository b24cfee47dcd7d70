"""Show the seven probabilities of the largest face as bars in the terminal.

python examples/live_bars.py --address tcp://127.0.0.1:5556
"""

import argparse
import sys

import msgpack
import zmq

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
WIDTH = 40


def draw(face: dict) -> list[str]:
    """Draw a bar for each emotion, from the probabilities smoothed over half a second."""
    lines = []
    for label, probability in zip(LABELS, face["probabilities"], strict=True):
        bar = "█" * round(probability * WIDTH)
        lines.append(f"{label:<9}{bar:<{WIDTH}} {probability:4.0%}")
    return lines


parser = argparse.ArgumentParser(description="Show the emotion of the largest face as bars.")
parser.add_argument("--address", default="tcp://127.0.0.1:5556", help="the hub's outlet")
parser.add_argument("--count", type=int, help="stop after this many updates")
options = parser.parse_args()

socket = zmq.Context.instance().socket(zmq.SUB)
socket.connect(options.address)
socket.subscribe("emotion/")

drawn = 0
while options.count is None or drawn < options.count:
    topic, header = socket.recv_multipart()
    faces = [face for face in msgpack.unpackb(header)["faces"] if face["probabilities"]]
    if not faces:
        continue
    largest = max(faces, key=lambda face: face["box"][2] * face["box"][3])
    if drawn and sys.stdout.isatty():
        print(f"\x1b[{len(LABELS)}A", end="")  # back to the first line
    print("\n".join(draw(largest)), flush=True)
    drawn += 1
