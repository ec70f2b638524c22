"""What to do where a device has no memory for a batch: halve, make room, wait, give up at last."""

from __future__ import annotations

import time

from workbench.errors import OutOfMemory
from workbench.models.memory.devices import device_of
from workbench.models.memory.lazy_model import LazyModel
from workbench.present.words import human_bytes

ATTEMPTS = 8
"""Failures of one text by itself before giving up; the waits between them add up to 13 s."""

FIRST_WAIT = 0.1


def make_room(model: LazyModel, texts: int, failures: int, need: int, tokens: int) -> None:
    """Before a batch of `texts` that did not fit is tried again, in halves.

    A text that does not fit alone first makes idle models leave, then waits for other processes.
    Raises OutOfMemory where that has not helped.
    """
    device = device_of(model.device)
    what = "one text" if texts == 1 else f"{texts} texts"
    note = f"no memory for {what}; at most {tokens:,} tokens a batch now"
    with model.pool.ledger.moving():
        device.trim(lambda: model.pool.note("oom_retry", model, device.kept_now(), note))
    if texts > 1 or model.pool.evict_idle(model.device):
        return
    if failures >= ATTEMPTS:
        raise OutOfMemory(
            f"{model.name}: one text needs {human_bytes(need)} on {model.device} beside the "
            f"weights, and {human_bytes(device.free)} are free after {failures} tries; other "
            "processes hold the rest: end them, or use a smaller model or dtype"
        )
    time.sleep(FIRST_WAIT * 2 ** (failures - 1))
