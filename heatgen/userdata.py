# SPDX-License-Identifier: Apache-2.0
"""User data: what a stock cloud image runs at its first boot, to become a node of ours.

A boothook is the earliest that cloud-init runs of what it is given: the agent is in place and its
start is queued before cloud-init goes on. It runs at every boot, so it must do no harm twice.
"""

AGENT_PATH = "/opt/heatgen/agent/heatgen-agent"
UNIT_PATH = "/etc/systemd/system/heatgen-agent.service"
UNIT = "heatgen-agent.service"

_END = "_END_OF_FILE_"


def boothook(agent: str, unit: str) -> str:
    """User data that installs and starts the agent.

    Args:
        agent: the agent's program.
        unit: its systemd unit.

    Raises:
        ValueError: a text holds the line that ends it here, or has no newline at its end.
    """
    return f"""\
#cloud-boothook
#!/bin/sh
# heatgen: the agent that runs this server's software deployments.
set -eu
install -d -m 0755 {AGENT_PATH.rpartition("/")[0]}
{_file(AGENT_PATH, agent)}chmod 0755 {AGENT_PATH}
{_file(UNIT_PATH, unit)}systemctl daemon-reload
systemctl enable --quiet {UNIT}
systemctl start --no-block {UNIT}
"""


def _file(path: str, text: str) -> str:
    """Shell that writes a file."""
    if not text.endswith("\n") or f"\n{_END}\n" in text:
        raise ValueError(f"the text of {path} cannot be a here-document")
    return f"cat >{path} <<'{_END}'\n{text}{_END}\n"
