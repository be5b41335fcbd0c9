# SPDX-License-Identifier: Apache-2.0
"""Scan all TCP ports of addresses with raw SYN packets; requires root.

Argument: `{"addresses": [...], "source": ADDRESS or null}`. Prints for each address the ports that
are `open`, and as ranges the ports that are `refused` (the packet arrived, but no process listens).
All others did not respond; they are tried twice, because a packet may be lost. No connections
remain: the kernel does not know them and resets those that open.
"""

import json
import random
import socket
import struct
import sys
import time

PORTS = range(1, 65536)
BATCH = 256
PAUSE = 0.003
LAST_SECONDS = 1.0
ROUNDS = 2
# Above the range of ephemeral ports of Linux (net.ipv4.ip_local_port_range).
OWN_PORTS = (61001, 65535)
SYN, RST, SYN_ACK = 0x02, 0x04, 0x12


class Scanner:
    """Scans the ports of one address."""

    def __init__(self, address: str, source: str | None) -> None:
        """Open a raw socket that receives packets only from this address."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((address, 0))
        self.socket.setblocking(False)
        here = socket.inet_aton(self.socket.getsockname()[0])
        self.pseudo = here + socket.inet_aton(address) + struct.pack("!BBH", 0, 6, 20)
        self.own_port = random.randint(*OWN_PORTS)
        self.open: set[int] = set()
        self.refused: set[int] = set()

    def packet(self, port: int) -> bytes:
        """Return the TCP header of a SYN packet to a port."""
        parts = (self.own_port, port, random.getrandbits(32), 0, 5 << 4, SYN, 64240)
        bare = struct.pack("!HHIIBBHHH", *parts, 0, 0)
        words = struct.unpack("!16H", self.pseudo + bare)
        total = sum(words)
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        return struct.pack("!HHIIBBHHH", *parts, ~total & 0xFFFF, 0)

    def send(self, port: int) -> None:
        """Send one packet; wait while buffers are full."""
        for _ in range(1000):
            try:
                self.socket.send(self.packet(port))
            except (BlockingIOError, InterruptedError):
                time.sleep(PAUSE)
            except OSError as error:
                # ENOBUFS: buffers are full. EPERM: the packet is blocked locally.
                if error.errno not in (1, 105):
                    raise
                time.sleep(PAUSE)
                if error.errno == 1:
                    return
            else:
                return

    def receive(self) -> None:
        """Read all pending responses."""
        while True:
            try:
                packet = self.socket.recv(4096)
            except BlockingIOError:
                return
            except ConnectionRefusedError:  # an ICMP error from this address
                continue
            begin = (packet[0] & 0x0F) * 4
            source, target = struct.unpack_from("!HH", packet, begin)
            flags = packet[begin + 13]
            if target != self.own_port:
                continue
            if flags & SYN_ACK == SYN_ACK:
                self.open.add(source)
            elif flags & RST:
                self.refused.add(source)

    def scan(self) -> None:
        """Scan all ports in random order, then again those that did not respond."""
        for _ in range(ROUNDS):
            ports = sorted(set(PORTS) - self.open - self.refused)
            random.shuffle(ports)
            for begin in range(0, len(ports), BATCH):
                for port in ports[begin : begin + BATCH]:
                    self.send(port)
                self.receive()
                time.sleep(PAUSE)
            end = time.monotonic() + LAST_SECONDS
            while time.monotonic() < end:
                self.receive()
                time.sleep(0.01)


def ranges(ports: set[int]) -> list[list[int]]:
    """Return ports as inclusive ranges."""
    found: list[list[int]] = []
    for port in sorted(ports):
        if found and found[-1][1] == port - 1:
            found[-1][1] = port
        else:
            found.append([port, port])
    return found


def main() -> None:
    """Scan all addresses in sequence."""
    options = json.loads(sys.argv[1])
    results = {}
    for address in options["addresses"]:
        scanner = Scanner(address, options["source"])
        scanner.scan()
        results[address] = {"open": sorted(scanner.open), "refused": ranges(scanner.refused)}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
