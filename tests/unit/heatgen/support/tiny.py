# SPDX-License-Identifier: Apache-2.0
"""Minimal blocks, one for each layer, for tests of the generator without the installed ones.

The blocks have the names of the defaults in ``cluster.yaml``.
"""

from heatgen.authoring.script_scan import HEAD
from heatgen.blocks import catalog
from heatgen.blocks.catalog import Catalog
from heatgen.blocks.pins import Pins
from heatgen.plan.build import build_plan
from heatgen.plan.model import Plan
from heatgen.project import block_loader
from heatgen.spec.model import Spec
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document

REQUEST = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
CLUSTER = "name: tiny\ncloud: {external_network: public, image: debian, flavor: small}\n"
GROUPS = (
    CLUSTER
    + """\
control_plane: {count: 3}
workers:
- {name: worker, count: 1}
- {name: big-box, count: 4, flavor: large, image: other, runtime: docker,
   labels: {b: '2', example.org/a: x}, taints: ['only:NoSchedule', 'k=v:NoExecute']}
"""
)
"""Two groups of workers with different runtimes, and three control-plane nodes."""
TOOL = "https://example.org/v1.0/tool.tar.gz"
ENGINE = "https://example.org/v2.0/engine.tar.gz"
PAUSE = "registry.example.org/pause:3"

