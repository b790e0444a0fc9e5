"""The typed root configuration: what may be set, of which type and range, checked before data is touched.

The YAML files in ``conf/`` stay plain; this module refuses what Hydra lets through (``optimizer.lr=abc``,
a negative learning rate, a number in the wrong section) with one line that names the key.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from segbench.configuration.machine import check_machine
from segbench.configuration.places import check_places
from segbench.configuration.signature import check_signature
from segbench.configuration.values import BatchSize, NumWorkers, choice
from segbench.errors import ConfigError
from segbench.words import first_line

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Family = Literal["best", "baseline", "pairs"]
TestTimeAugmentation = Literal["flips"]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Component(BaseModel):
    """A section with a ``_target_``: the keys people type are typed here, the others by the class's signature."""

    model_config = ConfigDict(extra="allow", strict=True, populate_by_name=True)
    target: str = Field(alias="_target_")


class DataConfig(_Component):
    """``data.*``."""

    root: str | None = None
    size: Annotated[list[PositiveInt], Field(min_length=2, max_length=2)] | Literal["auto"] | None = None
    batch_size: BatchSize = 1
    num_workers: NumWorkers = 0
    split_seed: NonNegativeInt = 0
    folds: Annotated[int, Field(ge=2)] | None = None
    fold: NonNegativeInt | None = None
    oversample: Annotated[float, Field(gt=0, le=1)] | None = None


class ModelConfig(_Component):
    """``model.*``."""

    width: PositiveInt = 1


class OptimizerConfig(_Component):
    """``optimizer.*``."""

    lr: PositiveFloat
    weight_decay: NonNegativeFloat = 0.0


class TrainerConfig(_Closed):
    """``trainer.*``: see ``conf/trainer/default.yaml`` for what each key does."""

    max_epochs: PositiveInt
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"]
    devices: PositiveInt = 1
    num_nodes: PositiveInt = 1
    strategy: Literal["auto", "ddp"] = "auto"
    sync_batchnorm: bool = True
    rendezvous_minutes: PositiveFloat = 10.0
    precision: Literal["auto", "fastest", 32, "bf16-mixed", "16-mixed"]
    compile: Annotated[Any, choice(False, True, "fastest", "reduce-overhead", "max-autotune")]
    channels_last: Annotated[Any, choice(False, True, "fastest")]
    tf32: Annotated[Any, choice(None, True)]
    cudnn_benchmark: Annotated[Any, choice(None, True)]
    threads: PositiveInt | None
    accumulate_grad_batches: PositiveInt
    gradient_clip_val: PositiveFloat | None
    limit_train_batches: PositiveInt | Annotated[float, Field(gt=0, le=1)] | None
    monitor: str
    early_stopping: PositiveInt | None
    checkpoint_minutes: PositiveFloat | None
    checkpoint_every_n_steps: PositiveInt | None
    log_every_n_steps: PositiveInt
    progress: Literal["auto", "bar", "lines"]


class PredictConfig(_Closed):
    """``predict.*``: see ``conf/config.yaml``."""

    window: Annotated[list[PositiveInt], Field(min_length=2, max_length=2)] | None
    overlap: Annotated[float, Field(ge=0, lt=1)]
    tta: TestTimeAugmentation | None
    ensemble: Annotated[int, Field(ge=2, le=1000)] | None


class TuningConfig(_Closed):
    """``tuning.*``: see ``conf/config.yaml``; ranges are read by :mod:`segbench.sweep.space`."""

    trials: NonNegativeInt
    epochs: PositiveInt | None
    seed: NonNegativeInt
    space: dict[str, list[Any]] | None
    row: str | None


def _folder(value: str) -> str:
    """Refuse what would be another folder than the one that was meant."""
    if not value.strip():
        raise PydanticCustomError("folder", "should name a folder; . is the one you are in")
    if value.startswith("~"):
        raise PydanticCustomError("folder", "should be written without ~, which only shells replace; use $HOME")
    return value


Folder = Annotated[str, AfterValidator(_folder)]


class PathsConfig(_Closed):
    """``paths.*``."""

    data: Folder
    outputs: Folder
    cache: Folder


class Published(_Closed):
    """A published figure: where it belongs among the compared configurations, and where it is printed."""

    where: dict[str, Any]
    metric: str
    value: float
    source: str


