# SPDX-License-Identifier: Apache-2.0
"""The services of the lab and their dependencies."""

from collections.abc import Callable

from lab.cloud import paths
from lab.cloud.probes import http_responds, log_contains, port_accepts, socket_accepts
from lab.cloud.processes import Service

CONTROLLER = "203.0.113.1"
ETC = paths.INSIDE / "cloud" / "etc"
RABBIT = paths.INSIDE / "cloud" / "rabbitmq"


def url(port: int) -> str:
    """Return the URL of a port of the controller."""
    return f"http://{CONTROLLER}:{port}/"


def openstack(name: str, *files: str, **named: object) -> Service:
    """Return an OpenStack daemon that reads files of lab/cloud/etc."""
    options = [f"--config-file={ETC / file}" for file in files]
    return Service(name=name, command=(f"/usr/bin/{name}", *options), **named)  # type: ignore[arg-type]


def ready_message(name: str, text: str) -> dict[str, object]:
    """Return the probe argument of a daemon that reports readiness only in its log."""
    return {"ready": log_contains(paths.LOG / f"{name}.log", text)}


def heat(name: str, ready: Callable[[], bool]) -> Service:
    """Return a service of Heat, of the version that `lab.cloud.heat` selected."""
    return Service(
        name=f"heat-{name}", command=(str(paths.HERE / "bin" / "lab-heat"), name), ready=ready
    )


def uwsgi(name: str, port: int, environment: dict[str, str]) -> Service:
    """Return a WSGI service, configured by the ini file with its name."""
    command = ("/usr/bin/uwsgi", "--ini", str(ETC / f"{name}-uwsgi.ini"))
    return Service(
        name=name, command=command, ready=http_responds(url(port)), environment=environment
    )


MARIADB = Service(
    name="mariadb",
    command=("/usr/sbin/mariadbd", f"--defaults-file={ETC / 'mariadb.cnf'}"),
    ready=socket_accepts("/run/mysqld/mysqld.sock"),
)
RABBITMQ = Service(
    name="rabbitmq",
    command=("/usr/bin/setpriv", "--reuid=rabbitmq", "--regid=rabbitmq", "--clear-groups")
    + ("/usr/lib/rabbitmq/bin/rabbitmq-server",),
    ready=port_accepts("127.0.0.1", 5672),
    environment={
        "HOME": str(RABBIT),
        "RABBITMQ_NODENAME": "lab@localhost",
        "RABBITMQ_CONFIG_FILE": str(ETC / "rabbitmq.conf"),
        "RABBITMQ_MNESIA_BASE": str(RABBIT),
        "RABBITMQ_LOG_BASE": str(RABBIT),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(RABBIT / "enabled_plugins"),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    },
)
MEMCACHED = Service(
    name="memcached",
    command=("/usr/bin/memcached", "-u", "memcache", "-l", "127.0.0.1", "-p", "11211"),
    ready=port_accepts("127.0.0.1", 11211),
)
MIRROR = Service(
    name="mirror",
    command=("/usr/sbin/nginx", "-c", str(ETC / "nginx.conf")),
    ready=port_accepts(CONTROLLER, 8080),
)
REGISTRY = Service(
    name="registry",
    command=("/usr/bin/docker-registry", "serve", str(ETC / "registry.yml")),
    ready=http_responds(url(5000) + "v2/"),
)
KEYSTONE = uwsgi("keystone", 35357, {"OS_KEYSTONE_CONFIG_FILES": str(ETC / "keystone.conf")})
PLACEMENT = uwsgi("placement", 8778, {"OS_PLACEMENT_CONFIG_DIR": str(ETC)})
GLANCE = openstack("glance-api", "glance-api.conf", ready=http_responds(url(9292)))
NOVA_API = openstack("nova-api", "nova.conf", ready=http_responds(url(8774)))
NOVA_CONDUCTOR = openstack(
    "nova-conductor", "nova.conf", **ready_message("nova-conductor", "Starting conductor node")
)
NOVA_SCHEDULER = openstack(
    "nova-scheduler", "nova.conf", **ready_message("nova-scheduler", "Starting scheduler node")
)
NEUTRON_SERVER = openstack(
    "neutron-server",
    "neutron.conf",
    "ml2.ini",
    ready=http_responds(url(9696)),
    # With epoll, a request in the socket's buffer was once not read for six minutes, and the
    # deletion of a stack waited for it.
    environment={"EVENTLET_HUB": "poll"},
)
HEAT_API = heat("api", http_responds(url(8004)))
HEAT_API_CFN = heat("api-cfn", http_responds(url(8000)))
HEAT_ENGINE = heat("engine", log_contains(paths.LOG / "heat-engine.log", "Starting engine"))

