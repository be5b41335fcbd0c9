# SPDX-License-Identifier: Apache-2.0
"""The certificate that a member of etcd shows has two days left."""

from lab.faultinjection.context import Context, Victims, hit

KIND = "real"
SAYS = ("days", "rotate certificates")
COMPANIONS: dict[str, str] = {}

# Signed anew by the same authority, for the same key and names; etcd reads it at each handshake.
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
    """Give the last server's member such a certificate."""
    context.control[-1].run(SHORTEN)
    return hit(context.control[-1])


def heal(context: Context) -> None:
    """Give it back its own."""
    context.control[-1].run(RESTORE)
