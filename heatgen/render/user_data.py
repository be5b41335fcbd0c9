# SPDX-License-Identifier: Apache-2.0
"""User data for cloud-init that installs the agent on a server with a stock image.

It is a boothook, the part that cloud-init runs first: the agent is installed and its start is
queued before cloud-init continues. It runs at every boot, so it must be idempotent.

The agent is compressed with bzip2, whose output, unlike that of zlib, is the same for all versions
and builds of the library: equal input must give an equal template on every machine. Python, which
runs both cloud-init and the agent, decompresses it on the server.
"""

import base64
import bz2
from collections.abc import Sequence

from heatgen.blocks.boot import AGENT_PATH, CREDENTIALS, UNIT, UNIT_PATH

CA_MARK = "/etc/heatgen/ca-certificates.pem"
"""Certificates that the os block added to the node's store, which it manages from then on."""

_END = "_END_OF_FILE_"
_STORE = "/usr/local/share/ca-certificates"
_UNPACK = (
    "import base64, bz2, sys; "
    "sys.stdout.buffer.write(bz2.decompress(base64.decodebytes(sys.stdin.buffer.read())))"
)
_CLOSE = f"""\
# Heat's part handler runs later. It keeps the mode of an existing file; new ones get 0644.
for file in {" ".join(CREDENTIALS)}; do
    (umask 077 && mkdir -p "${{file%/*}}" && : >>"$file")
    chmod 0600 "$file"
done
"""


def boothook(agent: str, unit: str, certificates: Sequence[str] = ()) -> str:
    """Return user data that installs and starts the agent.

    Args:
        agent: the agent's program.
        unit: its systemd unit.
        certificates: PEM certificates of additional trusted authorities, for the cloud's API.

    Raises:
        ValueError: unit or a certificate have no final newline, or contain the end of the
            here-document.
    """
    return f"""\
#cloud-boothook
#!/bin/sh
# heatgen: the agent that runs this server's software deployments.
set -eu
{_CLOSE}install -d -m 0755 {AGENT_PATH.rpartition("/")[0]}
{_trust(certificates)}{_program(AGENT_PATH, agent)}{_file(UNIT_PATH, unit)}systemctl daemon-reload
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


def _program(path: str, text: str) -> str:
    """Return shell code that decompresses a program and replaces it atomically."""
    packed = base64.encodebytes(bz2.compress(text.encode())).decode()
    return (
        f"python3 -c '{_UNPACK}' >{path}.new <<'{_END}'\n{packed}{_END}\n"
        f"chmod 0755 {path}.new\nmv {path}.new {path}\n"
    )


def _file(path: str, text: str) -> str:
    """Return shell code that writes a file."""
    if not text.endswith("\n") or f"\n{_END}\n" in text:
        raise ValueError(f"the text of {path} cannot be a here-document")
    return f"cat >{path} <<'{_END}'\n{text}{_END}\n"
