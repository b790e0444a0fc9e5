"""Train and test one configuration: the only place that knows data, network, loss, task and run directory."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger

from segbench import callbacks, environment, rescoring, run_inputs, tracking
from segbench.assembly import build_callbacks, build_data, build_task
from segbench.configuration.machine import check_chosen
from segbench.configuration.recorded import recorded
from segbench.configuration.schema import validate
from segbench.data.base import ImageData
from segbench.ensembles import Ensemble, find_ensemble
from segbench.errors import CheckpointError, InterruptedRun, PrunedRun, SegbenchError
from segbench.final_evaluation import evaluate, final_scores, prepare_torch, read_data, scores_table
from segbench.fitting import Fitting, build_checkpoints, give_orders
from segbench.prediction_record import describe_prediction
from segbench.reuse import take_over
from segbench.runs import run_callback
from segbench.runs.checkpoint_io import load_checkpoint, newest_good
from segbench.runs.directory import WEIGHTS_OF, RunDirectory
from segbench.runs.failures import as_refusal, record_failure
from segbench.runs.files import write_json, write_yaml
from segbench.runs.identity import changes_result, run_id, settled, unchanging
from segbench.runs.run_callback import RunContext
from segbench.runs.scores_file import write_scores
from segbench.runs.signals import StopRequested, StopSignals, stop_signals
from segbench.tasks.base import Task
from segbench.tasks.batches import check_batches
from segbench.team import Team, joined_team, processes_asked
from segbench.trainer import build_trainer, compile_network, settle_rank

log = logging.getLogger("segbench")


def train(cfg: DictConfig, run: RunDirectory, identity: dict[str, Any]) -> None:
    """Train, validate and test one configuration, or report it if that was done before.

    Args:
        cfg: The composed configuration (without Hydra's own node).
        run: Its run directory.
        identity: What ``run.json`` says of it: id, name, experiment, choices, overrides, seed.

    Raises:
        SegbenchError: For everything a user can mend; the run directory says so too and the run can be started again.
    """
    validate(cfg)
    check_chosen(cfg)
    # Before anything of the run is written: without its members it is none.
    ensemble = None if run.state() == "done" and not cfg.rerun else find_ensemble(run, cfg)
    try:
        with stop_signals() as stop, joined_team(cfg) as team, run.locked():
            finished = run.state() == "done" and not cfg.rerun
            if team is not None and (finished or ensemble is not None):
                # What is only scored, one process scores.
                team.dismiss()
                team = None
            if finished:
                _take_finished(cfg, run)
                return
            _train_and_record(cfg, run, identity, ensemble, stop, team)
    except StopRequested as error:
        # Nothing is in progress here: there is no status to mend.
        raise InterruptedRun(error.number) from error


def _take_finished(cfg: DictConfig, run: RunDirectory) -> None:
    """Leave a finished run as it is, or score it by what it lacks."""
    run_inputs.check_sources(run, build_data(cfg), cfg)
    try:
        lacking = rescoring.lacking_scores(run, cfg)
        if not lacking:
            log.info("already done, nothing to do (rerun=true trains again)")
            return
        log.info("already trained, but not scored by %s: evaluating the best weights again", ", ".join(lacking))
        _score_again(rescoring.scoring_configuration(run, cfg), run, lacking, find_ensemble(run, cfg))
    except BaseException as error:
        refusal = as_refusal(error, run.path)
        if refusal is error:
            raise
        raise refusal from error


def _score_again(cfg: DictConfig, run: RunDirectory, lacking: list[str], ensemble: Ensemble | None) -> None:
    """Evaluate the best weights of a finished run by further scores; a refusal leaves it as it was."""
    cfg = settled(cfg)
    if ensemble is None:
        rescoring.require_best(run, lacking)
    before, code = rescoring.stored_scores(run), run_inputs.score_code(cfg)
    prepare_torch(cfg)
    data = build_data(cfg)
    task = build_task(cfg, data, restored=True) if ensemble is None else ensemble.build(data)
    read_data(data, task)
    # Those that cannot change the scores have done their work.
    extra = [callback for callback in build_callbacks(cfg, data, task) if changes_result(type(callback))]
    trainer = build_trainer(cfg, [], extra, run.path)
    context = RunContext(run, data, task, trainer)
    run_callback.bind(extra, context)
    compile_network(task.network, cfg)
    if ensemble is None:
        task.load_state_dict(build_checkpoints(cfg, run, run.identity().get("id")).load_best())
    context = evaluate(context, cfg)
    table, about = scores_table(context)
    rescoring.require_same(run, before, table, about, lacking)
    write_scores(run.scores, [table], about)
    run_callback.finish(extra, context)
    rescoring.record_scores(run, cfg, final_scores(context, about, code))


def _train_and_record(
    cfg: DictConfig,
    run: RunDirectory,
    identity: dict[str, Any],
    ensemble: Ensemble | None,
    stop: StopSignals,
    team: Team | None,
) -> None:
    """Train and test, and record how that ended."""
    if team is not None:
        team.watch.on_loss = partial(_record_loss, run)
    try:
        end = run.finish
        try:
            _train_and_test(cfg, run, identity, ensemble, team)
        except PrunedRun as pruned:
            log.info("%s", pruned)
            end = partial(run.prune, str(pruned))
        stop.settle()
        end()
        stop.settle(False)
    except BaseException as error:
        stop.settle()
        refusal = as_refusal(error if team is None else team.watch.cause(error), run.path)
        if run.state() != "done":  # else a rerun was refused before it began, and what was finished stays
            record_failure(run, refusal)
        if refusal is error:
            raise
        raise refusal from error


def _record_loss(run: RunDirectory, error: SegbenchError) -> None:
    """Record that another process of the run is gone, while this one hangs in an operation with it."""
    record_failure(run, error)
    log.error("error: %s", error)


def _train_and_test(
    cfg: DictConfig, run: RunDirectory, identity: dict[str, Any], ensemble: Ensemble | None, team: Team | None
) -> None:
    known = {} if cfg.rerun else run.identity()
    identity |= {"precision": _settle_precision(cfg, run)}
    cfg = settled(cfg)
    identity = {"wandb_id": tracking.new_wandb_id()} | known | identity
    identity |= {"git": run_inputs.find_code(run, cfg, known.get("git")), "unchanging": unchanging(cfg)}
    if not cfg.rerun:
        _begin(cfg, run, identity)
    prepare_torch(cfg)
    data = build_data(cfg)
    if not cfg.rerun and ensemble is None:
        take_over(run, cfg, data)
    restored = not cfg.rerun and newest_good(run.checkpoints, identity["id"])[0] is not None
    task = build_task(cfg, data, restored) if ensemble is None else ensemble.build(data)
    read_data(data, task)
    if cfg.rerun:
        # Not before parts and data are known to be good: a refusal must not cost what was finished.
        run.clear()
        _begin(cfg, run, identity)
    if ensemble is None:
        sources: dict[str, Any] = run_inputs.find_sources(run, data, cfg)
        processes = 1 if team is None else team.size
        task.remember(
            run=identity["id"],
            task=task.name,
            prediction=describe_prediction(cfg, data, task),
            processes=processes,
        )
    else:
        sources = run_inputs.find_sources(run, data, ensemble.cfg) | {WEIGHTS_OF: ensemble.names}
    run.begin_sources(sources | {"task": task.name})

    loggers, summary = list[Logger](), None
    try:
        settle_rank(team)
        loggers = tracking.build_loggers(cfg, run.path, identity, task.headline)
        if ensemble is None:
            summary = _fit_and_evaluate(cfg, run, data, task, loggers, team)
        else:
            summary = _evaluate_together(ensemble, cfg, run, data, task, loggers)
    finally:
        tracking.finish(loggers, summary)


def _settle_precision(cfg: DictConfig, run: RunDirectory) -> dict[str, Any]:
    """Say in which precision this run computes if the machine decides on it; return what ``run.json`` keeps of that.

    A run is never gone on with in another precision, as that is another run. If there is one, it is named.
    """
    asked = cfg.trainer.precision
    if asked != "auto":
        return {"asked": asked, "used": asked}
    used, reason = environment.native_precision(cfg.trainer.accelerator)
    log.info("trainer.precision=auto: %s, as %s", used, reason)
    for other in {32, "bf16-mixed"} - {used}:
        with_other = cfg.copy()
        with_other.trainer.precision = other
        there = RunDirectory(run.path.with_name(run.path.name.replace(run_id(cfg), run_id(with_other))))
        if there.path != run.path and there.state() is not None:
            log.warning("%s: begun with trainer.precision=%s elsewhere; type that to go on with it", there.path, other)
    return {"asked": asked, "used": used, "reason": reason}


def _begin(cfg: DictConfig, run: RunDirectory, identity: dict[str, Any]) -> None:
    run.begin(identity)
    write_yaml(run.path / "config.yaml", recorded(cfg))


def _fit_and_evaluate(
    cfg: DictConfig, run: RunDirectory, data: ImageData, task: Task[Any], loggers: list[Logger], team: Team | None
) -> dict[str, Any]:
    """Train, score the best weights, write scores and summary, and let the callbacks finish; return the summary."""
    # Not at the end, when the files may no longer be what was imported.
    code = run_inputs.score_code(cfg)
    check_batches(cfg, task.train(), data)
    resume_from = _resume_point(run, processes_asked(cfg))
    if team is not None:
        give_orders(team, cfg, run, data, resume_from)
    fitting = Fitting(cfg, run, run.identity()["id"], data, task, loggers, team)
    about = fitting.run(resume_from)
    if team is not None:
        team.leave()
    return _record(fitting.context, fitting.extra, code, about)


def _evaluate_together(
    ensemble: Ensemble, cfg: DictConfig, run: RunDirectory, data: ImageData, task: Task[Any], loggers: list[Logger]
) -> dict[str, Any]:
    """Score an ensemble, as :func:`_fit_and_evaluate` does a network that it has trained; return the summary."""
    code = run_inputs.score_code(cfg)
    cost, extra = callbacks.CostMeter(), build_callbacks(cfg, data, task)
    trainer = build_trainer(cfg, loggers, [cost, *extra], run.path)
    context = RunContext(run, data, task, trainer)
    run_callback.bind([cost, *extra], context)
    context = evaluate(context, cfg)
    return _record(context, extra, code, {"cost": ensemble.cost(cost.report(trainer, task))})


def _record(
    context: RunContext, extra: list[Any], code: dict[str, dict[str, str]], more: dict[str, Any]
) -> dict[str, Any]:
    """Write scores and summary of an evaluation, and let the callbacks finish; return the summary."""
    run, data = context.run, context.data
    table, about = scores_table(context)
    write_scores(run.scores, [table], about)
    known = run.identity()
    summary = final_scores(context, about, code) | more
    summary |= {"data": data.summary(), "versions": environment.versions(), "git": known["git"], "seed": known["seed"]}
    if WEIGHTS_OF in known:
        summary[WEIGHTS_OF] = known[WEIGHTS_OF]
    write_json(run.summary, summary)
    run_callback.finish(extra, context)
    return summary


def _resume_point(run: RunDirectory, processes: int) -> Path | None:
    """Return the newest checkpoint to go on from, or None where there is none."""
    path, refused = newest_good(run.checkpoints, run.identity().get("id"))
    for line in refused:
        log.warning(line)
    if path is None and refused:
        raise CheckpointError(f"{'; '.join(refused)}; start with rerun=true")
    if path is None:
        return None
    log.info("going on from %s", path)
    before = load_checkpoint(path)["segbench"].get("processes", 1)
    if before != processes:
        log.warning(
            "%s was saved by a run in %d processes, and now there are %d: sums are added in another order, so it ends "
            "with other bits than a run that was not interrupted",
            *(path.name, before, processes),
        )
    return path
