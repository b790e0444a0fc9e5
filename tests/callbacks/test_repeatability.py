"""Whether a training repeats to the bit is what torch says of its operations while it runs."""

import warnings
from types import SimpleNamespace

import pytest
import torch

from segbench.callbacks import Repeatability

# As aten/src/ATen/Context.cpp words it (torch 2.13).
WARNING = (
    "{} does not have a deterministic implementation, but you set 'torch.use_deterministic_algorithms(True, "
    "warn_only=True)'. You can file an issue at https://github.com/pytorch/pytorch/issues to help us prioritize adding "
    "deterministic support for this operation."
)


def trainer_on(device):
    return SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device(device)))


def test_operations_that_torch_warns_of_are_kept_and_other_warnings_shown():
    callback = Repeatability()
    callback.load_state_dict({"reasons": ["an_earlier_one"]})
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        callback.on_fit_start(trainer_on("cuda"), None)
        for _ in range(2):
            warnings.warn(WARNING.format("upsample_bicubic2d_backward_out_cuda"), UserWarning, stacklevel=1)
        warnings.warn("of something else", UserWarning, stacklevel=1)
        callback.on_exception(trainer_on("cuda"), None, KeyboardInterrupt())
        warnings.warn(WARNING.format("after_the_training"), UserWarning, stacklevel=1)
    assert callback.reasons == ["an_earlier_one", "upsample_bicubic2d_backward_out_cuda"]
    assert callback.report()["to_the_bit"] is False
    assert [str(warning.message).split()[0] for warning in shown] == ["of", "after_the_training"]


@pytest.mark.parametrize(("device", "exact"), [("cpu", True), ("mps", False)])
def test_a_processor_repeats_and_of_another_device_nothing_is_known(device, exact):
    callback = Repeatability()
    callback.on_fit_start(trainer_on(device), None)
    callback.on_fit_end(trainer_on(device), None)
    assert callback.report()["to_the_bit"] is exact


def test_kernels_that_are_chosen_by_their_time_do_not_repeat(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    callback = Repeatability()
    callback.on_fit_start(trainer_on("cuda"), None)
    callback.on_fit_end(trainer_on("cuda"), None)
    assert callback.reasons == ["kernels chosen by time (trainer.cudnn_benchmark)"]


@pytest.mark.gpu
def test_torch_words_it_so():
    callback = Repeatability()
    callback.on_fit_start(trainer_on("cuda"), None)
    torch.use_deterministic_algorithms(True, warn_only=True)
    x = torch.rand(1, 1, 4, 4, device="cuda", requires_grad=True)
    torch.nn.functional.interpolate(x, size=(8, 8), mode="bicubic").sum().backward()
    torch.use_deterministic_algorithms(False)
    callback.on_fit_end(trainer_on("cuda"), None)
    assert callback.reasons == ["upsample_bicubic2d_backward_out_cuda"]
