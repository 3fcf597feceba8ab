// The sockets of a host on the virtual LAN, behind the same ports as real ones: so the real services run there unchanged.
import { ANY_ADDRESS, type Ipv4 } from '../../src/base/addresses.ts';
import type { Endpoint } from '../../src/dhcp/destination.ts';
import type { OpenUdp } from '../../src/dhcp/ports.ts';
import type { Datagram, Lan, LanHost, LanProgram } from '../../src/sim/firmware/lan.ts';
import type { TftpSockets } from '../../src/tftp/ports.ts';

type Deliver = (bytes: Uint8Array, from: Endpoint) => void;

/** A UDP socket each by `address:port`; what comes to an address goes to its socket, else to that of 0.0.0.0. */
export class LanSockets {
  readonly #lan: Lan;
  readonly host: LanHost;
  readonly #open = new Map<string, Deliver>();
  #nextPort = 32_768;

  constructor(lan: Lan, segment: number, address: Ipv4, http?: LanProgram['http']) {
    this.#lan = lan;
    this.host = lan.plug(segment, [address], {
      datagram: (datagram) => this.#arrived(datagram),
      ...(http === undefined ? {} : { http }),
    });
  }

  readonly openUdp: OpenUdp = async ({ local, onDatagram }) => {
    this.#open.set(key(local), onDatagram);
    return {
      sharedWith: [],
      send: async (bytes, to) => this.#send(local, to, bytes),
      close: async () => void this.#open.delete(key(local)),
    };
  };

  readonly tftp: TftpSockets = {
    listen: async (local, onRequest) => {
      this.#open.set(key(local), (bytes, from) => onRequest(from, bytes));
      return {
        local,
        send: (to, bytes) => this.#send(local, to, bytes),
        close: async () => void this.#open.delete(key(local)),
      };
    },
    connect: (address, client, handlers) => {
      const local = { address, port: this.#nextPort++ };
      this.#open.set(key(local), (bytes, from) => {
        // As the kernel does for a connected socket: strangers are dropped.
        if (from.address === client.address && from.port === client.port) handlers.onPacket(bytes);
      });
      return {
        send: (packet) => this.#send(local, client, packet),
        close: () => void this.#open.delete(key(local)),
      };
    },
  };

  #send(from: Endpoint, to: Endpoint, bytes: Uint8Array): void {
    // A sender may use its buffer again once it is acknowledged; the LAN may still hold a late copy.
    this.#lan.send(this.host, { from, to, bytes: bytes.slice() });
  }

  #arrived({ from, to, bytes }: Datagram): void {
    const deliver = this.#open.get(key(to)) ?? this.#open.get(key({ address: ANY_ADDRESS, port: to.port }));
    deliver?.(bytes, from);
  }
}

function key({ address, port }: Endpoint): string {
  return `${address}:${port}`;
}
