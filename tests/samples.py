"""The example of every kind of message, for tests of the wire."""

from affectline.common.wire.base import EXAMPLE_AT, EXAMPLE_EPOCH
from affectline.common.wire.kinds import message_kinds
from affectline.common.wire.messages import (
    EXAMPLE_DISTRIBUTION,
    EXAMPLE_QUALITY,
    Emotion,
    Faces,
    Frame,
    Packet,
)

EPOCH = EXAMPLE_EPOCH
AT = EXAMPLE_AT
QUALITY = EXAMPLE_QUALITY
HAPPY = EXAMPLE_DISTRIBUTION

FRAME = Frame.example()
FACES = Faces.example()
EMOTION = Emotion.example()
PACKETS = {
    name: Packet(kind.example(), kind.example_parts) for name, kind in message_kinds().items()
}
