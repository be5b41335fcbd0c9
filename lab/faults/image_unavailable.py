# SPDX-License-Identifier: Apache-2.0
"""A worker does not reach the registry; the images that it has, it has."""

from lab.trial.scene import Scene, Victims, hit

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


def inject(scene: Scene) -> Victims:
    """Refuse the node's own connections to it."""
    scene.victim.run(RULES.format(more=ADD))
    rules = scene.victim.run("iptables -S OUTPUT")
    assert "REJECT" in rules, f"no registry is named on {scene.victim.name}: {rules}"
    return hit(scene.victim)


def heal(scene: Scene) -> None:
    """Let them through."""
    scene.victim.run(RULES.format(more=":"))
