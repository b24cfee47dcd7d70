import json
import socket
import threading

import pytest

from affectline.common.errors import AffectlineError
from affectline.training.fit.distributed import wait_for_first, worker_index


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ("", "finds no TF_CONFIG"),
        ("{", "cannot be read"),
        ('{"cluster": {"worker": []}}', "cannot be read"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "no worker"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "no worker"),
    ],
)
def test_a_wrong_tf_config_is_one_line(
    monkeypatch: pytest.MonkeyPatch, config: str, complaint: str
) -> None:
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(AffectlineError, match=complaint):
        worker_index()


def test_the_first_worker_knows_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for index in (0, 1):
        config = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": index}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        assert worker_index() == index


@pytest.mark.parametrize(
    ("first", "complaint"),
    [
        ("127.0.0.1:1", "127.0.0.1:1 did not answer within 0.2 s"),
        ("a..b:2222", "a..b:2222 did not answer"),
        ("host1", "first worker 'host1' is not host:port"),
        ("host1:99999", "'host1:99999' is not host:port"),
        ("host1:0", "'host1:0' is not host:port"),
        (7, "first worker '7' is not host:port"),
    ],
)
def test_a_first_worker_that_does_not_come_is_one_line(
    monkeypatch: pytest.MonkeyPatch, first: object, complaint: str
) -> None:
    config = {"cluster": {"worker": [first, "b:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    with pytest.raises(AffectlineError, match=complaint):
        wait_for_first(patience_s=0.2)


def test_the_first_worker_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as late:
        late.bind(("127.0.0.1", 0))  # taken, but nobody listens yet
        first = f"127.0.0.1:{late.getsockname()[1]}"
        config = {"cluster": {"worker": [first, "b:1"]}, "task": {"type": "worker", "index": 1}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        waiting = threading.Thread(target=wait_for_first)
        waiting.start()
        waiting.join(timeout=1)
        assert waiting.is_alive()
        late.listen()
        waiting.join(timeout=20)
        assert not waiting.is_alive()
