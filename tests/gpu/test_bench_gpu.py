"""The script of `make bench-gpu`, tiny, on the CPU."""

import json
import os
import shlex
import subprocess
import sys

import pytest
from bench_torch_turns import REPOSITORY, torch_command

TORCH = torch_command(os.environ.get("GENZOO_TORCH", ""))


@pytest.mark.slow
@pytest.mark.skipif(
    TORCH is None, reason="no Python with torch: make bench-torch makes one, or name it in GENZOO_TORCH"
)
def test_it_measures_all_cases_trains_and_keeps_what_came_out(tmp_path):
    script = str(REPOSITORY / "tests" / "gpu" / "bench_gpu.py")
    command = [sys.executable, "-P", script, "--tiny", "--minutes=60", f"--output={tmp_path}", "--torch"]
    made = subprocess.run([*command, shlex.join(TORCH)], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    rows = json.loads((tmp_path / "steps.json").read_text())
    assert len({row["case"] for row in rows}) == 5
    weights = {}
    for row in rows:
        assert weights.setdefault(row["case"], row["weights"]) == row["weights"], "a twin has as many as ours"
    told = (tmp_path / "steps.txt").read_text()
    assert all(name in told for name in ("jit=true", "eager", "channels_last", "compile", "bfloat16"))
    result = json.loads((tmp_path / "result.json").read_text())
    assert {figure["metric"] for figure in result["figures"]} >= {"frechet"}
    assert list((tmp_path / "wgan_gp_cifar10" / "samples").glob("*.png"))
