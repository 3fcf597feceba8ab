// What is answered to whom, as a table; and what must never be in any answer.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ANY_ADDRESS, formatIpv4, type Ipv4 } from '../../src/base/addresses.ts';
import { toText } from '../../src/base/bytes.ts';
import { classifyClient } from '../../src/boot/client.ts';
import { decideReply, type ReplyContext } from '../../src/boot/reply.ts';
import { OPTIONS, readOption } from '../../src/dhcp/options.ts';
import { type DhcpPacket, encodePacket } from '../../src/dhcp/packet.ts';
import { TEST_CONTEXT } from '../support/boot-context.ts';
import {
  type ClientPacket,
  clientPacket,
  HTTP_CLASS,
  IPXE_CLASS,
  mustDecode,
  serverIdentifier,
  UEFI_CLASS,
} from '../support/dhcp-packets.ts';

const decide = (packet: DhcpPacket, context: Partial<ReplyContext> = {}) =>
  decideReply(packet, classifyClient(packet), { ...TEST_CONTEXT, ...context });

const at4011: Partial<ReplyContext> = {
  arrivedPort: 4011,
  source: { address: '10.77.0.130' as Ipv4, port: 4011 },
};

function answer(options: ClientPacket, context: Partial<ReplyContext> = {}): DhcpPacket {
  const decision = decide(clientPacket(options), context);
  if (decision.kind === 'ignore') throw new Error(`ignored: ${decision.reason} (${decision.detail})`);
  return mustDecode(encodePacket(decision.packet));
}

const uefi: ClientPacket = { vendorClass: UEFI_CLASS, architectures: [7] };
const http: ClientPacket = { vendorClass: HTTP_CLASS, architectures: [16] };
const ipxe: ClientPacket = { architectures: [0], userClass: IPXE_CLASS };

describe('each kind of client', () => {
  it('a BIOS ROM gets undionly, and option 43 to take it from this very offer', () => {
    const sent = answer({ architectures: [0] });
    expect(toText(sent.file)).toBe('undionly.kpxe');
    expect(sent.options.get(43)).toEqual(Uint8Array.of(6, 1, 8, 255));
  });

  it('UEFI gets snponly without option 43, and its size', () => {
    const sent = answer(uefi);
    expect(toText(sent.file)).toBe('snponly.efi');
    expect(sent.options.has(43)).toBe(false);
    expect(readOption(sent.options, OPTIONS.bootFileSize)).toBe(466);
    expect(readOption(sent.options, OPTIONS.messageType)).toBe('OFFER');
  });

  it('then asks 4011 and gets the same as ACK, to where it asked from', () => {
    const packet = clientPacket({ ...uefi, type: 'REQUEST', fields: { ciaddr: '10.77.0.130' as Ipv4 } });
    const decision = decide(packet, at4011);
    expect(decision).toMatchObject({ kind: 'reply', destination: { address: '10.77.0.130', port: 4011 } });
    const sent = answer({ ...uefi, type: 'REQUEST' }, at4011);
    expect(readOption(sent.options, OPTIONS.messageType)).toBe('ACK');
    expect(toText(sent.file)).toBe('snponly.efi');
  });

  it('an old ROM that sends INFORM to 4011 is answered too', () => {
    expect(readOption(answer({ type: 'INFORM' }, at4011).options, OPTIONS.messageType)).toBe('ACK');
  });

  it('iPXE gets the script and no NBP: that breaks the loop', () => {
    const sent = answer(ipxe);
    expect(toText(sent.file)).toBe('http://10.77.0.2:8067/boot/start.ipxe');
    expect(sent.options.has(43)).toBe(false);
    expect(sent.options.get(175)).toEqual(Uint8Array.of(1, 1, 1));
    expect(sent.options.has(13)).toBe(false);
  });

  it('an iPXE ROM that is to be chained gets the NBP', () => {
    expect(toText(answer(ipxe, { chain: true }).file)).toBe('undionly.kpxe');
  });

  it('HTTP Boot gets a URL and its own vendor class back', () => {
    const sent = answer(http);
    expect(toText(sent.file)).toBe('http://10.77.0.2:8067/boot/files/snponly.efi');
    expect(readOption(sent.options, OPTIONS.vendorClass)).toBe('HTTPClient');
    expect(sent.options.has(13)).toBe(false);
  });

  it.each([
    ['ia32', 6, 'ipxe-ia32.efi'],
    ['arm64', 11, 'snponly-arm64.efi'],
  ])('%s gets its NBP when the assets have one', (_, architecture, name) => {
    const sent = answer(
      { vendorClass: 'PXEClient', architectures: [architecture] },
      { assets: [...TEST_CONTEXT.assets, { name, sizeBytes: 1 }] },
    );
    expect(toText(sent.file)).toBe(name);
  });

  it('the next best NBP is taken when the best is not there', () => {
    const assets = TEST_CONTEXT.assets.filter((asset) => asset.name !== 'snponly.efi');
    expect(toText(answer(uefi, { assets }).file)).toBe('ipxe.efi');
  });

  it('a file above 32 MiB is offered without its size, which would not fit', () => {
    const assets = [{ name: 'snponly.efi', sizeBytes: 512 * 65_536 }];
    expect(answer(uefi, { assets }).options.has(13)).toBe(false);
  });
});

