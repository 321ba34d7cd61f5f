"""``make reproduce PROFILE=slurm`` on a real SLURM of one node, where it can be started."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from batch import ROOT, environment

from drlcore.paper.experiments import NoiseDial, SDEAblation
from drlcore.paper.presets import PRESETS
from drlcore.training.checkpoint import file_sha256
from drlcore.training.store import load_or_train

CONF = Path("/etc/slurm/slurm.conf")  # where a job's own tools look, whatever one sets outside
PROFILE = ROOT / "profiles" / "slurm" / "config.yaml"


def why_not() -> str:
    """Why SLURM cannot be started here; nothing if it can."""
    tools = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")
    if absent := [tool for tool in tools if shutil.which(tool) is None]:
        return f"no {', '.join(absent)} here (Debian: slurm-wlm, munge)"
    if find_spec("snakemake_executor_plugin_slurm") is None:
        return "no snakemake-executor-plugin-slurm"
    if os.geteuid() != 0:
        return "only root starts slurmd"
    return f"{CONF} is somebody's" if CONF.exists() else ""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One node, this machine, for as long as the tests of this file take."""
    if reason := why_not():
        pytest.skip(reason)
    place = tmp_path_factory.mktemp("slurm")
    for above in (place, *place.parents):  # munged asks that its socket can be reached
        above.chmod(above.stat().st_mode | 0o011)
    key = place / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    host = os.uname().nodename.partition(".")[0]
    CONF.parent.mkdir(parents=True, exist_ok=True)
    CONF.write_text(f"""
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
AuthInfo=socket={place}/munge.socket
SlurmUser=root
StateSaveLocation={place}
SlurmdSpoolDir={place}
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory=12000
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
""")
    own = [f"--{name}={place}/munge.{name.partition('-')[0]}"
           for name in ("key-file", "socket", "pid-file", "log-file", "seed-file")]  # fmt: skip
    started = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in (["munged", "--foreground", "--force", *own], ["slurmctld", "-D", "-c"],
                        ["slurmd", "-D"])
    ]  # fmt: skip
    try:
        for _ in range(60):
            seen = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True)
            if seen.stdout.strip() == "idle":
                break
            time.sleep(1)
        else:
            pytest.skip(f"SLURM did not start: {seen.stdout} {seen.stderr}")
        yield
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
        CONF.unlink()


def command(target: str, *settings: str) -> list[str]:
    quickly = ["--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "5"]
    return [sys.executable, "-m", "drlcore.paper.batch", "--profile", "slurm", *quickly,
            "--slurm-status-command", "squeue", "--config", "preset=smoke", *settings,
            "--", target]  # fmt: skip


def submit(output: Path, target: str) -> subprocess.CompletedProcess[str]:
    call = command(target, "sampler_steps=5")
    return subprocess.run(
        call, env=environment(output), capture_output=True, text=True, timeout=600
    )


def test_a_job_is_submitted_with_what_it_needs_and_leaves_its_log(
    cluster: None, tmp_path: Path
) -> None:
    experiment = NoiseDial(preset="smoke", sampler_steps=5)
    *_, batch = experiment.batches(experiment.runs())
    target = f"train_{experiment.notebook}_{len(experiment.batches(experiment.runs())) - 1}"
    done = submit(tmp_path, target)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = tmp_path / "data" / "runs"
    assert all((runs / run.key / "weights.safetensors").is_file() for run in batch)
    (log,) = (tmp_path / "logs" / "slurm").rglob("*.log")
    shown = subprocess.run(
        ["scontrol", "show", "job", log.stem], capture_output=True, text=True, check=True
    ).stdout
    jobs = PRESETS["smoke"].jobs
    minutes = jobs.training_minutes(sum(run.steps for run in batch))
    assert "JobState=COMPLETED" in shown
    assert f"TimeLimit={minutes // 60:02}:{minutes % 60:02}:00" in shown
    assert f"mem={jobs.memory_mb}M" in shown and "cpu=1" in shown
    again = submit(tmp_path, target)
    assert again.returncode == 0 and "Nothing to be done" in again.stdout + again.stderr


# In the training alone: a state is saved after every step, not every 20 seconds.
FAST_CLOCK = """
import sys, time
if "train" in sys.orig_argv:
    time.monotonic = lambda real=time.monotonic: 1e6 * real()
"""


def test_a_killed_job_is_submitted_again_and_goes_on_to_the_same_bits(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, output, whole = 30, tmp_path / "output", tmp_path / "whole"
    (tmp_path / "sitecustomize.py").write_text(FAST_CLOCK)
    env = environment(output, PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]))
    settings = ("dataset=digits", f"steps={steps}", "n_seeds=1")
    call = command("train_08_sde_ablation_0", *settings)
    with (tmp_path / "said").open("w") as said:
        batch = subprocess.Popen(call, env=env, stdout=said, stderr=said)
        while not (begun := list(output.glob("data/runs/*/resume.safetensors"))):
            assert batch.poll() is None
            time.sleep(0.02)
        queue = subprocess.run(["squeue", "-h", "-o", "%A"], capture_output=True, text=True)
        (job,) = queue.stdout.split()
        subprocess.run(["scancel", "--signal=KILL", job], check=True)
        assert batch.wait(timeout=600) == 0, (tmp_path / "said").read_text()[-3000:]

    logs = sorted(output.glob("logs/slurm/**/*.log"), key=lambda log: int(log.stem))
    assert logs[0].stem == job and len(logs) == 2
    shown = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True).stdout
    assert "JobState=CANCELLED" in shown
    first_bar = re.search(rf" (\d+)/{steps} \[", logs[1].read_text())
    assert first_bar is not None and int(first_bar[1]) > 0  # it did not start again

    monkeypatch.setenv("DRLCORE_OUTPUT", str(whole))
    experiment = SDEAblation(preset="smoke", dataset="digits", steps=steps, n_seeds=1)
    (run,) = (run for run in experiment.runs() if run.key == begun[0].parent.name)
    load_or_train(run, progress=False)
    weights = [folder / "data/runs" / run.key / "weights.safetensors" for folder in (output, whole)]
    assert file_sha256(weights[0]) == file_sha256(weights[1])


def test_the_profile_retries_and_keeps_logs() -> None:
    said = yaml.safe_load(PROFILE.read_text())
    assert said["executor"] == "slurm" and said["retries"] >= 1
    assert said["slurm-keep-successful-logs"] is True
