// Golden captures: beside each x.pcap lies x.txt with every DHCP packet decoded and what we would answer.
// `UPDATE_GOLDENS=1 vitest run test/dhcp/captures.test.ts` rewrites them.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { WireError } from '../../src/base/errors.ts';
import { classifyClient } from '../../src/boot/client.ts';
import { decideReply } from '../../src/boot/reply.ts';
import { describePacket } from '../../src/dhcp/describe.ts';
import { BOOT_REQUEST, decodePacket, encodePacket } from '../../src/dhcp/packet.ts';
import { TEST_CONTEXT } from '../support/boot-context.ts';
import { type CapturedDatagram, readPcap } from '../support/pcap.ts';

const folder = fileURLToPath(new URL('../fixtures/pcaps/', import.meta.url));
const DHCP_PORTS = [67, 68, 4011];

function tell(datagram: CapturedDatagram): string {
  const { frame, atMs, source, target, payload } = datagram;
  const head = `#${frame} +${(atMs / 1000).toFixed(3)} s ${source.address}:${source.port} → ${target.address}:${target.port}`;
  const packet = decodePacket(payload);
  if (packet instanceof WireError) return `${head}\n  WireError: ${packet.message}`;
  const lines = describePacket(packet).map((line) => `  ${line}`);
  if (packet.op !== BOOT_REQUEST) return [head, ...lines].join('\n');
  const client = classifyClient(packet);
  const decision = decideReply(packet, client, {
    ...TEST_CONTEXT,
    source,
    arrivedPort: target.port === 4011 ? 4011 : 67,
  });
  const { identity, ...rest } = client;
  const answer =
    decision.kind === 'ignore'
      ? [`  ⇒ silence: ${decision.reason} (${decision.detail})`]
      : [
          `  ⇒ ${decision.destination.kind} to ${decision.destination.address}:${decision.destination.port}, ${encodePacket(decision.packet).length} bytes`,
          ...describePacket(decision.packet).map((line) => `    ${line}`),
        ];
  return [head, ...lines, `  = ${JSON.stringify(rest)} ${JSON.stringify(identity)}`, ...answer].join('\n');
}

describe('golden captures', () => {
  const captures = readdirSync(folder).filter((name) => name.endsWith('.pcap'));

  it('are there', () => expect(captures.length).toBeGreaterThanOrEqual(18));

  it.each(captures)('%s reads as its text says', (name) => {
    const text = readPcap(join(folder, name))
      .filter(({ source, target }) => DHCP_PORTS.includes(source.port) && DHCP_PORTS.includes(target.port))
      .map((datagram) => `${tell(datagram)}\n`)
      .join('\n');
    const golden = join(folder, name.replace(/pcap$/, 'txt'));
    if (process.env.UPDATE_GOLDENS === '1') writeFileSync(golden, text);
    expect(text).toBe(readFileSync(golden, 'utf8'));
  });
});
