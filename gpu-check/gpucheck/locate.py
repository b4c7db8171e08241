"""Finds what a check needs on the machine: libcudart, nvcc, nvidia-smi, Python packages."""

import ctypes.util
import importlib.util
import os
import re
import shutil
from pathlib import Path


def package_folders(name):
    """The folders of an installed Python package; none when it is not there. Nothing is imported."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return []
    return [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []


def _version(path):
    return [int(part) for part in re.findall(r"\d+", path.name.split(".so", 1)[1])]


def cudart():
    """The path (or soname) of the newest shared CUDA runtime: PyTorch's wheels, the toolkit, ldconfig. Or None."""
    folders = []
    for package in package_folders("nvidia"):
        folders += sorted(package.glob("**/lib"))
    folders += [folder / "lib" for folder in package_folders("torch")]
    for root in [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]:
        if root:
            folders += [Path(root) / "lib64", Path(root) / "targets" / "x86_64-linux" / "lib"]
    for folder in folders:
        found = [path for path in folder.glob("libcudart*.so*") if path.is_file()]
        if found:
            return str(max(found, key=_version))
    return ctypes.util.find_library("cudart")


def nvcc():
    """The path of nvcc, or None."""
    found = shutil.which("nvcc")
    if found:
        return found
    for root in [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]:
        if root and os.access(Path(root) / "bin" / "nvcc", os.X_OK):
            return str(Path(root) / "bin" / "nvcc")
    return None


def compiler():
    """The path of a C compiler, or None."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def nvidia_smi():
    """The path of nvidia-smi, or None."""
    return shutil.which("nvidia-smi")


def missing():
    """Needs that this machine does not meet: name to reason."""
    reasons = {}
    if not cudart():
        reasons["cudart"] = "no libcudart.so in PyTorch's wheels, CUDA_HOME, /usr/local/cuda or ldconfig"
    if not nvcc():
        reasons["nvcc"] = "no nvcc on PATH, in CUDA_HOME or in /usr/local/cuda"
    if not compiler():
        reasons["cc"] = "no cc, gcc or clang on PATH"
    if not nvidia_smi():
        reasons["nvidia-smi"] = "no nvidia-smi on PATH"
    for package in ("torch", "cupy", "pynvml"):
        if not importlib.util.find_spec(package):
            reasons[package] = f"Python package {package} is not installed"
    return reasons
