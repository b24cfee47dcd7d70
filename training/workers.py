"""Training on several machines."""

import json
import os
from typing import Any

from common.errors import AffectlineError


def place() -> int:
    """This worker's index among those that ``TF_CONFIG`` names; 0 writes the run folder.

    Raises:
        AffectlineError: ``TF_CONFIG`` is missing, or does not name workers and this one's place.
    """
    text = os.environ.get("TF_CONFIG", "")
    remedy = (
        'set it on every machine, such as {"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
        '"task": {"type": "worker", "index": 0}}, with each one\'s own index'
    )
    if not text:
        raise AffectlineError("--strategy multi-worker finds no TF_CONFIG", remedy)
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        index = int(task["index"])
        known = task["type"] == "worker" and 0 <= index < len(workers)
    except (ValueError, KeyError, TypeError) as error:
        raise AffectlineError(f"TF_CONFIG cannot be read ({error!r})", remedy) from error
    if not known:
        raise AffectlineError(f"TF_CONFIG has no worker for the task {task}", remedy)
    return index


def join() -> Any:
    """Join the workers that ``TF_CONFIG`` names, and wait until all of them are there.

    Returns:
        A ``tf.distribute.MultiWorkerMirroredStrategy``.

    Raises:
        AffectlineError: As ``place`` does.
    """
    place()
    import tensorflow as tf  # not before mistakes were told

    return tf.distribute.MultiWorkerMirroredStrategy()
