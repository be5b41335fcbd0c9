# SPDX-License-Identifier: Apache-2.0
"""Which TCP ports of some addresses answer? All 65535 of each, by raw SYN packets; root.

Argument: `{"addresses": [...], "source": ADDRESS or null}`. Prints for each address which ports are
`open` (somebody listens) and which are `refused` (the packet came through, nobody listens), the
latter as ranges; all others did not answer. A packet may be lost, so who did not answer is asked
once more. Nothing is left behind: the kernel, which knows of no such connection, resets what opens.
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
# Above the range from which Linux gives ports out (net.ipv4.ip_local_port_range).
OWN_PORTS = (61001, 65535)
SYN, RST, SYN_ACK = 0x02, 0x04, 0x12


class Scanner:
    """The ports of one address."""

    def __init__(self, address: str, source: str | None) -> None:
        """Open a raw socket that hears of this address only."""
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
        """Return a TCP header that asks for a connection to a port."""
        parts = (self.own_port, port, random.getrandbits(32), 0, 5 << 4, SYN, 64240)
        bare = struct.pack("!HHIIBBHHH", *parts, 0, 0)
        words = struct.unpack("!16H", self.pseudo + bare)
        total = sum(words)
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        return struct.pack("!HHIIBBHHH", *parts, ~total & 0xFFFF, 0)

    def send(self, port: int) -> None:
        """Send one request, waiting for room."""
        for _ in range(1000):
            try:
                self.socket.send(self.packet(port))
            except (BlockingIOError, InterruptedError):
                time.sleep(PAUSE)
            except OSError as error:
                # The network's buffers are full, or the packet is not let out at all.
                if error.errno not in (1, 105):
                    raise
                time.sleep(PAUSE)
                if error.errno == 1:
                    return
            else:
                return

    def hear(self) -> None:
        """Read all answers that are there."""
        while True:
            try:
                heard = self.socket.recv(4096)
            except BlockingIOError:
                return
            except ConnectionRefusedError:  # an ICMP error of this address
                continue
            begin = (heard[0] & 0x0F) * 4
            there, here = struct.unpack_from("!HH", heard, begin)
            flags = heard[begin + 13]
            if here != self.own_port:
                continue
            if flags & SYN_ACK == SYN_ACK:
                self.open.add(there)
            elif flags & RST:
                self.refused.add(there)

    def scan(self) -> None:
        """Ask all ports, in disorder, then once more those that did not answer."""
        for _ in range(ROUNDS):
            ports = sorted(set(PORTS) - self.open - self.refused)
            random.shuffle(ports)
            for begin in range(0, len(ports), BATCH):
                for port in ports[begin : begin + BATCH]:
                    self.send(port)
                self.hear()
                time.sleep(PAUSE)
            end = time.monotonic() + LAST_SECONDS
            while time.monotonic() < end:
                self.hear()
                time.sleep(0.01)


def ranges(ports: set[int]) -> list[list[int]]:
    """Return ports as ranges, both ends included."""
    found: list[list[int]] = []
    for port in sorted(ports):
        if found and found[-1][1] == port - 1:
            found[-1][1] = port
        else:
            found.append([port, port])
    return found


def main() -> None:
    """Scan all addresses, one after another."""
    wanted = json.loads(sys.argv[1])
    told = {}
    for address in wanted["addresses"]:
        scanner = Scanner(address, wanted["source"])
        scanner.scan()
        told[address] = {"open": sorted(scanner.open), "refused": ranges(scanner.refused)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
