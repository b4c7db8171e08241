"""PyTorch as a tenant: what a training program sees and does."""

import hashlib
import os
import time

_state = {"tensors": []}


def start():
    """Imports PyTorch and makes its context with one small tensor; versions."""
    # Asked for before the import: deterministic matrix products need it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    _state["torch"] = torch
    torch.cuda.init()
    _state["first"] = torch.zeros(1, device="cuda")
    torch.cuda.synchronize()
    return {"torch": torch.__version__, "cuda": torch.version.cuda}


def mem_info():
    """torch.cuda.mem_get_info, in bytes."""
    free, total = _state["torch"].cuda.mem_get_info()
    return {"free": free, "total": total, "used": total - free}


def device_total():
    """The device's size by torch.cuda.get_device_properties, in bytes."""
    return _state["torch"].cuda.get_device_properties(0).total_memory


def take(size):
    """One tensor of `size` bytes, kept and written; whether it was granted (only torch.OutOfMemoryError is caught)."""
    torch = _state["torch"]
    try:
        tensor = torch.full((size,), 7, dtype=torch.uint8, device="cuda")
        torch.cuda.synchronize()
    except torch.OutOfMemoryError as error:
        _state["message"] = str(error)
        return False
    _state["tensors"].append(tensor)
    return True


def fill(piece, most):
    """Allocates tensors until torch.OutOfMemoryError, or past `most` bytes; as probes.runtime.fill reports it."""
    pieces = 0
    while True:
        info = mem_info()
        if pieces * piece > most:
            return {"pieces": pieces, "bytes": pieces * piece, "code": None, **info}
        if not take(piece):
            return {"pieces": pieces, "bytes": pieces * piece, "code": 2, "message": _state["message"], **info}
        pieces += 1


def drop(count):
    """Lets go of the newest tensors and empties PyTorch's cache."""
    del _state["tensors"][-count:]
    _state["torch"].cuda.empty_cache()


def tensors_intact():
    """Whether every kept tensor still holds what was written into it."""
    return all(bool((tensor == 7).all().item()) for tensor in _state["tensors"])


def compute():
    """A small deterministic computation; the SHA-256 of each result's bytes."""
    torch = _state["torch"]
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    generator = torch.Generator(device="cpu").manual_seed(20240607)
    a = torch.randn(1024, 1024, generator=generator).cuda()
    b = torch.randn(1024, 1024, generator=generator).cuda()
    image = torch.randn(8, 16, 64, 64, generator=generator).cuda()
    weight = torch.randn(32, 16, 3, 3, generator=generator).cuda().requires_grad_(True)
    convolved = torch.nn.functional.conv2d(image, weight, padding=1)
    convolved.square().mean().backward()
    results = {
        "matmul": a @ b,
        "half": (a.half() @ b.half()).float(),
        "sort": torch.sort(a.flatten()).values,
        "conv": convolved.detach(),
        "gradient": weight.grad,
        "softmax": torch.softmax(a, dim=1),
    }
    return {name: hashlib.sha256(value.cpu().numpy().tobytes()).hexdigest() for name, value in results.items()}


def graph(size):
    """A computation over `size` bytes, eager and as a replayed CUDA graph: the SHA-256 of each result's bytes."""
    torch = _state["torch"]
    torch.use_deterministic_algorithms(True)
    generator = torch.Generator(device="cpu").manual_seed(20240607)
    data = torch.randn(size // 4 // 1024, 1024, generator=generator).cuda()

    def compute():
        return torch.relu(data * 3 - 1).cumsum(dim=1).sqrt().nan_to_num()

    # Capture asks for a few runs on a stream of its own before.
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            eager = compute()
    torch.cuda.current_stream().wait_stream(side)
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        result = compute()
    for _ in range(3):
        captured.replay()
    torch.cuda.synchronize()
    return {
        "eager": hashlib.sha256(eager.cpu().numpy().tobytes()).hexdigest(),
        "graph": hashlib.sha256(result.cpu().numpy().tobytes()).hexdigest(),
    }


def serve(weights, share, steps):
    """An inference server's pattern: weights, a cache of a share of what is free, then activations of changing size."""
    torch = _state["torch"]
    model = torch.full((weights,), 5, dtype=torch.uint8, device="cuda")
    free, _ = torch.cuda.mem_get_info()
    block = 2 << 20
    blocks = int(free * share) // block
    cache = torch.zeros((blocks, block), dtype=torch.uint8, device="cuda")
    refused = 0
    for step in range(steps):
        try:
            # Between 1 and 16 MiB, in an order that leaves holes.
            activations = [torch.empty((1 + (step * 7 + part * 5) % 16) << 20, dtype=torch.uint8, device="cuda") for part in range(3)]
            cache[step % blocks].fill_(step % 251)
            del activations
        except torch.OutOfMemoryError:
            refused += 1
    torch.cuda.synchronize()
    written = range(max(0, steps - blocks), steps)
    intact = all(int(cache[step % blocks].max()) == step % 251 == int(cache[step % blocks].min()) for step in written)
    intact = intact and int(model.min()) == 5
    return {"cache": blocks * block, "steps": steps, "refused": refused, "intact": intact}


def time_launches(count):
    """Nanoseconds of `count` launches of a small kernel, by launch, the closing synchronisation included."""
    torch, tensor = _state["torch"], _state["first"]
    torch.cuda.synchronize()
    start = time.perf_counter_ns()
    for _ in range(count):
        tensor.add_(1)
    torch.cuda.synchronize()
    return (time.perf_counter_ns() - start) / count
