# SPDX-License-Identifier: Apache-2.0
"""Template of a starter ``cluster.yaml``: required keys, and the others as comments."""

from collections.abc import Mapping

from heatgen.yamlio import writer

_TEXT = """\
# A Kubernetes cluster on OpenStack. Lines that start with '#~' are defaults or examples: remove the
# mark to set them. 'heatgen validate' checks this file, 'heatgen block list' lists the blocks of
# each layer.
name: {name}

cloud:
  external_network: {external_network}   # openstack network list --external
  image: {image}   # of all servers: openstack image list
  flavor: {flavor}   # of all servers: openstack flavor list
#~  nodes: 10.0.0.0/24   # network that is created for the servers
#~  dns: [192.0.2.53]   # name servers of the nodes; default: those of the cloud

control_plane:
  count: {control}   # 1, 3 (tolerates the loss of 1) or 5 (tolerates the loss of 2)
#~  flavor: m1.large   # overrides cloud.flavor

workers:
  count: {workers}
#~  flavor: m1.large

# Access from outside. With an empty api list only the cluster's own servers can reach the API.
access:
  api: {api}   # networks that may reach the Kubernetes API, such as [198.51.100.0/24]
#~  ssh: [198.51.100.0/24]   # networks that may reach the nodes by SSH; requires ssh_key
#~  ssh_key: mykey   # openstack keypair list

# The block of each layer, with its options.
#~os: {{use: debian}}
#~runtime: {{use: containerd}}   # or docker
#~kvstore: {{use: etcd}}
#~network: {{use: flannel, pods: 10.244.0.0/16}}
#~orchestration: {{use: kubernetes, services: 10.96.0.0/16}}

# Mirrors of artifacts, images and packages; default: upstream.
#~artifacts:
#~  mirror: https://mirror.example.org
#~  registry: registry.example.org
#~  apt_mirror: https://mirror.example.org/debian
"""


def text(answers: Mapping[str, str]) -> str:
    """Return the file's text.

    Args:
        answers: ``name``, ``external_network``, ``image``, ``flavor``; ``control`` and ``workers``
            (numbers); ``api`` (comma-separated networks, or '').
    """
    plain = ("name", "external_network", "image", "flavor")
    quoted = {key: writer.dump(answers[key]).strip() for key in plain}
    networks = [part.strip() for part in answers["api"].split(",") if part.strip()]
    api = ", ".join(writer.dump(part).strip() for part in networks)
    return _TEXT.format(**{**answers, **quoted, "api": f"[{api}]"})
