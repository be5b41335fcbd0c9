# SPDX-License-Identifier: Apache-2.0
"""A worker cannot reach the registry; images that it already has remain usable."""

from lab.faultinjection.context import Context, Victims

KIND = "real"
MESSAGE_CONTAINS = ("registry",)
COMPANIONS: dict[str, str] = {}

# All registries that the node's runtime is configured to use.
RULES = """
sed -n 's#^ *\\[host\\."https\\?://\\([0-9.]*\\):\\([0-9]*\\)".*#\\1 \\2#p' \\
    /etc/containerd/certs.d/*/hosts.toml | sort -u | while read -r address port; do
    while iptables -D OUTPUT -p tcp -d "$address" --dport "$port" -j REJECT 2>/dev/null; do :; done
    {add}
done
"""
ADD = 'iptables -I OUTPUT -p tcp -d "$address" --dport "$port" -j REJECT'


def inject(context: Context) -> Victims:
    """Reject the node's connections to the registry."""
    context.victim.run(RULES.format(add=ADD))
    rules = context.victim.run("iptables -S OUTPUT")
    assert "REJECT" in rules, f"no registry is configured on {context.victim.name}: {rules}"
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Delete the rules."""
    context.victim.run(RULES.format(add=":"))
