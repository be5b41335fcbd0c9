# SPDX-License-Identifier: Apache-2.0
"""User data that installs the agent on a server with a stock cloud image.

It is a boothook, the part that cloud-init runs first: the agent is installed and its start is
queued before cloud-init continues. It runs at every boot, so it must be idempotent.
"""

from collections.abc import Sequence

AGENT_PATH = "/opt/heatgen/agent/heatgen-agent"
UNIT_PATH = "/etc/systemd/system/heatgen-agent.service"
UNIT = "heatgen-agent.service"

CA_MARK = "/etc/heatgen/ca-certificates.pem"
"""Certificates that the os block added to the node's store, which it manages from then on."""

_END = "_END_OF_FILE_"
_STORE = "/usr/local/share/ca-certificates"


def boothook(agent: str, unit: str, certificates: Sequence[str] = ()) -> str:
    """Return user data that installs and starts the agent.

    Args:
        agent: the agent's program.
        unit: its systemd unit.
        certificates: PEM certificates of additional trusted authorities, for the cloud's API.

    Raises:
        ValueError: a text has no final newline, or contains the end of the here-document.
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
    """Return shell code that adds authorities to the node's store before the os block does."""
    if not certificates:
        return ""
    files = "".join(
        _file(f"{_STORE}/heatgen-{number}.crt", text)
        for number, text in enumerate(certificates, start=1)
    )
    return f"if [ ! -e {CA_MARK} ]; then\n{files}update-ca-certificates >/dev/null\nfi\n"


def _file(path: str, text: str) -> str:
    """Return shell code that writes a file."""
    if not text.endswith("\n") or f"\n{_END}\n" in text:
        raise ValueError(f"the text of {path} cannot be a here-document")
    return f"cat >{path} <<'{_END}'\n{text}{_END}\n"
