"""What this process may compute with: its cores, bf16, a GPU."""

import os
from pathlib import Path

import torch

from training.engine.spec import TrainSpec

_BF16_FLAGS = ("avx512_bf16", "amx_bf16")


def owned_cores(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many cores this process owns: its affinity, capped by the cgroup's quota.

    More threads than owned cores spin at barriers and make training several times slower.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = root / "cpu.max"
    if quota.is_file():
        limit, period = quota.read_text(encoding="ascii").split()
        if limit != "max":
            return max(1, min(cores or 1, int(limit) // int(period)))
    return cores or 1


def computes_in_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether bf16 is computed by hardware; emulated bf16 is slower than fp32."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    if not cpuinfo.is_file():
        return False
    flags = cpuinfo.read_text(encoding="utf-8", errors="replace")
    return any(flag in flags for flag in _BF16_FLAGS)


def precision_for(spec: TrainSpec) -> str:
    """Return "bf16" or "fp32"."""
    if spec.precision != "auto":
        return spec.precision
    return "bf16" if computes_in_bf16() else "fp32"
