from affectline.common.plural import counted


def test_one_is_not_many() -> None:
    found = [counted(count, "sample") for count in (0, 1, 2)]
    assert found == ["0 samples", "1 sample", "2 samples"]