_OS = """\
summary: A tiny system
description: Runs first on every server.
layer: os
roles: [control, worker]
inputs:
  ARTIFACTS: {from: artifacts, description: artifacts to download}
steps:
  - {name: preflight, script: 10-preflight.sh, requires: [], provides: [agent],
     inputs: [ARTIFACTS], timeout: 60}
ports:
  - {port: 22, protocol: tcp, to: [control, worker], from: [ssh], why: SSH}
"""
_RUNTIME = """\
summary: A tiny runtime
description: Fetches an artifact and an image.
layer: runtime
roles: [control, worker]
options:
  version: {type: string, default: '1.0', description: version of the tool}
artifacts:
  tool: {url: 'https://example.org/v{version}/tool.tar.gz', checksums: 'https://example.org/sums'}
images:
  pause: registry.example.org/pause:3
configs:
  box: {file: box.toml, set: {/plugins/a.b/image: image.pause}, override: box, format: toml}
inputs:
  TOOL: {from: artifact.tool, description: URL and sum}
  BOX_CONFIG: {from: config.box, description: its configuration}
steps:
  - {name: start, script: 10-start.sh, requires: [agent], provides: [runtime],
     inputs: [TOOL, BOX_CONFIG], timeout: 60}
"""
_DOCKER = """\
summary: Another tiny runtime
description: Patches the orchestrator's configuration.
layer: runtime
roles: [control, worker]
options:
  version: {type: string, default: '2.0', description: version of the engine}
artifacts:
  engine: {url: 'https://example.org/v{version}/engine.tar.gz'}
patches:
  agent: {socket: engine, gates: {old: false}}
inputs:
  ENGINE: {from: artifact.engine, description: URL and sum}
steps:
  - {name: start, script: 10-start.sh, requires: [agent], provides: [runtime],
     inputs: [ENGINE], timeout: 60}
"""
_KVSTORE = """\
summary: A tiny store
description: Runs on the control plane only.
layer: kvstore
roles: [control]
options:
  version: {type: string, default: '3.0', description: version of the store}
  port: {type: integer, default: 2379, description: port of the store}
  disk: {type: integer, default: 0, description: GiB of its volume}
  kind: {type: string, default: '', description: type of its volume}
volumes:
  data: {size: disk, type: kind}
certificates:
  etcd/server: {authority: etcd, roles: [control], subject: '/CN={node}',
                usages: [server, client], names: [node, localhost], owner: store}
inputs:
  MEMBERS: {from: control_plane.addresses, description: all members}
  VOLUME: {from: volume.data, description: its volume}
steps:
  - {name: volume, script: 05-volume.sh, requires: [], provides: [store-volume],
     inputs: [VOLUME], when: {volumes.data: [true]}, timeout: 60}
  - {name: start, script: 10-start.sh, requires: [trust, store-volume], provides: [kvstore],
     inputs: [MEMBERS], outputs: {health: its health}, timeout: 60}
ports:
  - {port: '{port}', protocol: tcp, to: [control], from: [control, worker], why: clients}
facts:
  endpoints: {each: control, value: 'https://{address}:2379'}
  version: 'v{version}'
  port: {from: options.port}
"""
_NETWORK = """\
summary: A tiny network
description: One plan for all servers, then a start on each.
layer: network
roles: [control, worker]
options:
  pods: {type: string, format: cidr, default: 10.244.0.0/16, description: network of pods}
inputs:
  PODS: {from: options.pods, description: network of pods}
steps:
  - {name: plan, script: 10-plan.sh, only: first, requires: [kvstore], provides: [network-plan],
     inputs: [PODS], timeout: 60}
  - {name: start, script: 20-start.sh, requires: [network-plan], provides: [network],
     inputs: [PODS], timeout: 60}
ports:
  - {port: 8472, protocol: udp, to: [control, worker], from: [control, worker], why: tunnel}
"""
_ORCHESTRATION = """\
summary: A tiny orchestrator
description: Control plane first, then the nodes, then readiness.
layer: orchestration
roles: [control, worker]
options:
  services: {type: string, format: cidr, default: 10.96.0.0/16, description: service addresses}
certificates:
  kubernetes/api: {authority: kubernetes, roles: [control], subject: /CN=api,
                   usages: [server], names: [api], owner: root}
  kubernetes/mover: {authority: kubernetes, roles: [control], subject: /CN=mover,
                     usages: [client], owner: root, when: {control_plane.load_balancer: [vip]}}
configs:
  agent: {file: agent.yaml, set: {/dns: orchestration.dns}, override: agent, format: json}
inputs:
  API_URL: {from: api.url, description: URL of the API}
  NODES: {from: expected.nodes, description: expected nodes}
  UNIT: {from: 'file:node.service', description: the service}
  AGENT_CONFIG: {from: config.agent, description: its configuration}
  LABELS: {from: group.labels, description: of the group}
  TAINTS: {from: group.taints, description: of the group}
  ENDPOINT: {from: api.host, description: virtual IP address}
steps:
  - {name: endpoint, script: 05-endpoint.sh, roles: [control], requires: [agent],
     provides: [endpoint], inputs: [ENDPOINT], timeout: 60,
     when: {control_plane.load_balancer: [vip]}}
  - {name: control, script: 10-control.sh, roles: [control], requires: [trust, kvstore, endpoint],
     provides: [api], inputs: [API_URL], timeout: 60}
  - {name: node, script: 20-node.sh, requires: [runtime, api], provides: [node],
     inputs: [API_URL, UNIT, AGENT_CONFIG, LABELS@worker, TAINTS], timeout: 60}
  - {name: ready, script: 30-ready.sh, only: first, requires: ['node@all', 'network@worker'],
     provides: [cluster], inputs: [NODES], timeout: 60}
ports:
  - {port: 6443, protocol: tcp, to: [control], from: [api, control, worker], why: API}
  - {port: 10250, protocol: tcp, to: [worker], from: [control, pods], why: kubelet}
  - {protocol: vrrp, to: [control], from: [control], why: election of the master,
     when: {control_plane.load_balancer: [vip]}}
"""
_TRUST = """\
summary: Tiny trust
description: Requests on every node, signed on the first.
layer: trust
roles: [control, worker]
inputs:
  CERTIFICATES: {from: certificates, description: the policy}
  REQUESTS: {from: step.trust.request.requests@all, description: of all servers}
  NAMES: {from: servers.names, description: of all servers}
  ADDRESSES: {from: servers.addresses, description: of all servers}
  EXTERNAL: {from: api.external, description: address for users}
  ADMIN: {from: access.admin_request, description: of the administrator}
  CA: {from: step.trust.sign.ca_kubernetes, description: the authority}
  SHARES: {from: step.trust.share.sealed@control, description: key shares of authorities}
  GENERATION: {from: rotation.certificates, description: of certificates}
  AUTHORITIES: {from: rotation.authorities, description: trusted generations}
steps:
  - {name: request, script: 10-request.sh, requires: [agent], provides: [requests],
     inputs: [CERTIFICATES], outputs: {requests: of this node}, timeout: 60}
  - {name: share, script: 15-share.sh, roles: [control], requires: ['requests@control'],
     provides: [shares], outputs: {sealed: for the others}, timeout: 60,
     when: {control_plane.count: [3, 5]}}
  - {name: sign, script: 20-sign.sh, only: first, requires: ['requests@all', 'shares@control'],
     provides: [signed],
     inputs: [REQUESTS, NAMES, ADDRESSES, EXTERNAL, ADMIN, SHARES, GENERATION, AUTHORITIES],
     outputs: {ca_kubernetes: the authority, admin_certificate: of the administrator,
               certificates_generation: agreed, authority_generations: agreed}, timeout: 60}
  - {name: install, script: 30-install.sh, requires: [signed], provides: [trust],
     inputs: [CA], timeout: 60}
"""


