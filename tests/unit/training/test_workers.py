import json

import pytest

from common.errors import AffectlineError
from training.workers import place


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
        place()


def test_the_first_worker_knows_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for index in (0, 1):
        config = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": index}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        assert place() == index
