"""Callbacks are told of the run where they listen, whatever their class."""

from types import SimpleNamespace

import pytest

from segbench.errors import InterruptedRun
from segbench.runs.directory import RunDirectory
from segbench.runs.run_callback import RunCallback, RunContext, bind, finish, only_warning


class Listening:
    """No class of ours, with one of the two methods."""

    def __init__(self, told):
        self.told = told

    def finish(self, context):
        self.told.append(("finish", context))


class Binding(RunCallback):
    def __init__(self, told):
        self.told = told

    def bind(self, context):
        self.told.append(("bind", context))


def test_those_that_listen_are_told_in_their_order(tmp_path):
    context = RunContext(RunDirectory(tmp_path), data=None, task=None, trainer=None)
    told = []
    callbacks = [Listening(told), SimpleNamespace(), Binding(told), RunCallback()]
    bind(callbacks, context)
    finish(callbacks, context)
    assert told == [("bind", context), ("finish", context)]


def test_the_context_cannot_be_changed(tmp_path):
    context = RunContext(RunDirectory(tmp_path), data=None, task=None, trainer=None)
    with pytest.raises(AttributeError):
        context.splits = ("test",)


def test_a_class_that_does_not_say_may_change_the_result():
    assert RunCallback.changes_result


def test_a_failure_is_warned_of_and_a_refusal_is_not(caplog):
    with only_warning("a.png"):
        raise ValueError("no font\nat all")
    with only_warning("a.zip", "kept"):
        raise OSError
    assert caplog.messages == ["a.png: not drawn (ValueError: no font)", "a.zip: not kept (OSError: OSError)"]
    with pytest.raises(InterruptedRun), only_warning("a.png"):
        raise InterruptedRun(15)
