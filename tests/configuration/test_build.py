"""Whatever the class of a section refuses is one line that names the section."""

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

from segbench.configuration.build import build
from segbench.entry import explain
from segbench.errors import ConfigError, DataError
from segbench.losses import DiceLoss
from segbench.sweep.processes import ProcessesLauncher
from segbench.tracking import build_loggers

CAUSES = {
    "loss: no such file": ValueError("no such file\nand more"),
    "loss.smooth=3: too much": ValueError("loss.smooth=3: too much"),
    "loss: [Errno 2] No such file or directory: 'weights.npy'": FileNotFoundError(
        2, "No such file or directory", "weights.npy"
    ),
    "loss: ImportError: no module": ImportError("no module"),
    "loss: AttributeError: no attribute": AttributeError("no attribute"),
    "loss: RuntimeError: shapes differ": RuntimeError("\nshapes differ\n"),
    "loss: KeyError: 'dice'": KeyError("dice"),
    "loss: ValueError": ValueError(),
}


def refuse_with(monkeypatch, owner, error):
    def init(self, *arguments, **options):
        raise error

    monkeypatch.setattr(owner, "__init__", init)


@pytest.mark.slow
@pytest.mark.parametrize("expected", CAUSES)
def test_every_cause_is_one_line_that_names_the_section(compose, monkeypatch, expected):
    refuse_with(monkeypatch, DiceLoss, CAUSES[expected])
    with pytest.raises(ConfigError) as refusal:
        build("loss", compose("loss=dice"))
    assert str(refusal.value) == expected


def test_a_refusal_keeps_its_kind_and_memory_is_no_bad_configuration(compose, monkeypatch):
    for error in (DataError("data.root: none"), MemoryError(), RuntimeError("DefaultCPUAllocator: no memory")):
        refuse_with(monkeypatch, DiceLoss, error)
        with pytest.raises(type(error)) as refusal:
            build("loss", compose("loss=dice"))
        assert refusal.value is error


def test_a_class_that_is_not_there(compose):
    cfg = compose("loss=dice")
    cfg.loss._target_ = "segbench.losses.Dyce"
    with pytest.raises(
        ConfigError, match=r"^loss\._target_=segbench\.losses\.Dyce: segbench\.losses .* has no Dyce; did you mean"
    ):
        build("loss", cfg)


def test_a_logger_that_refuses_is_named(compose, monkeypatch, tmp_path):
    from pytorch_lightning.loggers import TensorBoardLogger

    refuse_with(monkeypatch, TensorBoardLogger, ModuleNotFoundError("pip install tensorboard"))
    with pytest.raises(ConfigError, match=r"^logger.tensorboard: ModuleNotFoundError: pip install tensorboard$"):
        build_loggers(compose(), tmp_path, {}, "val/dice")


@pytest.mark.parametrize("jobs", [0, -1, 1.5, "two", True])
def test_the_launchers_refusal_reaches_the_command_line(jobs):
    with pytest.raises(InstantiationException) as raised:
        instantiate({"_target_": "segbench.sweep.processes.ProcessesLauncher", "jobs": jobs})
    assert str(explain(raised.value)) == f"hydra.launcher.jobs={jobs}: must be a positive integer"


@pytest.mark.parametrize("gpus", [3, "01", ["a"]])
def test_devices_are_numbers(gpus):
    with pytest.raises(ConfigError, match=r"^hydra.launcher.gpus=.*for example \[0,1\]$"):
        ProcessesLauncher(gpus=OmegaConf.create(gpus) if isinstance(gpus, list) else gpus)


def test_hydras_own_refusal_names_the_section():
    cfg = OmegaConf.create(
        {"hydra": {"launcher": {"_target_": "segbench.sweep.processes.ProcessesLauncher", "foo": 1}}}
    )
    with pytest.raises(InstantiationException) as raised:
        instantiate(cfg.hydra.launcher)
    line = str(explain(raised.value))
    assert line.startswith("hydra.launcher: ")
    assert "'foo'" in line
    assert "\n" not in line
