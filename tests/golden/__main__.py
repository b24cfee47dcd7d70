"""Adds the golden bytes of new kinds of message to ``wire.json``; ``make docs`` calls it.

Bytes that are there already are never changed: a test fails when a message no longer encodes to
them, for then it has changed on the wire.
"""

import json
from pathlib import Path

from affectline.common.wire import codec
from tests.samples import PACKETS

GOLDEN = Path(__file__).with_name("wire.json")


def complete(golden: dict[str, list[str]]) -> dict[str, list[str]]:
    """Golden bytes with those of the kinds that are missing.

    Args:
        golden: By name of a kind, the parts of its encoded example as hexadecimal text.
    """
    new = {
        name: [bytes(part).hex() for part in codec.encode(packet)]
        for name, packet in PACKETS.items()
        if name not in golden
    }
    return golden | new


def main() -> None:
    """Rewrite the file only where a kind is missing."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    completed = complete(golden)
    if completed != golden:
        GOLDEN.write_text(json.dumps(completed, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
