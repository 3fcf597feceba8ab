// Is an address in use on this network? The kernel asks by ARP when it has something to send there, and says who answered.
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import type { Ipv4 } from '../base/addresses.ts';

/** Nobody listens there, and nothing comes back but perhaps an ICMP message (RFC 863). */
const DISCARD_PORT = 9;
const LOOK_EVERY_MS = 20;
/** A host on the same switch answers in a few milliseconds; one that sleeps is woken by the first question. */
const ANSWER_MS = 400;
/** ATF_COM of <linux/if_arp.h>: the entry has its hardware address. */
const COMPLETE = 0x2;

/** Resolves after at most 400 ms. Rejects when nothing can be sent from `own`. */
export async function isAddressTaken(address: Ipv4, own: Ipv4): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(0, own, () =>
        socket.send(new Uint8Array(0), DISCARD_PORT, address, (error) => (error ? reject(error) : resolve())),
      );
    });
    for (let waited = 0; waited < ANSWER_MS; waited += LOOK_EVERY_MS) {
      if (isKnown(address)) return true;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    return isKnown(address);
  } finally {
    socket.close();
  }
}

/** `10.77.0.9  0x1  0x2  52:54:00:…  *  eth0` (proc_pid_net(5)). */
function isKnown(address: Ipv4): boolean {
  return readFileSync('/proc/net/arp', 'utf8')
    .split('\n')
    .some((line) => {
      const [ip, , flags] = line.split(/\s+/);
      return ip === address && (Number(flags) & COMPLETE) !== 0;
    });
}
