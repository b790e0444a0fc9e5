"""A Slurm of one node, begun once for all tests that are marked slurm, and ended with them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CLUSTER = Path(__file__).with_name("cluster.sh")
NEEDED = ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """Begin the cluster; sbatch and its like find it. SEGBENCH_REQUIRE_SLURM makes its absence a failure."""
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        reason = f"no {', '.join(missing)}; on Debian: apt-get install slurm-wlm munge slurmdbd mariadb-server"
        (pytest.fail if os.environ.get("SEGBENCH_REQUIRE_SLURM") else pytest.skip)(reason)
    folder = tmp_path_factory.mktemp("slurm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        try:
            subprocess.run([CLUSTER, "start", folder], check=True, timeout=700)
            yield folder
        finally:
            subprocess.run([CLUSTER, "stop", folder], check=True, timeout=500)
