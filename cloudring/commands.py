# SPDX-License-Identifier: Apache-2.0
"""Commands of heatgen in processes of their own, with time limits and a log."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GRACE = 90
"""Seconds for a stopped command to clean up, for the suite to delete its pods."""
_PAUSE = 0.5
_MAX_REASON = 300


class ActionFailed(Exception):
    """An action failed; the message is the reason for the report."""


class Commands:
    """Runs commands in the directory of a system."""

    def __init__(
        self, directory: Path, environment: Mapping[str, str], stop: threading.Event
    ) -> None:
        self.directory, self.stop = directory, stop
        self.log = directory / "commands.log"
        paths = [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
        self.environment = {**environment, "PYTHONPATH": os.pathsep.join(paths)}

    def heatgen(self, *words: str, seconds: float, check: bool = True, final: bool = False) -> int:
        """Run a command of heatgen; return its exit status.

        Args:
            words: the command.
            seconds: time limit.
            check: fail if the status is not 0.
            final: continue although the run was interrupted, to clean up.

        Raises:
            ActionFailed: the command failed, timed out or was interrupted.
        """
        command = [sys.executable, "-P", "-m", "heatgen", *words]
        began = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            log.write(f"$ heatgen {' '.join(words)}\n".encode())
            log.flush()
            # A session of its own: Ctrl-C is for this process, which stops the command.
            process = subprocess.Popen(
                command, cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                why = self._wait(process, seconds, final)
            finally:
                end(process)
        if why:
            raise ActionFailed(f"heatgen {words[0]}: {why}")
        if check and process.returncode:
            with self.log.open("rb") as log:
                log.seek(began)
                text = log.read().decode(errors="replace")
            raise ActionFailed(f"heatgen {words[0]}: {reason(text, process.returncode)}")
        return process.returncode

    def _wait(self, process: subprocess.Popen[bytes], seconds: float, final: bool) -> str:
        """Wait for the end of a process; return why it was not waited for any longer."""
        deadline = time.monotonic() + seconds
        while process.poll() is None:
            if self.stop.is_set() and not final:
                return "interrupted"
            if time.monotonic() > deadline:
                return f"no end after {seconds:.0f} s"
            time.sleep(_PAUSE)
        return ""


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children, first with time to clean up."""
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 10)):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def reason(output: str, status: int) -> str:
    """Return the errors in the output of a command, else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error[" in line] or lines[-1:]
    return f"exit status {status}: {'; '.join(errors)}"[:_MAX_REASON]
