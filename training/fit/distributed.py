"""Training on several machines."""

import contextlib
import json
import os
import socket
import time
from typing import Any, Final

from affectline.common.errors import AffectlineError

PATIENCE_S: Final = 600.0
"""How long other workers wait for the first one, which reads the same data."""
ASK_AGAIN_S: Final = 0.5


def worker_index() -> int:
    """This worker's index in ``TF_CONFIG``; worker 0 writes the run folder.

    Raises:
        AffectlineError: ``TF_CONFIG`` is missing, or lacks the workers or this worker's index.
    """
    return _workers()[1]


def _workers() -> tuple[list[Any], int]:
    """Addresses of all workers, and this one's index among them."""
    text = os.environ.get("TF_CONFIG", "")
    fix = (
        'set it on every machine, such as {"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
        '"task": {"type": "worker", "index": 0}}, with each one\'s own index'
    )
    if not text:
        raise AffectlineError("--strategy multi-worker finds no TF_CONFIG", fix)
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        index = int(task["index"])
        known = task["type"] == "worker" and 0 <= index < len(workers)
        workers = [workers[number] for number in range(len(workers))]
    except (ValueError, KeyError, TypeError) as error:
        raise AffectlineError(f"TF_CONFIG cannot be read ({error!r})", fix) from error
    if not known:
        raise AffectlineError(f"TF_CONFIG has no worker for the task {task}", fix)
    return workers, index


def wait_for_first(patience_s: float = PATIENCE_S) -> None:
    """Wait until the first worker listens; it may have failed on its run folder.

    TensorFlow itself would wait for an hour and ignore every signal.

    Args:
        patience_s: How long to wait, in seconds.

    Raises:
        AffectlineError: As ``worker_index`` does, and if the first worker does not answer in time.
    """
    workers, index = _workers()
    if not index:
        return
    address = str(workers[0])
    fix = "start it, and check its output; TF_CONFIG must name the same workers everywhere"
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 2**16):
        raise AffectlineError(f"TF_CONFIG's first worker {address!r} is not host:port", fix)
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        # UnicodeError: not a valid host name
        with contextlib.suppress(OSError, UnicodeError):
            socket.create_connection((host.strip("[]"), int(port)), timeout=ASK_AGAIN_S).close()
            return
        time.sleep(ASK_AGAIN_S)
    raise AffectlineError(f"the first worker {address} did not answer within {patience_s:g} s", fix)


def join_workers() -> Any:
    """Join the workers in ``TF_CONFIG``, and wait until all of them have joined.

    Returns:
        A ``tf.distribute.MultiWorkerMirroredStrategy``.

    Raises:
        AffectlineError: As ``worker_index`` does.
    """
    worker_index()
    import tensorflow as tf  # slow, so only after TF_CONFIG was checked

    return tf.distribute.MultiWorkerMirroredStrategy()
