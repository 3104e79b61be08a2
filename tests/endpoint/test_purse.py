from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from recbench.endpoint.purse import EmptyError, Purse


def test_not_one_token_more_is_spent_than_was_in_it():
    purse = Purse(most=100, spent=40)
    with purse.paying(60):
        purse.spend(20)
    assert purse.spent == 60
    with pytest.raises(EmptyError) as empty, purse.paying(41):
        pass
    assert (empty.value.spent, empty.value.price) == (60, 41)
    with purse.paying(40):
        purse.spend(40)
    assert purse.spent == 100


def test_what_a_question_did_not_take_comes_back_even_if_it_fails():
    purse = Purse(most=100)
    with pytest.raises(KeyError), purse.paying(100):
        raise KeyError
    with purse.paying(100):
        pass


def test_a_question_waits_for_what_others_may_give_back():
    purse, begun, end = Purse(most=100), Event(), Event()

    def first():
        with purse.paying(80):
            begun.set()
            end.wait()
            purse.spend(30)

    def second():
        with purse.paying(70):
            purse.spend(70)

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        begun.wait()
        other = pool.submit(second)
        assert not other.done()
        end.set()
        one.result()
        other.result()
    assert purse.spent == 100


def test_without_a_bound_everything_is_paid():
    purse = Purse(None)
    with purse.paying(10**9):
        purse.spend(10**9)
    assert purse.spent == 10**9
    with pytest.raises(EmptyError), Purse(0).paying(1):
        pass
