"""A small decoder-only transformer with random weights: one step makes one token for each sequence of a batch."""

import math

LAYERS, WIDTH, HEADS, VOCABULARY, BATCH, LENGTH = 12, 1024, 16, 16384, 8, 512


def build(torch, device, dtype, layers=LAYERS, width=WIDTH, heads=HEADS, vocabulary=VOCABULARY, batch=BATCH, length=LENGTH):
    """Weights, caches and position on `device`; the same for every call with the same sizes."""
    generator = torch.Generator(device="cpu").manual_seed(20240607)

    def weight(*shape):
        return (torch.randn(*shape, generator=generator) / math.sqrt(shape[-1])).to(device=device, dtype=dtype)

    def layer():
        cache = torch.zeros(2, batch, heads, length, width // heads, device=device, dtype=dtype)
        return {"qkv": weight(3 * width, width), "out": weight(width, width), "up": weight(4 * width, width),
                "down": weight(width, 4 * width), "cache": cache}

    return {
        "torch": torch, "heads": heads, "length": length, "batch": batch,
        "embedding": weight(vocabulary, width), "positions": weight(length, width), "head": weight(vocabulary, width),
        "layers": [layer() for _ in range(layers)],
        "first": torch.arange(batch, device=device), "token": torch.arange(batch, device=device),
        "made": torch.zeros(length, batch, dtype=torch.long, device=device),
        "at": torch.zeros(1, dtype=torch.long, device=device), "places": torch.arange(length, device=device),
    }


def step(model):
    """The next token of each sequence, by greedy choice; all state stays in the same tensors, so that it can be captured."""
    torch, batch, heads = model["torch"], model["batch"], model["heads"]
    functional = torch.nn.functional
    width = model["embedding"].shape[1]
    x = model["embedding"][model["token"]] + model["positions"][model["at"]]
    seen = (model["places"] <= model["at"]).view(1, 1, 1, -1)
    for layer in model["layers"]:
        query, key, value = functional.linear(functional.layer_norm(x, (width,)), layer["qkv"]).view(
            batch, 3, heads, 1, width // heads).unbind(1)
        layer["cache"][0].index_copy_(2, model["at"], key)
        layer["cache"][1].index_copy_(2, model["at"], value)
        mixed = functional.scaled_dot_product_attention(query, layer["cache"][0], layer["cache"][1], attn_mask=seen)
        x = x + functional.linear(mixed.reshape(batch, width), layer["out"])
        inner = functional.gelu(functional.linear(functional.layer_norm(x, (width,)), layer["up"]))
        x = x + functional.linear(inner, layer["down"])
    logits = functional.linear(functional.layer_norm(x, (width,)), model["head"])
    model["token"].copy_(logits.argmax(dim=-1))
    model["made"].index_copy_(0, model["at"], model["token"].view(1, -1))
    model["at"].copy_((model["at"] + 1) % model["length"])


def reset(model):
    """Starts every sequence anew, each with a token of its own."""
    model["token"].copy_(model["first"])
    model["made"].zero_()
    model["at"].zero_()
