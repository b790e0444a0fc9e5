"""What a row's folder keeps of its trials."""

import multiprocessing

import pytest

from segbench.runs.tuning import Tuning, read_row, write_row


@pytest.mark.slow
def test_two_sweeps_of_one_row_lose_no_run_of_each_other(tmp_path):
    def record(names):
        for name in names:
            write_row(tmp_path, Tuning("", "val/loss", False, {}, (), {name: ()}))

    names = [[f"{sweep}-{number}" for number in range(20)] for sweep in "ab"]
    sweeps = [multiprocessing.get_context("fork").Process(target=record, args=(each,)) for each in names]
    for sweep in sweeps:
        sweep.start()
    for sweep in sweeps:
        sweep.join()
    assert set(read_row(tmp_path).runs) == {*names[0], *names[1]}
