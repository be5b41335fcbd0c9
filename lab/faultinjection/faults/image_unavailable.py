# SPDX-License-Identifier: Apache-2.0
"""A worker does not reach the registry; the images that it has, it has."""

from lab.faultinjection.context import Context, Victims, hit

KIND = "real"
SAYS = ("registry",)
COMPANIONS: dict[str, str] = {}

# Wherever the node's runtime is told to fetch images.
RULES = """
sed -n 's#^ *\\[host\\."https\\?://\\([0-9.]*\\):\\([0-9]*\\)".*#\\1 \\2#p' \\
    /etc/containerd/certs.d/*/hosts.toml | sort -u | while read -r address port; do
    while iptables -D OUTPUT -p tcp -d "$address" --dport "$port" -j REJECT 2>/dev/null; do :; done
    {more}
done
"""
ADD = 'iptables -I OUTPUT -p tcp -d "$address" --dport "$port" -j REJECT'


def inject(context: Context) -> Victims:
    """Refuse the node's own connections to it."""
    context.victim.run(RULES.format(more=ADD))
    rules = context.victim.run("iptables -S OUTPUT")
    assert "REJECT" in rules, f"no registry is named on {context.victim.name}: {rules}"
    return hit(context.victim)


def heal(context: Context) -> None:
    """Let them through."""
    context.victim.run(RULES.format(more=":"))
