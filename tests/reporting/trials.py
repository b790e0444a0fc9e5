"""Trials of a row, written by the contract beside the runs that they chose for."""

import json

import yaml

from segbench.runs.tuning import FOLDER, Trial, Tuning, write_row

SPACE = {"optimizer.lr": (1e-4, 1e-2, "log")}


def tune(maker, model, losses, rates, experiment="carvana/architectures", seeds=(0, 1)):
    """Write a row's trials, by validation loss (None: it diverged) and learning rate, and runs with the best rate.

    Returns:
        The row's folder.
    """
    folder = maker.root / experiment / FOLDER / f"fake-{model}-0123456789"
    names = [f"fake-{model}-dice-seed1000-{number}" for number in range(len(losses))]
    for name, loss, rate in zip(names, losses, rates, strict=True):
        (folder / name).mkdir(parents=True)
        config = {"seed": 1000, "comparison": None, "optimizer": {"lr": rate}, "tuning": {"row": folder.name},
                  "trainer": {"max_epochs": 3}, "scheduler": {"first": rate}}  # fmt: skip
        (folder / name / "config.yaml").write_text(yaml.safe_dump(config))
        status = {"state": "done"} if loss is not None else {"state": "failed", "exit_code": 4, "reason": "diverged"}
        (folder / name / "status.json").write_text(json.dumps(status))
        if loss is not None:
            (folder / name / "summary.json").write_text(json.dumps({"best": {"value": loss, "epoch": 2}}))
    best = min((loss, rate) for loss, rate in zip(losses, rates, strict=True) if loss is not None)[1]
    runs = {}
    for seed in seeds:
        typed = [f"model={model}", f"seed={seed}", f"tuning.trials={len(losses)}"]
        made = maker(model, seed, tp=80 + seed, experiment=experiment, overrides=[*typed, f"optimizer.lr={best}"],
                     config={"optimizer.lr": best, "scheduler": {"first": best}})  # fmt: skip
        runs[made.name] = tuple(typed)
    write_row(folder, Tuning("", "val/loss", False, SPACE, tuple(map(Trial, names)), runs))
    return folder
