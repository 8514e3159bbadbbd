"""The guard: one callback at a time, and every error in words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from gca_playground.views.guard import Guard


def failing(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def test_it_passes_everything_on() -> None:
    given: list[object] = []
    Guard()(lambda *args, **kwargs: given.extend([args, kwargs]))(1, 2, key=3)
    assert given == [(1, 2), {"key": 3}]


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_our_own_errors_speak_for_themselves(kind: type[Exception]) -> None:
    guard = Guard()
    guard(failing(kind("seed must be >= 0, got -1")))()
    assert guard.box.value == '<div role="alert">seed must be &gt;= 0, got -1</div>'
    assert isinstance(guard.last_error, kind)


def test_any_other_error_says_its_kind_and_its_place() -> None:
    guard = Guard()
    guard(failing(RuntimeError("out of <memory>")))()
    line = failing.__code__.co_firstlineno + 2
    said = f"RuntimeError: out of &lt;memory&gt; (in fail, line {line})"
    assert guard.box.value == f'<div role="alert">{said}</div>'


@pytest.mark.parametrize(("error", "words"), [(ValueError(), "ValueError"), (ZeroDivisionError(), "ZeroDivisionError")])
def test_an_error_without_words_says_its_kind(error: Exception, words: str) -> None:
    guard = Guard()
    guard(failing(error))()
    assert words in guard.box.value


def test_an_error_that_was_never_raised_can_be_shown() -> None:
    guard = Guard()
    guard.show(OSError("no disk"))
    assert guard.box.value == '<div role="alert">OSError: no disk</div>'


def test_an_error_stays_until_it_is_cleared() -> None:
    guard = Guard()
    guard(failing(ValueError("wrong")))()
    guard(lambda: None)()
    assert "wrong" in guard.box.value
    guard.clear()
    assert (guard.box.value, guard.last_error) == ("", None)


def test_the_next_error_takes_the_place_of_the_last() -> None:
    guard = Guard()
    for words in ("first", "second"):
        guard(failing(ValueError(words)))()
    assert "first" not in guard.box.value and "second" in guard.box.value


def test_what_is_no_error_of_the_callback_passes() -> None:
    guard = Guard()
    with pytest.raises(KeyboardInterrupt):
        guard(failing(KeyboardInterrupt()))()
    assert guard.box.value == ""


def test_callbacks_of_two_threads_do_not_overlap() -> None:
    guard, log = Guard(), []

    def slow(name: str) -> None:
        log.append(name)
        time.sleep(0.01)
        log.append(name)

    threads = [threading.Thread(target=guard(slow), args=(name,)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log[::2] == log[1::2] and sorted(log[::2]) == list("abcdef")


def test_whoever_holds_the_lock_is_alone() -> None:
    guard, ran = Guard(), threading.Event()
    with guard.lock:
        thread = threading.Thread(target=guard(ran.set))
        thread.start()
        assert not ran.wait(0.05)
    thread.join()
    assert ran.is_set()


def test_a_callback_may_call_a_guarded_one() -> None:
    guard = Guard()
    guard(lambda: guard(failing(ValueError("inner")))())()
    assert "inner" in guard.box.value


def test_a_failed_callback_lets_go_of_the_lock() -> None:
    guard, done = Guard(), threading.Event()
    guard(failing(ValueError("wrong")))()
    thread = threading.Thread(target=guard(done.set))
    thread.start()
    thread.join(5)
    assert done.is_set()


def test_two_guards_are_strangers() -> None:
    one, other = Guard(), Guard()
    one(failing(ValueError("wrong")))()
    assert (other.box.value, other.last_error) == ("", None)
