"""How many tokens an encoder has positions for, and from which it counts, against transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.models.conftest import write_json
from workbench.errors import ModelRejected
from workbench.models.weights.find import OFFSET_POSITIONS, ModelFolder

POSITIONS = 20
SHAPE: dict[str, Any] = {
    "vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 8, "max_position_embeddings": POSITIONS,
}  # fmt: skip
BUILT = [kind for kind in OFFSET_POSITIONS if kind != "longformer"]  # whose windows need padding


@pytest.mark.parametrize("padding", [None, 0, 1, 5])
@pytest.mark.parametrize("kind", ["bert", *BUILT])
def test_the_longest_text_is_what_transformers_can_embed(
    tmp_path: Path, kind: str, padding: int | None
) -> None:
    import torch
    from transformers import AutoConfig, AutoModel

    named = {} if padding is None else {"pad_token_id": padding}
    if kind == "xmod":
        named |= {"languages": ["en_XX"], "default_language": "en_XX"}
    model = AutoModel.from_config(AutoConfig.for_model(kind, **SHAPE, **named)).eval()
    write_json(tmp_path / "config.json", {"model_type": kind, **SHAPE, **named})
    folder = ModelFolder("m", tmp_path)
    assert folder.positions == folder.window
    with torch.no_grad():
        model(input_ids=torch.full((1, folder.window), 7))
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, folder.window + 1), 7))


def test_no_limit_is_none_and_too_small_a_one_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"model_type": "roberta"})
    assert ModelFolder("m", tmp_path).positions is None
    write_json(tmp_path / "config.json", {"model_type": "roberta", "max_position_embeddings": 4})
    with pytest.raises(ModelRejected, match="at most 2 tokens"):
        _ = ModelFolder("m", tmp_path).positions
