"""What several experiments ask for is one run, trained once."""

from functools import cache

import pytest
from hydra import compose as with_hydra
from hydra import initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from segbench.configuration import resolvers
from segbench.configuration.schema import validate
from segbench.runs.identity import run_id

CELLS = ("base", "curriculum", "tiles", "batch_size", "weight_map", "linear_tail")


@cache
def jobs(repository, experiment):
    """Return the identity of each job of an experiment's first seed, by its overrides."""
    resolvers.register()
    with initialize_config_dir(str(repository / "conf"), version_base="1.3"):
        start = [f"experiment={experiment}"]
        params = with_hydra("config", start, return_hydra_config=True).hydra.sweeper.params
        asked = OverridesParser.create().parse_overrides([f"{key}={params[key]}" for key in params if key != "seed"])
        grid, *_ = BasicSweeper.split_arguments(asked, None)
        found = {}
        for job in grid:
            cfg = with_hydra("config", [*start, *job])
            validate(cfg)
            found[tuple(job)] = run_id(cfg)
        return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiments", "shared"),
    [
        (("digits/cnn", "digits/architectures", "digits/pool_order", "digits/optimizer"), 1),
        (("digits/numpy", "digits/architectures"), 1),
        (tuple(f"cells/{name}" for name in CELLS), 5),
        (("glands/base", "glands/architectures"), 1),
        (("glands/skips", "glands/architectures"), 1),
        (("glands/regularisation", "glands/architectures"), 0),
    ],
)
def test_what_experiments_share_is_one_run_and_so_trained_once(repository, experiments, shared):
    identities = [jobs(repository, experiment) for experiment in experiments]
    assert all(len(set(found.values())) == len(found) for found in identities)
    assert len(set.intersection(*(set(found.values()) for found in identities))) == shared
