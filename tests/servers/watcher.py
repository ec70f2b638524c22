"""Servers that end with the tests, however the tests end: kill -9 included."""

from __future__ import annotations

import subprocess
from pathlib import Path

WATCH = """
group=0
while read -r line; do
    [ "$line" = over ] && exit
    group=$line
done
if [ "$group" != 0 ]; then
    kill -TERM "-$group"
    for _ in $(seq 50); do
        kill -0 "-$group" || break
        sleep 0.1
    done
    kill -KILL "-$group"
fi
rm -rf -- "$1"
"""


class Watcher:
    """A shell that reads a pipe from this process. The pipe ends with the process, whatever ended
    it; then the watcher ends the group of processes that it follows, and deletes a folder.

    A group has five seconds to end by itself: JupyterLab ends its kernels.
    """

    def __init__(self, folder: Path) -> None:
        # In a session of its own, so that Ctrl-C in a terminal does not end the watcher first.
        self._process = subprocess.Popen(
            ["sh", "-c", WATCH, "watcher", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The shell's process."""
        return self._process.pid

    def follow(self, group: int) -> None:
        """The group of processes to end; 0 for none."""
        self._say(str(group))

    def dismiss(self) -> None:
        """What was followed has ended, and its folder is gone."""
        self._say("over")
        self._process.communicate()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()
