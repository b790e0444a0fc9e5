"""A function in several processes that form a process group, as those of a run do."""

import multiprocessing
import pickle
from pathlib import Path

import torch
from torch import distributed

FORK = multiprocessing.get_context("fork")


def _work(rank, size, folder, function, arguments):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=size)
    found = function(*arguments)
    (folder / f"{rank}.pickle").write_bytes(pickle.dumps(found))
    distributed.destroy_process_group()


def spread(folder: Path, function, *arguments, size=2):
    """Call a function in every process of a group; return what each has returned."""
    folder.mkdir(parents=True, exist_ok=True)
    processes = [FORK.Process(target=_work, args=(rank, size, folder, function, arguments)) for rank in range(size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0] * size
    return [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in range(size)]
