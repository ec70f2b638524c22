"""Attention over packed texts, three ways: variable-length on the GPU, padded, one by one."""

from __future__ import annotations

from typing import Any

from workbench.models.encoder.shape import BUCKETS

EXACT, FARTHEST = 8, 128
"""MPNet's distances: exact below 8, then logarithmic up to 128."""


def variable_length(qkv: Any, cumulative: Any, longest: int) -> Any:
    """FlashAttention over texts that lie one behind the other; half precision on a GPU only.

    `qkv` (tokens, 3, heads, width); `cumulative` int32 (texts + 1,). Dao, 2023 (FlashAttention-2).
    """
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = qkv.unbind(1)
    return varlen_attn(q, k, v, cumulative, cumulative, longest, longest)


def one_by_one(qkv: Any, lengths: list[int], bias: Any = None) -> Any:
    """The same, a text at a time: the reference, and what a CPU is best at."""
    import torch

    parts = []
    for text in qkv.split(lengths):
        q, k, v = text.permute(1, 2, 0, 3).unsqueeze(1)
        n = len(text)
        own = None if bias is None else bias[:, :n, :n]
        parts.append(_attend(q, k, v, own).squeeze(0).transpose(0, 1))
    return torch.cat(parts)


def padded(qkv: Any, lengths: Any, cumulative: Any, longest: int, bias: Any = None) -> Any:
    """The same over a padded grid, for float32 and for a bias, which FlashAttention lacks."""
    import torch

    texts, tokens = len(lengths), len(qkv)
    row = torch.repeat_interleave(
        torch.arange(texts, device=qkv.device), lengths, output_size=tokens
    )
    column = torch.arange(tokens, device=qkv.device) - cumulative[row]
    place = row * longest + column
    grid = qkv.new_zeros((texts * longest, *qkv.shape[1:])).index_copy_(0, place, qkv)
    q, k, v = grid.view(texts, longest, *qkv.shape[1:]).permute(2, 0, 3, 1, 4)
    there = torch.arange(longest, device=qkv.device) < lengths[:, None]
    mask = there[:, None, None, :]
    if bias is not None:
        mask = bias[None, :, :longest, :longest].masked_fill(~mask, float("-inf"))
    out = _attend(q, k, v, mask)
    return out.transpose(1, 2).reshape(texts * longest, *qkv.shape[2:])[place]


def _attend(q: Any, k: Any, v: Any, mask: Any) -> Any:
    import torch

    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def distance_bias(table: Any, longest: int) -> Any:
    """MPNet's addition to the scores: (heads, longest, longest) from its table of 32 buckets.

    Song et al., 2020, with the buckets of T5 (Raffel et al., 2020).
    """
    import torch

    place = torch.arange(longest, device=table.device)
    distance = place[:, None] - place[None, :]  # query - key
    half = BUCKETS // 2
    far = distance.abs().clamp(min=1).float()
    step = torch.log(far / EXACT) / torch.log(torch.tensor(FARTHEST / EXACT))
    large = (EXACT + (step * (half - EXACT)).long()).clamp(max=half - 1)
    bucket = torch.where(distance.abs() < EXACT, distance.abs(), large)
    bucket = bucket + (distance < 0).long() * half
    return table[bucket].permute(2, 0, 1)