VIRTLOGD = Service(
    name="virtlogd",
    command=("/usr/sbin/virtlogd",),
    ready=socket_accepts("/run/libvirt/virtlogd-sock"),
)
LIBVIRTD = Service(
    name="libvirtd",
    command=("/usr/sbin/libvirtd",),
    ready=socket_accepts("/run/libvirt/libvirt-sock"),
)

LINUXBRIDGE = openstack(
    "neutron-linuxbridge-agent",
    "neutron.conf",
    "ml2.ini",
    **ready_message("neutron-linuxbridge-agent", "Agent initialized successfully"),
)
DHCP = openstack(
    "neutron-dhcp-agent",
    "neutron.conf",
    "dhcp-agent.ini",
    **ready_message("neutron-dhcp-agent", "DHCP agent started"),
)
L3 = openstack(
    "neutron-l3-agent",
    "neutron.conf",
    "l3-agent.ini",
    **ready_message("neutron-l3-agent", "L3 agent started"),
)
METADATA = openstack(
    "neutron-metadata-agent",
    "neutron.conf",
    "metadata-agent.ini",
    ready=socket_accepts("/run/heatgen-lab/cloud/neutron/metadata_proxy"),
)
NOVA_COMPUTE = Service(
    name="nova-compute",
    command=("/usr/bin/python3", str(paths.HERE / "bin" / "nova-compute"))
    + (f"--config-file={ETC / 'nova.conf'}",),
    ready=log_contains(paths.LOG / "nova-compute.log", "Starting compute node"),
)

# Service to the names of those that must be ready before; other names are steps of
# `lifecycle.inside_up`.
NEEDS: dict[Service, tuple[str, ...]] = {
    MIRROR: (),
    REGISTRY: (),
    MEMCACHED: (),
    RABBITMQ: (),
    VIRTLOGD: (),
    MARIADB: ("databases",),
    LIBVIRTD: ("virtlogd",),
    KEYSTONE: ("mariadb", "memcached"),
    GLANCE: ("mariadb", "memcached"),
    PLACEMENT: ("mariadb", "memcached"),
    NEUTRON_SERVER: ("mariadb", "memcached", "rabbitmq"),
    NOVA_API: ("mariadb", "memcached", "rabbitmq"),
    NOVA_CONDUCTOR: ("mariadb", "memcached", "rabbitmq", "catalog"),
    NOVA_SCHEDULER: ("mariadb", "memcached", "rabbitmq", "catalog"),
    HEAT_API: ("mariadb", "memcached", "rabbitmq"),
    HEAT_API_CFN: ("mariadb", "memcached", "rabbitmq"),
    HEAT_ENGINE: ("mariadb", "memcached", "rabbitmq"),
    # If the server is not ready, agents wait half a minute before they retry.
    LINUXBRIDGE: ("neutron-server",),
    DHCP: ("neutron-server",),
    L3: ("neutron-server",),
    METADATA: ("neutron-server",),
    NOVA_COMPUTE: ("nova-conductor", "neutron-server", "placement", "catalog", "libvirtd"),
}
# TLS, proxy and tokens: see "A closed site" in lab/README.rst.
SITE = Service(
    name="site",
    command=("/usr/sbin/nginx", "-c", str(ETC / "site.conf")),
    ready=port_accepts(CONTROLLER, 13000),
)
HEAT_API_TLS = heat("api-tls", http_responds("http://127.0.0.1:18004/"))
PROXY = Service(
    name="proxy",
    command=("/usr/bin/tinyproxy", "-d", "-c", str(ETC / "tinyproxy.conf")),
    ready=port_accepts(CONTROLLER, 3128),
)
TOKEN_SERVER = Service(
    name="token-server",
    command=(str(paths.HERE / "bin" / "token-server"), str(paths.INSIDE / "cloud" / "tls")),
    ready=port_accepts("127.0.0.1", 5002),
)
REGISTRY_TOKEN = Service(
    name="registry-token",
    command=("/usr/bin/docker-registry", "serve", str(ETC / "registry-token.yml")),
    ready=http_responds("http://127.0.0.1:5001/v2/"),
)
# `up` does not start these.
ON_DEMAND = (SITE, HEAT_API_TLS, PROXY, TOKEN_SERVER, REGISTRY_TOKEN)
ALL = {service.name: service for service in (*NEEDS, *ON_DEMAND)}