class Claim(_Closed):
    """A ranking that a report claims: ``better`` scores above each of ``than``, or above all others if that is empty.

    Or that configurations are ``alike``: their scores differ by less than ``within``.

    Attributes:
        text: The claim as the report makes it.
        better: Factor values of the configuration that is said to win.
        than: Factor values of those that it is said to beat.
        by: Least and largest difference that the report gives, in units of the score (0.02 is 2 %), if it does.
        alike: Factor values of the configurations that are said to be alike, in place of ``better`` and ``than``.
        within: How much, in units of the score, still counts as alike.
        metric: The score that it is about, if that is another than the comparison's; or what training shows
            (:data:`segbench.scores.training.SHOWN_BY_TRAINING`).
    """

    text: str
    better: dict[str, Any] | None = None
    than: list[dict[str, Any]] = []
    by: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    alike: Annotated[list[dict[str, Any]], Field(min_length=2)] | None = None
    within: PositiveFloat | None = None
    metric: str | None = None

    @model_validator(mode="after")
    def _ranks_or_likens(self) -> Self:
        if (self.better is None) == (self.alike is None):
            raise ValueError("say either better (than which) or alike (within what)")
        if (self.alike is None) != (self.within is None) or (self.alike and (self.than or self.by)):
            raise ValueError("alike needs within, and nothing else")
        return self


class Deviation(_Closed):
    """How an experiment differs from the report's because of some settings.

    Attributes:
        text: What differs.
        where: The settings, keys or groups to values; a comparison in which no run has all of them does not say it.
    """

    text: str
    where: dict[str, Any] = {}


class Comparison(_Closed):
    """``comparison.*``: what an experiment asks.

    Attributes:
        family: Which comparisons the question needs, and are corrected for each other: ``best`` (which rows may be the
            best), ``baseline`` (each against one row) or ``pairs`` (all); by default the first, or the second where a
            baseline is named.
        baseline: Factor values of the row that the others are compared with, or a single value that only it has.
        margin: Within what difference, in units of the metric, rows count as alike; by default what two runs of one row
            that differ in the seed alone differ by.
        rows: What rows are, in words for who has not read the experiment, by a value of theirs: that of a variant, say.
        extrapolate_to: A value of the first factor that is a number; what its rows would score there is forecast.
    """

    question: str
    factors: list[str]
    metric: str
    split: Literal["train", "val", "test", "val_volumes", "test_volumes", "val_full"]
    family: Family | None = None
    baseline: dict[str, Any] | str | int | float | bool | None = None
    margin: PositiveFloat | None = None
    extrapolate_to: PositiveFloat | None = None
    rows: dict[str | int | float | bool, str | None] = {}
    published: list[Published] = []
    claims: list[Claim] = []
    # By name, so that an experiment that builds on another inherits them, replaces them or, by null, drops them.
    differences: dict[str, str | Deviation | None] = {}

    @model_validator(mode="after")
    def _names_a_baseline(self) -> Self:
        if self.family is not None and (self.family == "baseline") != (self.baseline is not None):
            raise ValueError("family=baseline needs comparison.baseline, and no other family has one")
        return self


class RootConfig(_Closed):
    """The whole configuration."""

    seed: NonNegativeInt
    data: DataConfig
    model: ModelConfig
    loss: _Component
    augmentation: _Component
    optimizer: OptimizerConfig
    scheduler: _Component | None
    trainer: TrainerConfig
    logger: dict[str, dict[str, Any]]
    callbacks: dict[str, dict[str, Any]]
    scores: dict[str, dict[str, Any]]
    paths: PathsConfig
    activation: Literal["auto", "sigmoid", "softmax"]
    predict: PredictConfig
    init_from: str | None
    freeze: str | None
    comparison: Comparison | None
    tuning: TuningConfig
    rerun: bool
    debug: bool


def validate(cfg: DictConfig) -> None:
    """Check the composed configuration.

    Args:
        cfg: The configuration, with or without its ``hydra`` node.

    Raises:
        ConfigError: One line with every key at fault and what is expected of it.
    """
    own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    try:
        plain = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{getattr(error, 'full_key', None) or 'configuration'}: {first_line(error)}") from error
    assert isinstance(plain, dict)
    try:
        RootConfig.model_validate(plain)
    except ValidationError as error:
        raise ConfigError("; ".join(dict.fromkeys(_describe(fault) for fault in error.errors()))) from None
    check_machine(cfg)
    if "hydra" in cfg:
        check_places(cfg)
    for section in ("data", "model", "loss", "augmentation", "optimizer", "scheduler"):
        if plain[section] is not None:
            check_signature(section, plain[section])
    for group in ("logger", "callbacks", "scores"):
        for name, component in plain[group].items():
            check_signature(f"{group}.{name}", component)


def _describe(fault: Any) -> str:
    # Members of a union and the key of an alias are pydantic's business; the user typed the dotted key.
    places = [str(part) for part in fault["loc"] if not (isinstance(part, str) and (part[0].isupper() or "[" in part))]
    places = [place for place in places if place not in ("int", "float", "str", "bool")]
    key = ".".join(places)
    if fault["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    if fault["type"] == "missing":
        return f"{key}: missing"
    if fault["type"] == "list_type" and isinstance(fault["input"], int):
        return f"{key}={fault['input']}: should be a list, for example [{fault['input']},{fault['input']}]"
    message = fault["msg"].removeprefix("Input ")
    return f"{key}={fault['input']}: {message[0].lower() + message[1:]}"
