"""Whether the loader is as fast as the card: images per second that are read, augmented and sent."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hydra import compose, initialize_config_dir

from benchmarks.gpu.record import Record
from segbench.assembly import build_data
from segbench.configuration.choices import CONF
from segbench.configuration.resolvers import register


def measure_feeding(record: Record) -> None:
    """Read epochs of images at 224x224, augmented, by no process, by as many as ``auto`` takes, and resident."""
    register()
    real = Path(os.environ.get("SEGBENCH_DATA", "nowhere")) / "carvana"
    data = ["data=carvana"] if real.is_dir() else ["data=phantom"]
    side, size = (32, 2) if record.smoke else (224, 16)
    common = [*data, f"data.size=[{side},{side}]", f"data.batch_size={size}", f"paths.outputs={record.folder}/feeding"]
    cases = {
        "augmented, no process": ["augmentation=light", "data.num_workers=0"],
        "augmented, auto": ["augmentation=light", "data.num_workers=auto"],
        "resident": ["augmentation=none"],
    }
    fastest = _fastest(record.folder / "speed.jsonl")
    for case, overrides in cases.items():
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose("config", [*common, *overrides])
        row: dict[str, Any] = {"data": data[0], "side": side, "case": case}
        row["images_per_second"] = round(_rate(cfg, record), 1)
        if fastest is not None:
            row["over_the_fastest_U-Net"] = round(row["images_per_second"] / fastest, 2)
        record.add(**row)


def _rate(cfg: Any, record: Record) -> float:
    module: Any = build_data(cfg)
    module.setup()
    counters = SimpleNamespace(current=SimpleNamespace(processed=0, ready=0))
    loop = SimpleNamespace(epoch_progress=counters, epoch_loop=SimpleNamespace(batch_progress=counters))
    strategy = SimpleNamespace(root_device=record.device)
    module.trainer = SimpleNamespace(strategy=strategy, fit_loop=loop, limit_train_batches=1.0)
    loader = module.train_dataloader()
    images, began = 0, 0.0
    for epoch in range(100):
        counters.current.processed = epoch
        for batch in loader:
            module.transfer_batch_to_device(batch, record.device, 0)
            images += len(batch["image"])
        record.synchronize()
        if epoch == 0:  # processes are started in it
            images, began = 0, time.perf_counter()
        elif time.perf_counter() - began > (0.1 if record.smoke else 4):
            break
    return images / (time.perf_counter() - began)


def _fastest(path: Path) -> float | None:
    """Return the images per second of the fastest U-Net at 224x224 that was measured, if one was."""
    if not path.is_file():
        return None
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rates = [row.get("segbench_images_per_second", 0) for row in rows if row.get("network") == "U-Net"]
    return max(rates, default=0) or None