def script(*names: str, outputs: tuple[str, ...] = ()) -> bytes:
    """Return the script of a step that uses inputs and writes outputs."""
    lines = [f'echo "${name}"' for name in names] + [f"output {name} x" for name in outputs]
    return "\n".join([HEAD, *lines, 'echo "Done."', ""]).encode()


def tree() -> dict[str, bytes]:
    """Return the files of the minimal blocks."""
    return {
        "lib/step.sh": b"# the library\nfail() { exit 1; }\n",
        "lib/install.sh": b"# at the head\ncat >library <<'END'\nLIBRARY\nEND\n",
        "agent/heatgen-agent": b"#!/usr/bin/env python3\nprint('agent')\n",
        "agent/heatgen-agent.sh": b"#!/bin/bash\necho agent\n",
        "agent/heatgen-agent.service": b"[Service]\nExecStart=/opt/heatgen/agent/heatgen-agent\n",
        "blocks/os/debian/block.yaml": _OS.encode(),
        "blocks/os/debian/10-preflight.sh": script("ARTIFACTS"),
        "blocks/runtime/containerd/block.yaml": _RUNTIME.encode(),
        "blocks/runtime/containerd/10-start.sh": script("TOOL", "BOX_CONFIG"),
        "blocks/runtime/containerd/box.toml": b'version = 3\n[plugins."a.b"]\nimage = ""\n',
        "blocks/runtime/docker/block.yaml": _DOCKER.encode(),
        "blocks/runtime/docker/10-start.sh": script("ENGINE"),
        "blocks/kvstore/etcd/block.yaml": _KVSTORE.encode(),
        "blocks/kvstore/etcd/05-volume.sh": script("VOLUME"),
        "blocks/kvstore/etcd/10-start.sh": script("MEMBERS", outputs=("health",)),
        "blocks/network/flannel/block.yaml": _NETWORK.encode(),
        "blocks/network/flannel/10-plan.sh": script("PODS"),
        "blocks/network/flannel/20-start.sh": script("PODS"),
        "blocks/orchestration/kubernetes/block.yaml": _ORCHESTRATION.encode(),
        "blocks/orchestration/kubernetes/10-control.sh": script("API_URL"),
        "blocks/orchestration/kubernetes/05-endpoint.sh": script("ENDPOINT"),
        "blocks/orchestration/kubernetes/20-node.sh": script(
            "API_URL", "UNIT", "AGENT_CONFIG", "LABELS", "TAINTS"
        ),
        "blocks/orchestration/kubernetes/agent.yaml": b"port: 1\ngates: {new: true}\n",
        "blocks/orchestration/kubernetes/30-ready.sh": script("NODES"),
        "blocks/orchestration/kubernetes/node.service": b"[Service]\n",
        "trust/block.yaml": _TRUST.encode(),
        "trust/10-request.sh": script("CERTIFICATES", outputs=("requests",)),
        "trust/15-share.sh": script(outputs=("sealed",)),
        "trust/20-sign.sh": script(
            "REQUESTS", "NAMES", "ADDRESSES", "EXTERNAL", "ADMIN", "SHARES", "GENERATION",
            "AUTHORITIES",
            outputs=("ca_kubernetes", "admin_certificate", "certificates_generation",
                     "authority_generations"),
        ),
        "trust/30-install.sh": script("CA"),
    }  # fmt: skip


def executables(files: dict[str, bytes]) -> frozenset[str]:
    """Return the paths of all scripts."""
    return frozenset(f"hot/{path}" for path in files if path.endswith(".sh"))


def build_catalog(files: dict[str, bytes] | None = None) -> Catalog:
    """Return the catalog of the minimal blocks, or of other files."""
    return catalog.build(files or tree(), block_loader.schema("block"))


def spec(text: str = CLUSTER, blocks: Catalog | None = None) -> Spec:
    """Return the specification in a ``cluster.yaml``."""
    parsed = document.parse("cluster.yaml", text.encode())
    return read_spec(parsed, blocks or build_catalog(), block_loader.schema("cluster"))


def pinned() -> Pins:
    """Return pins of all artifacts and images of the minimal blocks."""
    return Pins({TOOL: "a" * 64, ENGINE: "e" * 64}, {PAUSE: "sha256:" + "b" * 64})


def planned(text: str = CLUSTER, control: int = 0, files: dict[str, bytes] | None = None) -> Plan:
    """Return the plan of a minimal cluster, with ``control`` control-plane nodes if given."""
    blocks = build_catalog(files)
    if control:
        text += f"control_plane: {{count: {control}}}\n"
    return build_plan(spec(text, blocks), blocks, pinned(), REQUEST)
