"""All decoders of what comes from outside."""

from typing import Final

from tests.fuzzing import sensors, tables, web, wire

DECODERS: Final = {
    decoder.name: decoder for module in (wire, sensors, tables, web) for decoder in module.DECODERS
}
