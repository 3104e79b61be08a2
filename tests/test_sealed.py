import json

import pytest

from recbench.sealed import SEAL, sealed, unsealed

VALUES = {"seconds": {"fit": 1.25}, "running": ["score", 3], "name": "ü", "none": None}


def test_what_was_sealed_comes_back():
    assert unsealed(json.loads(json.dumps(sealed(VALUES)))) == VALUES
    assert unsealed(VALUES) == VALUES  # of a time before there were seals


@pytest.mark.honesty
def test_every_byte_counts():
    raw = json.dumps(sealed(VALUES)).encode()
    for place in range(len(raw)):
        for change in (1, 2, 0x20, 0x80):
            harmed = raw[:place] + bytes([raw[place] ^ change]) + raw[place + 1 :]
            try:
                found = unsealed(json.loads(harmed))
            except ValueError:
                continue
            # Only the name of the seal may have changed, which is then an unknown name.
            assert found == VALUES or (found.keys() - VALUES and VALUES.items() <= found.items())


@pytest.mark.parametrize("kept", [[], "text", None, {**VALUES, SEAL: "0" * 64}])
def test_what_is_no_such_object_is_refused(kept):
    with pytest.raises(ValueError, match=r"expected a JSON object|was changed"):
        unsealed(kept)
