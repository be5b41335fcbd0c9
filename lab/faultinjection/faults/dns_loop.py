# SPDX-License-Identifier: Apache-2.0
"""A worker's /etc/resolv.conf is the stub of systemd-resolved, and its kubelet has no resolvConf.

Running pods keep their name servers. A replica of CoreDNS that is created on the node afterwards
forwards queries to itself and crashes with "Loop detected".
"""

from lab.faultinjection.context import Context, Victims

KIND = "real"
MESSAGE_CONTAINS = ("127.0.0.53", "resolvConf")
COMPANIONS: dict[str, str] = {}

INJECT = r"""
set -e
for file in /etc/resolv.conf /etc/kubernetes/kubelet.json; do
    [ -e $file.heatgen-fault ] || cp --no-dereference --preserve=all $file $file.heatgen-fault
done
ln -sfn ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
grep -q '^nameserver 127\.0\.0\.53$' /etc/resolv.conf
sed -i 's/"resolvConf": *"[^"]*",//' /etc/kubernetes/kubelet.json
systemctl restart kubelet
timeout 60 sh -c 'until curl --fail --silent http://127.0.0.1:10248/healthz; do sleep 0.5; done'
"""
HEAL = """
for file in /etc/resolv.conf /etc/kubernetes/kubelet.json; do
    [ ! -e $file.heatgen-fault ] || mv --no-target-directory $file.heatgen-fault $file
done
systemctl restart kubelet
"""


def inject(context: Context) -> Victims:
    """Link to the stub, remove resolvConf, and restart the kubelet."""
    context.victim.run(INJECT)
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Restore both files, and restart the kubelet."""
    context.victim.run(HEAL)
