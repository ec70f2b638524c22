"""Devices: GPUs by CUDA's names, and a machine without any.

There is no GPU where these tests run, so its driver is played by `FakeNvml`, which answers with
numbers that a real H100 gave; a recording of a real GPU run is in tests/monitor/recordings.
"""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.models.memory import hardware
from workbench.monitor.devices import Devices
from workbench.profiles import visible_gpus

GIB = 2**30


class FakeNvml:
    """Two GPUs; handles are their numbers. `broken` stops answering."""

    class NVMLError(Exception):
        pass

    nvmlMemory_v2 = 2  # noqa: N815 - as NVML calls it

    def __init__(self, processes: list[tuple[int, int | None]]) -> None:
        self.processes = processes
        self.broken: set[int] = set()

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, number: int) -> int:
        return number

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return ("GPU-aa11", "GPU-ab22")[handle]

    def nvmlDeviceGetName(self, handle: int) -> bytes:
        return b"H100"

    def nvmlDeviceGetMemoryInfo(self, handle: int, version: int = 1) -> Any:
        if handle in self.broken:
            raise self.NVMLError("GPU is lost")
        return SimpleNamespace(used=(handle + 1) * GIB, total=80 * GIB)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in self.processes]


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    fake = FakeNvml([(1, GIB), (os.getpid(), 7 * GIB)])
    monkeypatch.setattr(hardware, "driver", lambda: fake)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


def test_gpus_come_by_cudas_names_and_the_cpu_last(nvml: FakeNvml) -> None:
    read = Devices().read()
    assert [memory.device for memory in read] == ["cuda:0", "cuda:1", "cpu"]
    assert (read[1].used, read[1].process, read[1].total) == (2 * GIB, 7 * GIB, 80 * GIB)
    machine = Devices().machine()
    assert machine["gpus"][0] == {"device": "cuda:0", "name": "H100", "memory_bytes": 80 * GIB}


@pytest.mark.parametrize(
    ("visible", "used"),
    [
        ("1", [2]),
        ("1,0", [2, 1]),
        ("GPU-ab", [2]),
        ("GPU-a", []),  # two begin so
        ("0,7,1", [1]),  # CUDA stops at the first that it does not know
        ("", []),
        ("-1", []),
    ],
)
def test_hidden_gpus_are_not_sampled(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch, visible: str, used: list[int]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    read = Devices().read()[:-1]
    assert [memory.used // GIB for memory in read] == used
    assert [memory.device for memory in read] == [f"cuda:{n}" for n in range(len(used))]


def test_in_a_container_the_share_of_this_process_is_unknown(nvml: FakeNvml) -> None:
    nvml.processes = [(1, 7 * GIB)]
    assert Devices().read()[0].process is None
    nvml.processes = [(os.getpid(), None)]
    assert Devices().read()[0].process is None


def test_a_gpu_that_stops_answering_is_left_out_and_named(nvml: FakeNvml) -> None:
    made = Devices()
    nvml.broken = {0}
    assert [memory.device for memory in made.read()] == ["cuda:1", "cpu"]
    assert "cuda:0: GPU is lost" in made.note
    assert [memory.device for memory in made.read()] == ["cuda:1", "cpu"]


def test_without_a_driver_there_is_the_cpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "driver", lambda: None)
    made = Devices()
    assert [memory.device for memory in made.read()] == ["cpu"]
    assert made.machine()["gpus"] == []
    assert made.note == ""


def test_the_variable_is_read_as_cuda_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", " 1, GPU-aa ")
    assert visible_gpus() == ["1", "GPU-aa"]
