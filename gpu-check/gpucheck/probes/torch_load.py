"""PyTorch programs that keep the device busy: matrix products, small kernels, a replayed graph, a transformer."""

import time

from . import loops, pytorch, transformer

SMALL_US = 20
GRAPH_KERNELS = 200
MATRIX = 4096

_state = {"loads": {}}


def start():
    """As probes.pytorch.start, without gradients."""
    versions = pytorch.start()
    torch = _state["torch"] = pytorch._state["torch"]
    torch.set_grad_enabled(False)
    return versions


def _microseconds(run, count):
    """By the program's timing events, by iteration; once before it is timed."""
    torch = _state["torch"]
    run()
    first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    first.record()
    for _ in range(count):
        run()
    last.record()
    last.synchronize()
    return first.elapsed_time(last) * 1000 / count


def _matmul():
    torch = _state["torch"]
    left, right = (torch.randn(MATRIX, MATRIX, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    out = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=out)


def _small(elements):
    tensor = _state["torch"].zeros(elements, device="cuda")
    return lambda: tensor.add_(1)


def small_size():
    """How many floats make a small kernel of about 20 µs here: long enough that the device, not Python, is the limit."""
    elements = 1 << 18
    while elements < 1 << 28 and _microseconds(_small(elements), 200) < SMALL_US:
        elements *= 2
    return elements


def _captured(run, count):
    """A graph of `count` runs, replayed."""
    torch = _state["torch"]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(count):
            run()
    return graph.replay


def prepare(kind, elements):
    """Makes the load `kind` (matmul, small or graph); `elements` is small_size's answer, the same for all programs compared.

    Microseconds of an iteration; under a cap they include waiting, so batches are sized by the caller."""
    makers = {
        "matmul": _matmul,
        "small": lambda: _small(elements),
        "graph": lambda: _captured(_small(elements // 4), GRAPH_KERNELS),
    }
    if kind not in makers:
        raise ValueError(f"load {kind!r}: {', '.join(makers)}")
    _state["loads"][kind] = makers[kind]()
    return _microseconds(_state["loads"][kind], 20)


def saturate(kind, batch, start_ns, seconds):
    """Keeps the device busy with iterations of the load: when each batch of them was done."""
    torch, run = _state["torch"], _state["loads"][kind]

    def submit():
        for _ in range(batch):
            run()

    def record():
        # One that sleeps while it waits: a program that spins would disturb its neighbours on a small machine.
        event = torch.cuda.Event(blocking=True)
        event.record()
        return event

    return {"batch": batch, "ends": loops.saturate(submit, record, lambda event: event.synchronize(), start_ns, seconds)}


def build_transformer():
    """Makes the model, and its step as a graph."""
    torch = _state["torch"]
    model = _state["model"] = transformer.build(torch, "cuda", torch.bfloat16)
    _state["step"] = {"eager": lambda: transformer.step(model), "graph": _captured(lambda: transformer.step(model), 1)}
    return model["batch"]


def tokens(mode, steps):
    """Seconds of `steps` steps, `mode` eager or graph, from the same beginning; and the tokens, to be compared."""
    torch, step = _state["torch"], _state["step"][mode]
    transformer.reset(_state["model"])
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    torch.cuda.synchronize()
    return {"seconds": time.perf_counter() - begin, "tokens": _state["model"]["made"].tolist()}
