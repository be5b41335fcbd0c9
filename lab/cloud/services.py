# SPDX-License-Identifier: Apache-2.0
"""The table of all services: what runs in the lab, and what each waits for."""

from lab.cloud import paths
from lab.cloud.probes import accepts, answers, listens, says
from lab.cloud.processes import Service

CONTROLLER = "203.0.113.1"
ETC = paths.INSIDE / "cloud" / "etc"
RABBIT = paths.INSIDE / "cloud" / "rabbitmq"


def url(port: int) -> str:
    """Return the address of a port of the controller."""
    return f"http://{CONTROLLER}:{port}/"


def openstack(name: str, *files: str, **named: object) -> Service:
    """Return an OpenStack daemon that reads the given files of lab/cloud/etc."""
    options = [f"--config-file={ETC / file}" for file in files]
    return Service(name=name, command=(f"/usr/bin/{name}", *options), **named)  # type: ignore[arg-type]


def log_says(name: str, words: str) -> dict[str, object]:
    """Return the probe argument of a daemon that shows only in its log that it is ready."""
    return {"ready": says(paths.LOG / f"{name}.log", words)}


def uwsgi(name: str, port: int, environment: dict[str, str]) -> Service:
    """Return a WSGI service, run by the ini file of its name."""
    command = ("/usr/bin/uwsgi", "--ini", str(ETC / f"{name}-uwsgi.ini"))
    return Service(name=name, command=command, ready=answers(url(port)), environment=environment)


MARIADB = Service(
    name="mariadb",
    command=("/usr/sbin/mariadbd", f"--defaults-file={ETC / 'mariadb.cnf'}"),
    ready=accepts("/run/mysqld/mysqld.sock"),
)
RABBITMQ = Service(
    name="rabbitmq",
    command=("/usr/bin/setpriv", "--reuid=rabbitmq", "--regid=rabbitmq", "--clear-groups")
    + ("/usr/lib/rabbitmq/bin/rabbitmq-server",),
    ready=listens("127.0.0.1", 5672),
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
    ready=listens("127.0.0.1", 11211),
)
MIRROR = Service(
    name="mirror",
    command=("/usr/sbin/nginx", "-c", str(ETC / "nginx.conf")),
    ready=listens(CONTROLLER, 8080),
)
REGISTRY = Service(
    name="registry",
    command=("/usr/bin/docker-registry", "serve", str(ETC / "registry.yml")),
    ready=answers(url(5000) + "v2/"),
)
KEYSTONE = uwsgi("keystone", 35357, {"OS_KEYSTONE_CONFIG_FILES": str(ETC / "keystone.conf")})
PLACEMENT = uwsgi("placement", 8778, {"OS_PLACEMENT_CONFIG_DIR": str(ETC)})
GLANCE = openstack("glance-api", "glance-api.conf", ready=answers(url(9292)))
NOVA_API = openstack("nova-api", "nova.conf", ready=answers(url(8774)))
NOVA_CONDUCTOR = openstack(
    "nova-conductor", "nova.conf", **log_says("nova-conductor", "Starting conductor node")
)
NOVA_SCHEDULER = openstack(
    "nova-scheduler", "nova.conf", **log_says("nova-scheduler", "Starting scheduler node")
)
NEUTRON_SERVER = openstack("neutron-server", "neutron.conf", "ml2.ini", ready=answers(url(9696)))
HEAT_API = openstack("heat-api", "heat.conf", ready=answers(url(8004)))
HEAT_API_CFN = openstack("heat-api-cfn", "heat.conf", ready=answers(url(8000)))
HEAT_ENGINE = openstack("heat-engine", "heat.conf", **log_says("heat-engine", "Starting engine"))

VIRTLOGD = Service(
    name="virtlogd", command=("/usr/sbin/virtlogd",), ready=accepts("/run/libvirt/virtlogd-sock")
)
LIBVIRTD = Service(
    name="libvirtd", command=("/usr/sbin/libvirtd",), ready=accepts("/run/libvirt/libvirt-sock")
)

LINUXBRIDGE = openstack(
    "neutron-linuxbridge-agent",
    "neutron.conf",
    "ml2.ini",
    **log_says("neutron-linuxbridge-agent", "Agent initialized successfully"),
)
DHCP = openstack(
    "neutron-dhcp-agent",
    "neutron.conf",
    "dhcp-agent.ini",
    **log_says("neutron-dhcp-agent", "DHCP agent started"),
)
L3 = openstack(
    "neutron-l3-agent",
    "neutron.conf",
    "l3-agent.ini",
    **log_says("neutron-l3-agent", "L3 agent started"),
)
METADATA = openstack(
    "neutron-metadata-agent",
    "neutron.conf",
    "metadata-agent.ini",
    ready=accepts("/run/heatgen-lab/cloud/neutron/metadata_proxy"),
)
NOVA_COMPUTE = Service(
    name="nova-compute",
    command=("/usr/bin/python3", str(paths.HERE / "bin" / "nova-compute"))
    + (f"--config-file={ETC / 'nova.conf'}",),
    ready=says(paths.LOG / "nova-compute.log", "Starting compute node"),
)

# Who must be ready before whom. Names that are no service are steps of `lifecycle.inside_up`.
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
    # Agents that come before the server they report to wait half a minute before they ask again.
    LINUXBRIDGE: ("neutron-server",),
    DHCP: ("neutron-server",),
    L3: ("neutron-server",),
    METADATA: ("neutron-server",),
    NOVA_COMPUTE: ("nova-conductor", "neutron-server", "placement", "catalog", "libvirtd"),
}
ALL = {service.name: service for service in NEEDS}
