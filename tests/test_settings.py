from typing import Any, ClassVar

import pytest
from pydantic import Field

from recbench.errors import UserError
from recbench.settings import Settings, digest


class Sample(Settings):
    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"rank": 8}}
    rank: int = Field(4, ge=1)
    learning_rate: float = 1e-3
    curriculum: bool = True


def test_strings_from_the_command_line_are_parsed():
    built = Sample.build({"rank": "16", "learning_rate": "5e-4", "curriculum": "false"})
    assert built == Sample(rank=16, learning_rate=5e-4, curriculum=False)


def test_a_typo_gets_the_nearest_name():
    with pytest.raises(UserError, match="unknown setting 'rnk'; did you mean 'rank'"):
        Sample.build({"rnk": 1})


def test_a_value_out_of_range_is_one_line():
    with pytest.raises(UserError) as caught:
        Sample.build({"rank": "0"})
    assert str(caught.value) == (
        "setting 'rank': Input should be greater than or equal to 1, not '0'"
    )


def test_what_the_user_sets_comes_on_top_of_a_preset():
    assert Sample.build({}, preset="paper").rank == 8
    assert Sample.build({"rank": 2}, preset="paper").rank == 2
    with pytest.raises(UserError, match="did you mean 'paper'"):
        Sample.build({}, preset="papr")


def test_the_record_builds_the_same_settings_again():
    built = Sample.build({"rank": 3})
    assert Sample.build(built.record()) == built


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": "é"}) == digest({"b": "é", "a": 1}) != digest({"a": 2, "b": "é"})
