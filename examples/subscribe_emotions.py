"""Print the emotion of every face, live.

python examples/subscribe_emotions.py --address tcp://127.0.0.1:5556
"""

import argparse

import msgpack
import zmq

parser = argparse.ArgumentParser(description="Print the emotion of every face, live.")
parser.add_argument("--address", default="tcp://127.0.0.1:5556", help="the hub's outlet")
parser.add_argument("--count", type=int, help="stop after this many frames")
options = parser.parse_args()

socket = zmq.Context.instance().socket(zmq.SUB)
socket.connect(options.address)
socket.subscribe("emotion/")  # of all streams; "emotion/driver" is that of one

frames = 0
while options.count is None or frames < options.count:
    topic, header = socket.recv_multipart()
    emotion = msgpack.unpackb(header)
    frames += 1
    latency_ms = (emotion["published_at"] - emotion["received_at"]) / 1e6
    if not emotion["faces"]:
        # Either nobody is in the frame, or "missing" says why the frame was not analysed
        print(emotion["stream"], emotion["seq"], emotion["missing"] or "no face", flush=True)
    for face in emotion["faces"]:
        print(
            emotion["stream"],
            emotion["seq"],
            f"face {face['track']}:",
            face["label"] or face["missing"],
            f"{face['confidence'] or 0:.0%}",
            f"({latency_ms:.0f} ms)",
            flush=True,
        )
