"""Jobs of a sweep as forks of the tests, for the seconds that their imports would take."""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hydra.core.global_hydra import GlobalHydra

from segbench.sweep import job

FORK = multiprocessing.get_context("fork")


class ForkedJob:
    """A job that begins as a copy of the process that starts it; as much of ``Popen`` as the launcher needs."""

    def __init__(self, command, env, stdout=None, **_):
        self.process = FORK.Process(target=self._become, args=(command[1:], env, stdout))
        self.process.start()

    @staticmethod
    def _become(arguments, environment, output):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if output is not None:
            for number in (1, 2):
                os.dup2(output.fileno(), number)
        GlobalHydra.instance().clear()
        os.environ.update(environment)
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")

    def poll(self):
        return self.process.exitcode

    def wait(self):
        self.process.join()

    def terminate(self):
        self.process.terminate()


def fork_jobs(patch: pytest.MonkeyPatch) -> None:
    """Let sweeps start their jobs so."""
    patch.setattr(job, "subprocess", SimpleNamespace(Popen=ForkedJob, STDOUT=subprocess.STDOUT))
