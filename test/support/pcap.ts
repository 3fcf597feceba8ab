// Reads a capture (classic pcap, Ethernet, IPv4, UDP) into its datagrams: enough for the DHCP captures of the tests.
import { readFileSync } from 'node:fs';
import { formatIpv4, type Ipv4 } from '../../src/base/addresses.ts';
import { viewOf } from '../../src/base/bytes.ts';

export interface CapturedDatagram {
  /** Number of the frame in the capture, from 1, as Wireshark shows it. */
  readonly frame: number;
  /** Since the capture's first frame. */
  readonly atMs: number;
  readonly source: { readonly address: Ipv4; readonly port: number };
  readonly target: { readonly address: Ipv4; readonly port: number };
  readonly payload: Uint8Array;
}

const LITTLE_ENDIAN_MICROSECONDS = 0xa1b2c3d4;
const ETHERTYPE_IPV4 = 0x0800;
const PROTOCOL_UDP = 17;

/** The UDP datagrams that were captured whole; other frames are passed over. */
export function readPcap(path: string): CapturedDatagram[] {
  const bytes = new Uint8Array(readFileSync(path));
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== LITTLE_ENDIAN_MICROSECONDS)
    throw new Error(`${path} is not such a capture`);
  const found: CapturedDatagram[] = [];
  let startMs: number | undefined;
  let frame = 0;
  for (let at = 24; at + 16 <= bytes.length; ) {
    frame += 1;
    const ms = view.getUint32(at, true) * 1000 + view.getUint32(at + 4, true) / 1000;
    startMs ??= ms;
    const captured = view.getUint32(at + 8, true);
    const whole = captured === view.getUint32(at + 12, true);
    const ethernet = bytes.subarray(at + 16, at + 16 + captured);
    at += 16 + captured;
    if (!whole || captured < 42 || viewOf(ethernet).getUint16(12) !== ETHERTYPE_IPV4) continue;
    const ip = ethernet.subarray(14);
    if (ip[9] !== PROTOCOL_UDP) continue;
    const udp = ip.subarray(((ip[0] as number) & 0x0f) * 4);
    const udpView = viewOf(udp);
    found.push({
      frame,
      atMs: ms - startMs,
      source: { address: formatIpv4(ip.subarray(12, 16)), port: udpView.getUint16(0) },
      target: { address: formatIpv4(ip.subarray(16, 20)), port: udpView.getUint16(2) },
      payload: udp.slice(8, udpView.getUint16(4)),
    });
  }
  return found;
}
