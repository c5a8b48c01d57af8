"""Looks at the machine and the installation."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mtkit.cli.console import WARNING, Styled, out
from mtkit.errors import counted

_PACKAGES = ("torch", "ctranslate2", "sentencepiece", "sacrebleu", "typer")
_EXTRAS = {
    "glossary": ("simplemma", "inflected glossary terms"),
    "huggingface": ("transformers", "export to Hugging Face"),
    "langid": ("py3langid", "the language filter"),
    "memory": ("rapidfuzz", "fuzzy matches of a translation memory"),
    "moses": ("sacremoses", "the form moses-lc of mtkit evaluate"),
    "plot": ("matplotlib", "plots as image files"),
    "tensorboard": ("tensorboard", "curves in TensorBoard"),
    "zstd": ("zstandard", ".zst files"),
    "wandb": ("wandb", "curves in Weights & Biases"),
}
_GB = 1e9
_LITTLE_MEMORY, _LITTLE_DISK = 4 * _GB, 5 * _GB


class Finding(NamedTuple):
    """A fact about the machine; `advice` says what is wrong with it and what to do, if anything is."""

    name: str
    value: str
    advice: str = ""


def doctor() -> None:
    """Show the machine and the installation, and what to do about problems.

    \b
    Example:
      mtkit doctor
    """
    findings = [*_versions(), *_processor(), _memory(), *_gpu(), *_extras(), *_disk(), *_encoding()]
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        out(f"{finding.name:{width}}  {finding.value}")
        if finding.advice:
            out(" " * (width + 2), Styled("problem:", WARNING), f" {finding.advice}")
    problems = sum(bool(finding.advice) for finding in findings)
    out("")
    out("no problems found" if not problems else counted(problems, "problem"))


def _versions() -> Iterator[Finding]:
    import platform

    import mtkit

    yield Finding("mtkit", f"{mtkit.__version__} in {Path(mtkit.__file__).parent}")
    yield Finding(
        "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    )
    for name in _PACKAGES:
        version = _version(name)
        advice = "" if version else f"{name} is missing. Install mtkit again."
        yield Finding(name, version or "not installed", advice)


def _version(package: str) -> str | None:
    from importlib import metadata  # slow, and this module is loaded with the help of all commands

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> Iterator[Finding]:
    from mtkit.cores import cpu_quota, num_cores
    from mtkit.engine.threads import cpu_flags

    usable, quota = num_cores(), cpu_quota()
    yield Finding(
        "cores",
        f"{usable} of {os.cpu_count() or '?'} usable, "
        + ("no quota" if quota is None else f"quota {quota:g} cores"),
        "A quota below one core makes everything slow. Raise the CPU limit of the container."
        if quota is not None and quota < 1
        else "",
    )
    flags = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in cpu_flags()]
    yield Finding("instructions", " ".join(flags) or "no list of them on this system")
    asked = os.environ.get("OMP_NUM_THREADS")
    valid = asked is None or asked.partition(",")[0].strip().isdecimal()
    yield Finding(
        "threads",
        f"OMP_NUM_THREADS={asked}" if asked else f"{usable}, by the number of cores",
        "" if valid else "OMP_NUM_THREADS is not a number. Unset it, or set it to a number of threads.",
    )


def _memory() -> Finding:
    try:
        from mtkit.train.machine.memory import available_bytes

        free = available_bytes()
    except (AttributeError, ValueError, OSError):  # not on this system
        return Finding("memory", "unknown on this system")
    advice = "" if free >= _LITTLE_MEMORY else "This suffices for tiny models. Close other programs."
    return Finding("memory", f"{free / _GB:,.1f} GB available", advice)


def _gpu() -> Iterator[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding("GPU", "unknown", f"torch cannot be loaded: {error}. Install it again.")
        return
    if not torch.cuda.is_available():
        built = torch.version.cuda
        driver = Path("/proc/driver/nvidia/version").exists()
        advice = ""
        if driver and not built:
            advice = (
                "There is a GPU, but this torch is built for CPUs. Install a CUDA build: https://pytorch.org."
            )
        elif driver:
            advice = f"torch (CUDA {built}) cannot use the GPU. Update the driver, and check nvidia-smi."
        yield Finding("GPU", "none; training and decoding run on the CPU", advice)
        return
    for number in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(number)
        able = [
            f"compute capability {found.major}.{found.minor}",
            "bf16" if (found.major, found.minor) >= (8, 0) else "no bf16",
            "flash attention" if (found.major, found.minor) >= (8, 0) else "no flash attention",
        ]
        yield Finding(f"GPU {number}", f"{found.name}, {found.total_memory / _GB:,.1f} GB, {', '.join(able)}")
    try:
        import ctranslate2

        seen = ctranslate2.get_cuda_device_count()
    except (ImportError, OSError, RuntimeError):
        seen = 0
    advice = "" if seen else "CTranslate2 cannot use it. Translating with int8 models runs on the CPU."
    yield Finding("CTranslate2", f"{seen} GPUs", advice)


def _extras() -> Iterator[Finding]:
    for extra, (package, purpose) in _EXTRAS.items():
        version = _version(package)
        yield Finding(f"[{extra}]", f"{package} {version}" if version else f"not installed; for {purpose}")


def _disk() -> Iterator[Finding]:
    import shutil

    from mtkit.disk.reading import user_cache

    free = shutil.disk_usage(".").free
    advice = "" if free >= _LITTLE_DISK else "Prepared data and checkpoints may not fit. Free some space."
    yield Finding("disk", f"{free / _GB:,.1f} GB free here", advice)
    if not os.access(".", os.W_OK):
        yield Finding("folder", str(Path.cwd()), "It cannot be written to. Work in another folder.")
    yield Finding("cache", str(user_cache()))


def _encoding() -> Iterator[Finding]:
    import locale

    names = sys.getfilesystemencoding()
    advice = "" if names == "utf-8" else "File names beyond ASCII fail. Set PYTHONUTF8=1, or a UTF-8 locale."
    yield Finding("encoding", f"file names {names}, locale {locale.getpreferredencoding(False)}", advice)
