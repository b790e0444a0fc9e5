"""A process of a run notices that another has ended, says why, and ends too, even where its main thread hangs."""

import os
import signal
import socket
import time

import pytest
import torch
from tests.spread import FORK
from torch import distributed

import segbench.watch
from segbench.errors import ConfigError, LostProcess
from segbench.watch import Watch

# Of one that is refused at once, what it says at its end has come before the first process reads who it is.
REASONS = {
    "killed": "71 process 1 of 2 ended without a word (was it killed?); run the same command again to resume",
    "refused": "2 data.size=0: too small",
    "refused at once": "2 data.size=0: too small",
    "hanging": "71 process 1 of 2 ended without a word (was it killed?); run the same command again to resume",
}


def work(rank, folder, how):
    torch.set_num_threads(1)
    segbench.watch._GRACE_SECONDS = 0.2 if how == "hanging" else 60
    distributed.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    if how == "refused at once":
        accept = socket.socket.accept
        socket.socket.accept = lambda server: (time.sleep(0.3), accept(server))[1]
    watch = Watch(rank, 2)
    watch.on_loss = lambda error: (folder / "said").write_text(f"{error.exit_code} {error}")
    watch.begin("127.0.0.1")
    if rank == 1 and how.startswith("refused"):
        watch.end(ConfigError("data.size=0: too small"))
        os._exit(2)
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "hanging":
        time.sleep(60)
    try:
        distributed.all_reduce(torch.ones(1))
        distributed.all_reduce(torch.ones(1))
    except RuntimeError as error:
        found = watch.cause(error)
        watch.on_loss(found)
        os._exit(found.exit_code)


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=pytest.mark.slow if how == "hanging" else ()) for how in REASONS]
)
def test_the_other_one_knows_why(tmp_path, how):
    processes = [FORK.Process(target=work, args=(rank, tmp_path, how)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    code = int(REASONS[how].partition(" ")[0])
    assert [process.exitcode for process in processes] == [code, 2 if code == 2 else -signal.SIGKILL]
    assert (tmp_path / "said").read_text() == REASONS[how]
    assert LostProcess.exit_code == 71
