# SPDX-License-Identifier: Apache-2.0
"""In a maintenance window, control-plane nodes restart one after the other, with the real etcd.

The program of the window runs on all of them at the same time, with shorter times. Only the command
that restarts the server is replaced: it records the time.
"""

import itertools
from pathlib import Path

from lab.harness import cluster as clusters
from lab.harness import health
from lab.harness.cluster import Cluster

PROGRAM = Path(__file__).parents[2] / "hot" / "os" / "maintenance.sh"
RESTART_SECONDS = 5
WINDOW_SECONDS = 90
CHANGES = {
    "\nMINUTE=60 ": f"\nMINUTE={WINDOW_SECONDS // 10} ",
    "\nPAUSE=60 ": "\nPAUSE=1 ",
    "\nPATIENCE=600 ": f"\nPATIENCE={RESTART_SECONDS} ",
    # The steps of the cluster may have ended recently.
    "\nQUIET=10 ": "\nQUIET=0 ",
}
RUN = """
folder=/run/heatgen-window-test
rm -rf $folder && mkdir -p $folder/bin && cat >$folder/program
cat >$folder/bin/systemctl <<'END'
#!/bin/bash
[ "$1" != reboot ] || { date +%s.%N >>/run/heatgen-window-test/restarts && exit; }
exec /usr/bin/systemctl "$@"
END
chmod +x $folder/bin/systemctl
touch /run/reboot-required
PATH=$folder/bin:$PATH bash $folder/program 10 >$folder/log 2>&1
rm /run/reboot-required
cat $folder/restarts || cat $folder/log >&2
"""


def program() -> bytes:
    """Return the program with shorter times."""
    text = PROGRAM.read_text()
    for old, new in CHANGES.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text.encode()


def test_restarts_do_not_overlap(ha_cluster: Cluster) -> None:
    """Every control-plane node restarts in the window, and never two at the same time."""
    health.wait_healthy(ha_cluster)
    printed = clusters.on_all(ha_cluster.control, RUN, program())
    times = {name: [float(line) for line in text.split()] for name, text in printed.items()}
    assert all(times.values()), times
    events = sorted((begin, name) for name, begins in times.items() for begin in begins)
    for (earlier, one), (later, other) in itertools.pairwise(events):
        assert one == other or later - earlier >= RESTART_SECONDS, events
    health.wait_healthy(ha_cluster)
    states = clusters.on_all(ha_cluster.control, "systemctl is-active heatgen-agent")
    assert {state.strip() for state in states.values()} == {"active"}
