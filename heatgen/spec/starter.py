# SPDX-License-Identifier: Apache-2.0
"""The ``cluster.yaml`` that one begins with: what must be said, and the rest as comments."""

from collections.abc import Mapping

from heatgen.yamlio import writer

_TEXT = """\
# A Kubernetes cluster on OpenStack. Lines that begin with '#~' are defaults or examples: to change
# one, remove the mark. 'heatgen validate' checks this file, 'heatgen block list' tells what there
# is for each layer.
name: {name}

cloud:
  external_network: {external_network}   # openstack network list --external
  image: {image}   # of all servers: openstack image list
  flavor: {flavor}   # of all servers: openstack flavor list
#~  nodes: 10.0.0.0/24   # the network that is made for the servers
#~  dns: [192.0.2.53]   # resolvers of the servers; the cloud's own if none are named

control_plane:
  count: {control}   # 1, or 3 or 5 of which one or two may be lost
#~  flavor: m1.large   # if other than above

workers:
  count: {workers}
#~  flavor: m1.large

# Who may reach the cluster from outside. Without api nobody can use it but from its own servers.
access:
  api: {api}   # networks of those who use it, such as [198.51.100.0/24]
#~  ssh: [198.51.100.0/24]   # networks from which one may log in to servers; needs ssh_key
#~  ssh_key: mykey   # openstack keypair list

# The house, layer by layer.
#~os: {{use: debian}}
#~runtime: {{use: containerd}}   # or docker
#~kvstore: {{use: etcd}}
#~network: {{use: flannel, pods: 10.244.0.0/16}}
#~orchestration: {{use: kubernetes, services: 10.96.0.0/16}}

# Where binaries and images come from, if not from upstream.
#~artifacts: {{mirror: https://mirror.example.org, registry: registry.example.org}}
"""


def text(answers: Mapping[str, str]) -> str:
    """The file's text.

    Args:
        answers: ``name``, ``external_network``, ``image``, ``flavor``; ``control`` and ``workers``
            (numbers); ``api`` (networks with commas between them, or '').
    """
    plain = ("name", "external_network", "image", "flavor")
    quoted = {key: writer.dump(answers[key]).strip() for key in plain}
    networks = [part.strip() for part in answers["api"].split(",") if part.strip()]
    api = ", ".join(writer.dump(part).strip() for part in networks)
    return _TEXT.format(**{**answers, **quoted, "api": f"[{api}]"})
