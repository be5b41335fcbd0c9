# SPDX-License-Identifier: Apache-2.0
"""User data: what a stock cloud image runs at its first boot, to become a node of ours.

A boothook is the earliest that cloud-init runs of what it is given: the agent is in place and its
start is queued before cloud-init goes on. It runs at every boot, so it must do no harm twice.
"""

from collections.abc import Sequence

AGENT_PATH = "/opt/heatgen/agent/heatgen-agent"
UNIT_PATH = "/etc/systemd/system/heatgen-agent.service"
UNIT = "heatgen-agent.service"

CA_MARK = "/etc/heatgen/ca-certificates.pem"
"""Where the os block keeps what it made the node trust: from then on the store is its affair."""

_END = "_END_OF_FILE_"
_STORE = "/usr/local/share/ca-certificates"


def boothook(agent: str, unit: str, certificates: Sequence[str] = ()) -> str:
    """User data that installs and starts the agent.

    Args:
        agent: the agent's program.
        unit: its systemd unit.
        certificates: of authorities (PEM) that the node trusts: the cloud's own API may have one.

    Raises:
        ValueError: a text holds the line that ends it here, or has no newline at its end.
    """
    return f"""\
#cloud-boothook
#!/bin/sh
# heatgen: the agent that runs this server's software deployments.
set -eu
install -d -m 0755 {AGENT_PATH.rpartition("/")[0]}
{_trust(certificates)}{_file(AGENT_PATH, agent)}chmod 0755 {AGENT_PATH}
{_file(UNIT_PATH, unit)}systemctl daemon-reload
systemctl enable --quiet {UNIT}
systemctl start --no-block {UNIT}
"""


def _trust(certificates: Sequence[str]) -> str:
    """Shell that puts authorities into the node's store, before the os block does."""
    if not certificates:
        return ""
    files = "".join(
        _file(f"{_STORE}/heatgen-{number}.crt", text)
        for number, text in enumerate(certificates, start=1)
    )
    return f"if [ ! -e {CA_MARK} ]; then\n{files}update-ca-certificates >/dev/null\nfi\n"


def _file(path: str, text: str) -> str:
    """Shell that writes a file."""
    if not text.endswith("\n") or f"\n{_END}\n" in text:
        raise ValueError(f"the text of {path} cannot be a here-document")
    return f"cat >{path} <<'{_END}'\n{text}{_END}\n"
