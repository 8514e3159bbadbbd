"""The machine in general words, for the head of every table."""

import platform
import sys

import torch


def described() -> str:
    """Processor, cores, system and versions, in one line."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{_processor()}, {torch.get_num_threads()} thread(s) used, {gpu}, {platform.system()}, "
        f"Python {sys.version.split()[0]}, torch {torch.__version__}"
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        return f"{names[0]} ({len(names)} cores)"
    except (OSError, IndexError):
        return platform.processor() or platform.machine()
