import os
import signal
import threading

import pytest

from recbench.neural.whole_steps import WholeSteps


@pytest.fixture(autouse=True)
def _python_handles_signals(monkeypatch):
    """SIGINT interrupts; SIGTERM is no business of Python's."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_waits_until_it_is_let_through():
    done = []

    def work():
        with WholeSteps() as steps:
            interrupt()
            done.append(steps.told)
            steps.let_through()
            done.append("never")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_waits_at_the_end_is_let_through_unless_there_is_an_error():
    def work(error):
        with WholeSteps():
            interrupt()
            if error is not None:
                raise error

    with pytest.raises(KeyboardInterrupt):
        work(None)
    with pytest.raises(ValueError, match="mine"):
        work(ValueError("mine"))


def test_what_python_does_not_handle_is_left_alone():
    with WholeSteps():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_in_a_thread_it_does_nothing():
    def work():
        with WholeSteps() as steps:
            steps.let_through()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
