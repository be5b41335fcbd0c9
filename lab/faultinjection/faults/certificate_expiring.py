# SPDX-License-Identifier: Apache-2.0
"""The server certificate of an etcd member expires in two days."""

from lab.faultinjection.context import Context, Victims

KIND = "real"
MESSAGE_CONTAINS = ("days", "rotate certificates")
COMPANIONS: dict[str, str] = {}

# Signed by the same authority, for the same key and names; etcd reads it at each handshake.
SHORTEN = """
set -euo pipefail
cd /etc/etcd/pki
[ -e /run/heatgen-fault.crt ] || cp server.crt /run/heatgen-fault.crt
openssl x509 -in /run/heatgen-fault.crt -x509toreq -signkey server.key -copy_extensions copy |
    openssl x509 -req -CA issuer.crt -CAkey issuer.key -days 2 -copy_extensions copy \\
        -set_serial "0x$(openssl rand -hex 16)" >/run/heatgen-fault.new
cat /run/heatgen-fault.new >server.crt
"""
RESTORE = """
if [ -e /run/heatgen-fault.crt ]; then
    cat /run/heatgen-fault.crt >/etc/etcd/pki/server.crt
    rm -f /run/heatgen-fault.crt /run/heatgen-fault.new
fi
"""


def inject(context: Context) -> Victims:
    """Replace the certificate of the member on the last control-plane node."""
    context.control[-1].run(SHORTEN)
    return Victims.of(context.control[-1])


def heal(context: Context) -> None:
    """Restore the original certificate."""
    context.control[-1].run(RESTORE)
