"""LightningModules: what is trained and how it is scored."""

from typing import Any

from segbench.errors import ConfigError
from segbench.suggest import nearest
from segbench.tasks.base import Task
from segbench.tasks.classification import ClassificationTask
from segbench.tasks.manual_gradients import ManualGradientsTask
from segbench.tasks.segmentation import SegmentationTask

__all__ = ["TASKS", "ClassificationTask", "ManualGradientsTask", "SegmentationTask", "task_class"]

# From the name that a data module gives its task to the class; of several the first that trains the network.
TASKS: tuple[type[Task[Any]], ...] = (SegmentationTask, ManualGradientsTask, ClassificationTask)


def task_class(name: str, network: type) -> type[Task[Any]]:
    """Return the task that trains a network.

    Args:
        name: ``task`` of the data module.
        network: Class of the network.

    Raises:
        ConfigError: If no task has this name.
    """
    found = next((task for task in TASKS if task.name == name and task.trains(network)), None)
    if found is None:
        raise ConfigError(f"data: no task is called {name}{nearest(name, [task.name for task in TASKS])}")
    return found
