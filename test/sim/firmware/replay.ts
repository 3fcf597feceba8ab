// Plays a capture to an emulated machine: the servers' packets go in, and each packet of the real client must be what the machine sends.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Ipv4, Mac } from '../../../src/base/addresses.ts';
import { fromHex, toText, viewOf } from '../../../src/base/bytes.ts';
import { WireError } from '../../../src/base/errors.ts';
import type { Random } from '../../../src/base/random.ts';
import { describePacket } from '../../../src/dhcp/describe.ts';
import { decodePacket } from '../../../src/dhcp/packet.ts';
import type {
  Firmware,
  FirmwareAction,
  FirmwareEvent,
  FirmwareHardware,
} from '../../../src/sim/firmware/firmware.ts';
import { decodeTftp, encodeTftp } from '../../../src/tftp/packet.ts';
import { type CapturedDatagram, readPcap } from '../../support/pcap.ts';

/** The lab's guest, as all captures have it. */
export const CAPTURED: FirmwareHardware = {
  mac: '52:54:00:77:00:01' as Mac,
  uuid: fromHex('00000077000000408000000000000001') ?? new Uint8Array(16),
};

export function capturePath(name: string): string {
  return fileURLToPath(new URL(`../../fixtures/pcaps/${name}.pcap`, import.meta.url));
}

/** Transaction ids in the order in which the client drew them, so that the machine draws the same. */
export function drawing(xids: readonly number[]): Random {
  const rest = [...xids];
  return { next: () => (rest.shift() ?? 0) / 2 ** 32 };
}

/** What a client sent, for comparing: every field and option of DHCP, every word of a TFTP request or error. */
export type Said = { readonly what: string; readonly lines: readonly string[]; readonly sizeBytes?: number };

function said(port: number, bytes: Uint8Array): Said | undefined {
  if (port === 67 || port === 4011) {
    const packet = decodePacket(bytes);
    if (packet instanceof WireError) throw packet;
    return { what: `dhcp to ${port}`, lines: describePacket(packet), sizeBytes: bytes.length };
  }
  const packet = decodeTftp(bytes);
  if (packet instanceof WireError) throw packet;
  // The captures hold few acknowledgements.
  if (packet.kind === 'ack') return undefined;
  return { what: 'tftp', lines: [JSON.stringify(packet)] };
}

const SERVERS = ['10.77.0.1', '10.77.0.2'];
const isClients = ({ source }: CapturedDatagram) => !SERVERS.includes(source.address);

/** The packets of the real client between two frames. */
export function clientPackets(name: string, first = 1, last = Number.POSITIVE_INFINITY): CapturedDatagram[] {
  return readPcap(capturePath(name)).filter(
    (datagram) => datagram.frame >= first && datagram.frame <= last && isClients(datagram),
  );
}

export interface Replayed {
  readonly expected: readonly Said[];
  readonly sent: readonly Said[];
  /** Heads of HTTP requests that the machine made; it got `httpStatus` for each. */
  readonly http: readonly string[];
}

/**
 * Time goes by whenever the machine waits. A file that the capture shows the beginning of only is completed by an empty last block,
 * once the client asks for something else.
 */
export function replay(
  name: string,
  machine: Firmware,
  options: { first?: number; last?: number; httpStatus?: (url: string) => number; body?: string } = {},
): Replayed {
  const { first = 1, last = Number.POSITIVE_INFINITY, httpStatus = () => 200 } = options;
  const expected: Said[] = [];
  const sent: Said[] = [];
  const http: string[] = [];
  let now = 0;
  let port = 0;
  let toServer = { address: '0.0.0.0' as Ipv4, port: 69 };
  let transfer: { address: Ipv4; port: number } | undefined;
  const take = (actions: readonly FirmwareAction[]) => {
    for (const action of actions) {
      if (action.kind === 'http') {
        http.push(headOf(action));
        const body = new TextEncoder().encode(options.body ?? '');
        feed({
          kind: 'http',
          answer: { status: httpStatus(action.url), sizeBytes: body.length, body },
        });
      }
      if (action.kind !== 'send') continue;
      port = action.port;
      toServer = action.to;
      const words = said(
        action.to.port === 67 || action.to.port === 4011 ? action.to.port : 69,
        action.bytes,
      );
      if (words !== undefined) sent.push(words);
    }
  };
  const feed = (event: FirmwareEvent) => take(machine.step(event, now));
  const untilItSends = () => {
    const before = sent.length;
    for (let turns = 0; turns < 50 && sent.length === before; turns++) {
      const wake = machine.nextWake();
      if (wake === undefined) return;
      now = Math.max(now, wake);
      feed({ kind: 'wake' });
    }
  };
  const finishFile = () => {
    if (transfer === undefined) return;
    const from = transfer;
    transfer = undefined;
    feed({
      kind: 'datagram',
      port,
      from,
      bytes: encodeTftp({ kind: 'data', block: 1, data: new Uint8Array(0) }),
    });
  };

  feed({ kind: 'power-on' });
  const datagrams = readPcap(capturePath(name)).filter(({ frame }) => frame >= first && frame <= last);
  for (const datagram of datagrams) {
    const { source, target, payload } = datagram;
    if (!isClients(datagram)) {
      const isTftp = ![67, 68, 4011].includes(target.port);
      if (isTftp && toServer.port === 69) {
        const packet = decodeTftp(payload);
        if (!(packet instanceof WireError) && packet.kind === 'oack') transfer = source;
      }
      feed({ kind: 'datagram', port: isTftp ? port : target.port, from: source, bytes: payload });
      continue;
    }
    const words = said(target.port === 67 || target.port === 4011 ? target.port : 69, payload);
    if (words === undefined) continue;
    if (words.lines[0]?.includes('"error"') === true) transfer = undefined;
    if (expected.length === sent.length) finishFile();
    if (expected.length === sent.length) untilItSends();
    expected.push(words);
  }
  finishFile();
  return { expected, sent: sent.slice(0, expected.length), http };
}

/** The request line, then the headers sorted; `Host` is the wire's business. */
function headOf(action: FirmwareAction & { kind: 'http' }): string {
  const path = action.url.replace(/^http:\/\/[^/]+/, '');
  return [
    `${action.method} ${path} HTTP/1.1`,
    ...action.headers.map(([name, value]) => `${name}: ${value}`).sort(),
  ].join('\n');
}

/** Heads of the HTTP requests in a capture, as `headOf` writes them. */
export function capturedHeads(name: string): string[] {
  const bytes = new Uint8Array(readFileSync(capturePath(name)));
  const view = viewOf(bytes);
  const heads: string[] = [];
  for (let at = 24; at + 16 <= bytes.length; ) {
    const captured = view.getUint32(at + 8, true);
    const frame = bytes.subarray(at + 16, at + 16 + captured);
    at += 16 + captured;
    if (frame.length < 54 || frame[23] !== 6) continue;
    const tcpAt = 14 + ((frame[14] as number) & 0x0f) * 4;
    const text = toText(frame.subarray(tcpAt + ((frame[tcpAt + 12] as number) >> 4) * 4));
    if (!/^(GET|HEAD) /.test(text)) continue;
    const [line = '', ...headers] = (text.split('\r\n\r\n')[0] ?? '').split('\r\n');
    heads.push([line, ...headers.filter((header) => !header.startsWith('Host:')).sort()].join('\n'));
  }
  return heads;
}
