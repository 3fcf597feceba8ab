// Fuzz targets of the boot protocols' packets: DHCP with decision, doctor and reply; TFTP with negotiation and transfer; captures.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ANY_ADDRESS } from '../../src/base/addresses.ts';
import { WireError } from '../../src/base/errors.ts';
import { BootAttempts } from '../../src/boot/attempts.ts';
import { classifyClient } from '../../src/boot/client.ts';
import { decideReply } from '../../src/boot/reply.ts';
import { readCapture } from '../../src/capture/file.ts';
import { PacketReader } from '../../src/capture/packets.ts';
import { describePacket } from '../../src/dhcp/describe.ts';
import { decodePacket, encodePacket } from '../../src/dhcp/packet.ts';
import { foldFileName } from '../../src/tftp/names.ts';
import { negotiate } from '../../src/tftp/negotiate.ts';
import { decodeTftp, encodeTftp, type TftpPacket } from '../../src/tftp/packet.ts';
import { Transfer } from '../../src/tftp/transfer.ts';
import { TEST_CONTEXT } from '../support/boot-context.ts';
import { mustDecode } from '../support/dhcp-packets.ts';
import { readPcap } from '../support/pcap.ts';
import type { FuzzTarget } from './fuzz.ts';

const folder = fileURLToPath(new URL('../fixtures/pcaps/', import.meta.url));
const captures = readdirSync(folder).filter((name) => name.endsWith('.pcap'));
const datagrams = captures.flatMap((name) => readPcap(join(folder, name)));

/** Options that would give or imply an address: those are the site's own server's to give. */
const ADDRESS_OPTIONS = [1, 3, 6, 50, 51, 58, 59];
/** IPv4 and UDP heads, as they travel. */
const HEADS_BYTES = 28;
/** What an address that nobody has proved may be sent, as a multiple of what came in its name. */
const MOST_AMPLIFICATION = 3;

function checkAmplification(sentBytes: number, askedBytes: number, what: string): void {
  const ratio = (sentBytes + HEADS_BYTES) / (askedBytes + HEADS_BYTES);
  if (ratio > MOST_AMPLIFICATION) throw new Error(`${what}: ${sentBytes} bytes for ${askedBytes}`);
}

export function dhcpTarget(): FuzzTarget {
  const most = 64;
  const doctor = new BootAttempts({ hearsCheckIn: true, most });
  let now = 0;
  return {
    name: 'dhcp',
    seeds: datagrams.filter(({ target }) => [67, 4011].includes(target.port)).map(({ payload }) => payload),
    awkward: [0, 1, 52, 82, 255, 97, 43, 175],
    interestingAt: 236,
    feed(bytes, random) {
      const packet = decodePacket(bytes);
      if (packet instanceof WireError) return 'malformed';
      if (random.next() < 0.25) describePacket(packet);
      now += 50;
      const { source } = TEST_CONTEXT;
      doctor.step({ kind: 'dhcp', packet, source, target: { ...source, port: 67 } }, now);
      if (doctor.size > 2 * most) throw new Error(`the doctor keeps ${doctor.size} attempts`);
      const decision = decideReply(packet, classifyClient(packet), {
        ...TEST_CONTEXT,
        arrivedPort: random.next() < 0.125 ? 4011 : 67,
        chain: random.next() < 0.3,
      });
      if (decision.kind === 'ignore') return 'silent';
      const reply = encodePacket(decision.packet);
      checkAmplification(reply.length, bytes.length, 'reply');
      const sent = mustDecode(reply);
      if (sent.yiaddr !== ANY_ADDRESS) throw new Error('an address was given');
      if (ADDRESS_OPTIONS.some((code) => sent.options.has(code)))
        throw new Error('an address option was given');
      return 'answered';
    },
  };
}

const REQUESTS: readonly TftpPacket[] = [
  {
    kind: 'read',
    file: 'snponly.efi',
    mode: 'octet',
    options: [
      ['tsize', '0'],
      ['blksize', '1468'],
      ['windowsize', '4'],
      ['timeout', '3'],
    ],
  },
  { kind: 'read', file: '\\boot\\undionly.kpxe', mode: 'OCTET', options: [] },
  { kind: 'write', file: '../../etc/passwd', mode: 'octet', options: [] },
  { kind: 'ack', block: 1 },
  { kind: 'error', code: 8, message: 'User aborted the transfer' },
  { kind: 'oack', options: [['blksize', '1468']] },
  { kind: 'data', block: 65_535, data: new Uint8Array(16) },
];

export function tftpTarget(): FuzzTarget {
  const assets = new Map(TEST_CONTEXT.assets.map((asset) => [asset.name, asset]));
  return {
    name: 'tftp',
    seeds: REQUESTS.map(encodeTftp),
    awkward: [0, 1, 2, 3, 4, 5, 6, 255, 0x30, 0x39, 0x2d, 0x2f, 0x5c],
    feed(bytes) {
      const packet = decodeTftp(bytes);
      if (packet instanceof WireError) return 'malformed';
      if (packet.kind !== 'read' && packet.kind !== 'write') return packet.kind;
      const answer = negotiate(packet, {
        maxBlksize: 1468,
        find: (requested) => assets.get(requested) ?? assets.get(foldFileName(requested)),
      });
      if ('code' in answer) {
        checkAmplification(encodeTftp({ kind: 'error', ...answer }).length, bytes.length, 'error');
        return 'denied';
      }
      const oack = encodeTftp({ kind: 'oack', options: answer.options });
      const sends = countUnproven(new Transfer(answer));
      // A request without options can only be answered by block 1 (RFC 1350), once: `admission` bounds how many of them.
      if (answer.options.length === 0) {
        if (sends > 1) throw new Error(`block 1 ${sends} times`);
        return 'block 1 once';
      }
      checkAmplification(sends * (oack.length + HEADS_BYTES) - HEADS_BYTES, bytes.length, 'oack');
      return `oack ${sends} times`;
    },
  };
}

/** Runs a transfer to a client that never answers; how often it sends before it gives up. */
function countUnproven(transfer: Transfer): number {
  let sends = transfer.step({ kind: 'start' }, 0).filter(({ kind }) => kind.startsWith('send')).length;
  for (let turns = 0; turns < 100; turns++) {
    const wake = transfer.nextWake();
    if (wake === undefined) return sends;
    sends += transfer.step({ kind: 'wake' }, wake).filter(({ kind }) => kind.startsWith('send')).length;
  }
  throw new Error('it never gives up');
}

export function captureTarget(): FuzzTarget {
  // The beginning of each: a dozen frames are as many lengths as a hundred.
  const seeds = captures.map((name) => new Uint8Array(readFileSync(join(folder, name)).subarray(0, 2_000)));
  return {
    name: 'capture',
    seeds,
    awkward: [0, 1, 2, 3, 6, 10, 13, 69, 127, 128, 255],
    feed(bytes) {
      const file = readCapture(bytes);
      if (file instanceof WireError) return 'malformed';
      const reader = new PacketReader();
      let read = 0;
      for (const frame of file.frames) {
        const packet = reader.read(frame);
        if (packet === undefined) continue;
        if (packet.payload.length > 0x1_0000) throw new Error('a packet larger than any');
        read += 1;
      }
      return read > 0 ? 'packets' : 'no packets';
    },
  };
}
