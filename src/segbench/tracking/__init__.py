"""TensorBoard, Weights & Biases, MLflow: copies of the run directory's record, never the record itself."""

from segbench.tracking.loggers import (
    build_loggers,
    catch_up,
    finish,
    log_comparison,
    log_epoch,
    log_panels,
    log_picture,
    log_step,
    new_wandb_id,
)

__all__ = [
    "build_loggers",
    "catch_up",
    "finish",
    "log_comparison",
    "log_epoch",
    "log_panels",
    "log_picture",
    "log_step",
    "new_wandb_id",
]
