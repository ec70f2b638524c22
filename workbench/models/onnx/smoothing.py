"""Activations made even before they are quantised, so that int8 vectors stay near float32 ones.

A few channels of a transformer's activations are ten times as large as the others, and one scale
for a whole tensor leaves the others few steps. Here each channel is divided by a factor, and the
weights that read it are multiplied by it, which changes nothing before quantisation (SmoothQuant,
https://arxiv.org/abs/2211.10438). Factors come from texts of our own, in calibration.txt.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import Linear, Module

ALPHA = 0.7
"""How much of the unevenness the weights take over (MiniLM, lowest cosine of 120 passages, most of
them the worst of 1,200: 0 .989, .5 .989, .7 .996, .8 .994)."""

TEXTS = Path(__file__).with_name("calibration.txt")


def smooth(model: Module, tokenizer: Any, longest: int) -> None:
    """Change the linear layers of an encoder in place; `longest` in tokens.

    Its result stays the same up to rounding.
    """
    inputs = _inputs(model, tokenizer, longest)
    for names in _together(inputs):
        linears = [cast(Linear, model.get_submodule(name)) for name in names]
        largest = torch.stack([linear.weight.abs().amax(0) for linear in linears]).amax(0)
        seen = torch.stack([inputs[name][0] for name in names]).amax(0)
        # A channel that is always 0 has nothing to share out.
        factor = seen.clamp(min=1e-5) ** ALPHA / largest.clamp(min=1e-5) ** (1 - ALPHA)
        shared = _Divided(factor / factor.mean())
        for name, linear in zip(names, linears, strict=True):
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, _Smoothed(linear, shared))


class _Divided(Module):
    """An input divided by channel, once for all layers that read it, and so quantised once."""

    inverse: Tensor

    def __init__(self, factor: Tensor) -> None:
        super().__init__()
        self.register_buffer("inverse", 1 / factor)
        self._last: tuple[Tensor, Tensor] | None = None

    def forward(self, given: Tensor) -> Tensor:
        if self._last is None or self._last[0] is not given:
            self._last = given, given * self.inverse
        return self._last[1]


class _Smoothed(Module):
    def __init__(self, linear: Linear, divided: _Divided) -> None:
        super().__init__()
        self.linear, self.divided = linear, divided
        with torch.no_grad():
            linear.weight /= divided.inverse

    def forward(self, given: Tensor) -> Any:
        return self.linear(self.divided(given))


def _inputs(model: Module, tokenizer: Any, longest: int) -> dict[str, tuple[Tensor, int]]:
    """{layer: (largest input by channel, number of the tensor that it reads)} of the linear layers
    that an encoder's result goes through."""
    found: dict[str, tuple[Tensor, int]] = {}
    tensors: list[Tensor] = []  # kept during a text, or another one might get the same identity

    def watch(name: str) -> Any:
        def hook(_: Module, given: tuple[Tensor, ...]) -> None:
            number = next((n for n, t in enumerate(tensors) if t is given[0]), len(tensors))
            if number == len(tensors):
                tensors.append(given[0])
            most = given[0].abs().flatten(0, -2).amax(0)
            known = found.get(name)
            found[name] = (most if known is None else torch.maximum(most, known[0]), number)

        return hook

    hooks = [
        module.register_forward_pre_hook(watch(name))
        for name, module in model.named_modules()
        if isinstance(module, Linear) and not name.startswith("pooler")
    ]
    try:
        for text in TEXTS.read_text("utf-8").splitlines():
            tensors.clear()
            ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=longest)
            with torch.no_grad():
                model(input_ids=ids["input_ids"], attention_mask=None)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _together(inputs: dict[str, tuple[Tensor, int]]) -> list[list[str]]:
    """Layers by the tensor that they read."""
    groups: dict[int, list[str]] = {}
    for name, (_, number) in inputs.items():
        groups.setdefault(number, []).append(name)
    return list(groups.values())