describe('silence', () => {
  it.each([
    ['a reply', { fields: { op: 2 } }, {}, 'boot-reply'],
    ['BOOTP', { more: [[53, new Uint8Array(0)]] }, {}, 'no-message-type'],
    [
      'a REQUEST to the site’s server',
      { type: 'REQUEST', more: [serverIdentifier('10.77.0.1')] },
      {},
      'request-to-another-server',
    ],
    [
      'a REQUEST to us at 67, where we gave nothing',
      { type: 'REQUEST', more: [serverIdentifier('10.77.0.2')] },
      {},
      'message-not-for-proxy',
    ],
    ['a REQUEST after a restart', { type: 'REQUEST' }, {}, 'message-not-for-proxy'],
    ['a RELEASE', { type: 'RELEASE' }, {}, 'message-not-for-proxy'],
    ['a DISCOVER at 4011', {}, at4011, 'message-not-for-proxy'],
    ['a PC', { vendorClass: 'MSFT 5.0' }, {}, 'not-pxe'],
    ['an unknown machine', { vendorClass: 'PXEClient', architectures: [2] }, {}, 'unknown-architecture'],
    ['no NBP for it', { vendorClass: 'PXEClient', architectures: [6] }, {}, 'no-nbp'],
    [
      'HTTP Boot of an architecture without NBP',
      { vendorClass: 'HTTPClient', architectures: [19] },
      {},
      'no-nbp',
    ],
    ['no assets', uefi, { assets: [] }, 'no-nbp'],
    ['no boot host', uefi, { enabled: false }, 'not-a-boot-host'],
    ['a forged relay', { fields: { giaddr: '255.255.255.255' as Ipv4 } }, {}, 'unusable-address'],
    [
      'a relay option larger than the client takes',
      { more: [[82, new Uint8Array(2000)]] },
      {},
      'reply-too-large',
    ],
  ] as [string, ClientPacket, Partial<ReplyContext>, string][])('%s', (_, options, context, reason) => {
    expect(decide(clientPacket(options), context)).toMatchObject({ kind: 'ignore', reason });
  });

  it.each([
    [[2], 'architecture 2'],
    [[2, 3], 'architecture 2, 3'],
    [[], 'architecture not told'],
  ])('names the architecture it does not know: %j', (architectures, detail) => {
    const packet = clientPacket({ vendorClass: 'PXEClient', architectures });
    expect(decide(packet)).toMatchObject({ reason: 'unknown-architecture', detail });
  });
});

describe('every reply', () => {
  const anyClient = fc.record({
    type: fc.constantFrom('DISCOVER', 'REQUEST', 'INFORM') as fc.Arbitrary<'DISCOVER'>,
    number: fc.integer({ min: 0, max: 0xffff }),
    vendorClass: fc.constantFrom('PXEClient', UEFI_CLASS, HTTP_CLASS),
    architectures: fc.constantFrom([0], [6], [7], [9], [11], [15], [16]),
    userClass: fc.constantFrom(IPXE_CLASS, new Uint8Array(0)),
    more: fc.array(
      fc.tuple(
        fc.constantFrom(1, 3, 6, 50, 51, 97, 82, 175, 43, 224),
        fc.uint8Array({ maxLength: 255, size: 'max' }),
      ),
    ),
    fields: fc.record({
      flags: fc.integer({ min: 0, max: 0xffff }),
      htype: fc.integer({ min: 0, max: 255 }),
      chaddr: fc.uint8Array({ maxLength: 16 }),
      giaddr: fc.constantFrom(ANY_ADDRESS, '10.77.9.1' as Ipv4),
      ciaddr: fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatIpv4),
      yiaddr: fc.constant('10.77.0.66' as Ipv4),
    }),
  });

  it('gives no address, keeps what identifies the request, and fits', () => {
    let replies = 0;
    fc.assert(
      fc.property(anyClient, fc.boolean(), (options, onPort4011) => {
        const request = clientPacket(options);
        const decision = decide(request, onPort4011 ? at4011 : {});
        if (decision.kind === 'ignore') return;
        replies += 1;
        const encoded = encodePacket(decision.packet);
        const sent = mustDecode(encoded);
        expect(sent.yiaddr).toBe(ANY_ADDRESS);
        for (const code of [1, 3, 6, 50, 51, 58, 59, 52]) expect(sent.options.has(code)).toBe(false);
        expect(sent).toMatchObject({
          op: 2,
          xid: request.xid,
          htype: request.htype,
          chaddr: request.chaddr,
          flags: request.flags,
          giaddr: request.giaddr,
          siaddr: '10.77.0.2',
        });
        expect(readOption(sent.options, OPTIONS.serverIdentifier)).toBe('10.77.0.2');
        expect(readOption(sent.options, OPTIONS.vendorClass)).toMatch(/^(PXE|HTTP)Client$/);
        const machine = request.options.get(97);
        expect(sent.options.get(97)).toEqual(machine?.length === 17 ? machine : undefined);
        expect(encoded.length).toBeGreaterThanOrEqual(300);
        expect(encoded.length).toBeLessThanOrEqual(576 - 28);
      }),
      { numRuns: 2000 },
    );
    expect(replies).toBeGreaterThan(300);
  });
});
