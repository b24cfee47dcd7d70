"""Training on several machines."""

import contextlib
import json
import os
import socket
import time
from typing import Any, Final

from affectline.common.errors import AffectlineError

PATIENCE_S: Final = 600.0
"""How long the others wait for the first worker, which reads the same data as they."""
ASK_AGAIN_S: Final = 0.5


def worker_index() -> int:
    """This worker's index among those that ``TF_CONFIG`` names; 0 writes the run folder.

    Raises:
        AffectlineError: ``TF_CONFIG`` is missing, or does not name workers and this one's place.
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
    """Wait until the first worker listens. It may have refused its run folder.

    TensorFlow itself would wait for it for an hour, deaf to every signal.

    Args:
        patience_s: How long to wait, in seconds.

    Raises:
        AffectlineError: As ``worker_index`` does, and when the first worker does not come.
    """
    workers, index = _workers()
    if not index:
        return
    address = str(workers[0])
    fix = "start it as well, and check its output; TF_CONFIG must be the same on all machines"
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 2**16):
        raise AffectlineError(f"TF_CONFIG's first worker {address!r} is not host:port", fix)
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        # UnicodeError: a name that can be no host's
        with contextlib.suppress(OSError, UnicodeError):
            socket.create_connection((host.strip("[]"), int(port)), timeout=ASK_AGAIN_S).close()
            return
        time.sleep(ASK_AGAIN_S)
    raise AffectlineError(f"the first worker {address} did not come in {patience_s:g} s", fix)


def join_workers() -> Any:
    """Join the workers that ``TF_CONFIG`` names, and wait until all of them are there.

    Returns:
        A ``tf.distribute.MultiWorkerMirroredStrategy``.

    Raises:
        AffectlineError: As ``worker_index`` does.
    """
    worker_index()
    import tensorflow as tf  # slow: only once TF_CONFIG is known to be right

    return tf.distribute.MultiWorkerMirroredStrategy()
