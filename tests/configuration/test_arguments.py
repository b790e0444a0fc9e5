"""The arguments of a command: options anywhere, values as they were typed."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segbench.configuration.arguments import arranged
from segbench.errors import ConfigError

OPTIONS = (["--multirun"], ["--config-dir", "own"], ["--config-name", "other"], ["--package", "a.b"])
OVERRIDES = ("data=cmr", "seed=0", "+model.depth=3", "~callbacks.panels", "data.size=[16,16]")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.permutations([*OPTIONS, *([override] for override in OVERRIDES)]))
def test_options_may_stand_anywhere_among_the_overrides(parts):
    typed = [argument for part in parts for argument in part]
    given = arranged(typed)
    taken = [argument for option in parts if option in OPTIONS for argument in option]
    assert given == [*taken, *(part[0] for part in parts if part not in OPTIONS)]


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        (["seed=0,1", "-m"], ["--multirun", "seed=0,1"]),
        (["seed=0", "--multi"], ["--multirun", "seed=0"]),
        (["seed=0", "-c=job"], ["--cfg", "job", "seed=0"]),
        (["-cd", "a", "seed=0"], ["--config-dir", "a", "seed=0"]),
        (["seed=0", "-i"], ["--info", "seed=0"]),
        (["-i", "plugins", "seed=0"], ["--info", "plugins", "seed=0"]),
        (["seed=0", "--hydra-help"], ["--hydra-help"]),
        (["experiment=null", "seed=0"], ["seed=0"]),
        (["model=null"], ["model='null'"]),
    ],
)
def test_options_are_handed_on_by_their_long_names(typed, given):
    assert arranged(typed) == given


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        (["experiment=a/b", "decide=true"], ["--multirun", "hydra/sweeper=looks", "experiment=a/b"]),
        (
            ["decide.hours=2", "experiment=a/b", "decide.looks=[2,4]", "-m"],
            [
                "--multirun",
                "hydra/sweeper=looks",
                "hydra.sweeper.hours=2",
                "hydra.sweeper.looks=[2,4]",
                "experiment=a/b",
            ],
        ),
        (["decide=false", "decide.hours=2", "seed=1"], ["seed=1"]),
        (["experiment=a/b", "decide=true", "--cfg", "job"], ["--cfg", "job", "hydra/sweeper=looks", "experiment=a/b"]),
        # A plan is of one folder.
        (
            ["model=unet,attunet", "optimizer.lr=1e-3, 1e-4", "decide=true"],
            [
                "--multirun",
                "hydra/sweeper=looks",
                "hydra.sweep.dir='${paths.outputs}/decide/model=unet,attunet-optimizer.lr=1e-3,-1e-4'",
                "model=unet,attunet",
                "optimizer.lr=1e-3, 1e-4",
            ],
        ),
        (
            ["model=unet,attunet", "hydra.sweep.dir=here", "decide=true"],
            ["--multirun", "hydra/sweeper=looks", "model=unet,attunet", "hydra.sweep.dir=here"],
        ),
    ],
)
def test_deciding_is_a_sweep_with_a_sweeper_of_its_own(typed, given):
    assert arranged(typed) == given


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["decide=3"], "decide=3: must be true or false"),
        (["decide.look=[2]"], "decide.look=[2]: no such setting; did you mean looks?"),
        (["decide=true", "--run"], "--run: decide=true trains many runs; leave one of the two out"),
    ],
)
def test_what_deciding_does_not_know_is_refused(typed, said):
    with pytest.raises(ConfigError) as error:
        arranged(typed)
    assert str(error.value) == said


PATHS = st.text("abc/=.-_ ()%+@:~*?!&;^|<>#", min_size=1).filter(lambda path: path.strip() == path)


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PATHS.filter(lambda path: not path.startswith(("abc(",))))
def test_a_path_arrives_as_it_was_typed(path):
    try:
        (given,) = arranged([f"init_from={path}"])
    except ConfigError:
        # What could be a function is left to be quoted by who types it.
        assert path[: path.find("(")].replace("_", "a").isalpha()
        return
    (override,) = OverridesParser.create().parse_overrides([given])
    assert str(override.value()) == path


def test_of_swept_values_only_those_are_quoted_that_need_it():
    given = arranged(["-m", "init_from=/x/a=1.ckpt,/x/b.ckpt"])
    assert given == ["--multirun", "init_from='/x/a=1.ckpt',/x/b.ckpt"]


def test_keys_below_a_swept_group_are_left_to_its_jobs():
    typed = ["-m", "model=unet3plus,unetpp", "model.deep_supervision=true", "data.size=[16,16]", "optimizer.lr=1"]
    assert arranged(typed) == [
        *("--multirun", "model=unet3plus,unetpp", "model.deep_supervision=choice(true)"),
        *("data.size=[16,16]", "optimizer.lr=1"),
    ]
    typed = ["-m", "variant=a,b", "model.depth=3", "data.size=[16,16]", "paths.outputs=x", "~model.depth"]
    assert arranged(typed) == [
        *("--multirun", "variant=a,b", "model.depth=choice(3)", "data.size=choice([16,16])"),
        *("paths.outputs=x", "~model.depth"),
    ]


def test_what_an_experiment_sweeps_needs_no_option():
    typed = ["experiment=a", "model=fcn16,fcn8", "model.fully_connected=512", "seed=0"]
    swept = ["experiment=a", "model=fcn16,fcn8", "model.fully_connected=choice(512)", "seed=0"]
    assert arranged(typed) == ["--multirun", *swept]
    assert arranged([*typed, "--cfg", "job"])[0] == "--cfg"
    assert arranged([*typed, "--help"]) == ["--help", *typed]
    assert arranged([*typed, "hydra.mode=RUN"]) == [*typed, "hydra.mode=RUN"]
    assert arranged(["experiment=a", "seed=0"]) == ["experiment=a", "seed=0"]
    assert arranged(typed[1:]) == typed[1:]
