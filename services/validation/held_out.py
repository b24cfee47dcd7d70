"""Models that were chosen and fitted without one of the people of the public datasets.

With them those people are scored as strangers, without fitting anything again. A person is
recognised by a fingerprint of the signals, because numbers of participants repeat between datasets.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from affectline.services.fusion.stress_model import (
    StressModel,
    load_default_model,
    read_model,
    write_model,
)
from affectline.services.validation.metrics import Vector
from affectline.services.validation.nested import HeldOut

FILE: Final = Path(__file__).with_name("held_out.json")


def fingerprint(signals: Iterable[Vector]) -> str:
    """Return 16 hexadecimal digits that identify a recording."""
    digest = hashlib.sha256()
    for values in signals:
        digest.update(np.nan_to_num(np.asarray(values, np.float64), nan=-1.0).tobytes())
    return digest.hexdigest()[:16]


@cache
def load_held_out() -> dict[str, StressModel]:
    """Load the models by fingerprint of the person they do without."""
    content = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {"people": {}}
    return {mark: read_model(found) for mark, found in content["people"].items()}


def model_without(mark: str) -> tuple[StressModel, bool]:
    """Return a model that was not fitted to this person, and whether it is a special one.

    It is the default model, unless that one was fitted to them.
    """
    found = load_held_out().get(mark)
    return (found, True) if found else (load_default_model(), False)


def format_held_out(models: Mapping[str, HeldOut], about: str) -> str:
    """Format the models as JSON, one person a line."""
    people: dict[str, Any] = {
        mark: {"name": held.name} | write_model(held.model) for mark, held in models.items()
    }
    lines = [f"    {json.dumps(mark)}: {json.dumps(found)}" for mark, found in people.items()]
    rows = ",\n".join(lines)
    return f'{{\n  "about": {json.dumps(about)},\n  "people": {{\n{rows}\n  }}\n}}\n'
