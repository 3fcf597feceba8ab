// What the doctor asks in place of a machine, how it reads the answers, and what it finds wrong with them.
import { describe, expect, it } from 'vitest';
import type { Ipv4, Mac } from '../../src/base/addresses.ts';
import { fromText } from '../../src/base/bytes.ts';
import { classifyClient } from '../../src/boot/client.ts';
import {
  answerOf,
  asks4011,
  chosen,
  fileOf,
  PROBED_FIRMWARE,
  type ProbeAnswer,
  probe4011,
  probeDiscover,
  probeFindings,
} from '../../src/boot/probe.ts';
import { OPTIONS, readOption } from '../../src/dhcp/options.ts';
import { type DhcpPacket, encodePacket } from '../../src/dhcp/packet.ts';
import { clientPacket, mustDecode, serverIdentifier } from '../support/dhcp-packets.ts';

const [BIOS, UEFI, HTTP] = PROBED_FIRMWARE;
const [PEER, STORE, OTHER] = ['10.77.0.2', '10.77.0.1', '10.77.0.3'] as Ipv4[] as [Ipv4, Ipv4, Ipv4];
const probe = (firmware: (typeof PROBED_FIRMWARE)[number]) => ({
  firmware,
  mac: '52:54:00:77:00:01' as Mac,
  xid: 7,
});

it.each([
  [BIOS, 'bios-rom', 'bios'],
  [UEFI, 'uefi-rom', 'uefi-x64'],
  [HTTP, 'http-rom', 'uefi-x64'],
] as const)('asks as $firmware, so that a boot host takes it for one', (firmware, kind, architecture) => {
  const packet = mustDecode(encodePacket(probeDiscover(probe(firmware))));
  expect(classifyClient(packet)).toMatchObject({ kind, architecture });
  expect(readOption(packet.options, OPTIONS.messageType)).toBe('DISCOVER');
  const unicast = mustDecode(encodePacket(probe4011(probe(firmware), OTHER)));
  expect(readOption(unicast.options, OPTIONS.messageType)).toBe('REQUEST');
  expect(unicast.ciaddr).toBe(OTHER);
});

describe('an answer', () => {
  const read = (fields: Partial<DhcpPacket>, ...more: (readonly [number, Uint8Array])[]) =>
    answerOf(clientPacket({ type: 'OFFER', vendorClass: '', fields, more }), STORE);

  it('of a store`s own server gives an address and claims nothing', () => {
    expect(read({ yiaddr: OTHER })).toEqual({
      ...{ server: STORE, offers: OTHER, claims: undefined, nextServer: undefined, file: undefined },
      direct: false,
    });
  });

  it('of a proxy names file, place, and whether to take it from this very offer', () => {
    const own = [serverIdentifier(PEER), [60, fromText('PXEClient')]] as const;
    expect(
      read({ siaddr: PEER, file: fromText('undionly.kpxe') }, ...own, [43, Uint8Array.of(6, 1, 8, 255)]),
    ).toEqual({
      ...{ server: PEER, offers: undefined, claims: 'PXEClient', nextServer: PEER, file: 'undionly.kpxe' },
      direct: true,
    });
    expect(read({}, ...own, [67, fromText('snponly.efi\0')], [43, Uint8Array.of(6)])).toMatchObject({
      ...{ file: 'snponly.efi', direct: false },
    });
    expect(read({}, ...own, [67, Uint8Array.of(0)], [43, Uint8Array.of(9, 1, 1, 255)])).toMatchObject({
      ...{ file: undefined, direct: false },
    });
  });
});

const answer = (change: Partial<ProbeAnswer> = {}): ProbeAnswer => ({
  ...{
    server: PEER,
    offers: undefined,
    claims: 'PXEClient',
    nextServer: PEER,
    file: 'snponly.efi',
    direct: false,
  },
  ...change,
});
const store = (change: Partial<ProbeAnswer> = {}): ProbeAnswer =>
  answer({
    server: STORE,
    offers: OTHER,
    claims: undefined,
    nextServer: undefined,
    file: undefined,
    ...change,
  });

it.each([
  ['a proxy', UEFI, answer(), true],
  ['a proxy that forbids it', UEFI, answer({ direct: true }), false],
  ['a claimant with a file', UEFI, answer({ offers: OTHER }), false],
  ['a claimant without one', UEFI, answer({ offers: OTHER, file: undefined }), true],
  ['a store`s server', UEFI, store(), false],
  ['a proxy, as BIOS', BIOS, answer(), false],
  ['a proxy, as HTTP Boot', HTTP, answer(), false],
] as const)('4011 is asked of %s: %s', (_, firmware, one, expected) => {
  expect(asks4011(firmware, one)).toBe(expected);
});

it('what is fetched is what 4011 said, if it was asked', () => {
  const port4011 = { file: 'other.efi', nextServer: OTHER };
  expect(fileOf(answer({ port4011 }))).toEqual(port4011);
  expect(fileOf(answer({ port4011: { file: undefined, nextServer: OTHER } }))).toBeUndefined();
  expect(fileOf(answer({ port4011: 'silent' }))?.file).toBe('snponly.efi');
});

it('firmware takes a claimant that gives addresses, else the first proxy with a file, else any of its own class', () => {
  const rival = answer({ server: STORE, offers: OTHER });
  const empty = answer({ server: OTHER, file: undefined });
  expect(chosen([empty, answer(), rival], UEFI)).toBe(rival);
  expect(chosen([empty, answer()], UEFI)?.server).toBe(PEER);
  expect(chosen([store(), empty], UEFI)).toBe(empty);
  expect(chosen([store(), answer({ claims: 'HTTPClient' })], UEFI)).toBeUndefined();
});

describe('findings', () => {
  const find = (...answers: ProbeAnswer[]) =>
    probeFindings([{ firmware: 'uefi-x64', answers, boots: undefined }]).map(({ status, code }) =>
      [status, code].filter((part) => part !== undefined).join(' '),
    );
  it.each<[string, ProbeAnswer[], string[]]>([
    ['all is well', [store(), answer()], ['ok']],
    ['nobody at all', [], ['fail PB-DHCP-SILENT', 'fail PB-BOOT-SERVER-NONE']],
    ['no boot server', [store()], ['fail PB-BOOT-SERVER-NONE']],
    ['no addresses', [answer()], ['fail PB-DHCP-SILENT']],
    [
      'a claimant',
      [store({ claims: 'PXEClient' }), answer()],
      ['fail PB-DHCP-COMPETES', 'warn PB-BOOT-SERVERS-SEVERAL'],
    ],
    ['a boot file of the store`s', [store({ file: 'pxelinux.0' }), answer()], ['warn PB-DHCP-COMPETES']],
    ['a deaf 4011', [store(), answer({ port4011: 'silent' })], ['fail PB-BOOT-SERVER-SILENT']],
    ['an offer of nothing', [store(), answer({ file: undefined })], ['fail PB-BOOT-SERVER-SILENT']],
    [
      'a file that cannot be had',
      [store(), answer({ reach: { failed: 'no answer' } })],
      ['fail PB-BOOT-FILE-UNREACHABLE'],
    ],
    ['a file that can', [store(), answer({ reach: { sizeBytes: 9 } })], ['ok']],
    ['two boot hosts', [store(), answer(), answer({ server: OTHER })], ['warn PB-BOOT-SERVERS-SEVERAL']],
    [
      'a warning comes behind a failure',
      [store({ file: 'pxelinux.0' }), answer({ port4011: 'silent' })],
      ['fail PB-BOOT-SERVER-SILENT', 'warn PB-DHCP-COMPETES'],
    ],
  ])('%s', (_, answers, expected) => {
    expect(find(...answers)).toEqual(expected);
  });

  it('are told once, though several firmwares meet them, each with its remedy', () => {
    const answers = [store({ file: 'pxelinux.0' }), answer()];
    const found = probeFindings(
      (['bios', 'uefi-x64'] as const).map((firmware) => ({ firmware, answers, boots: PEER })),
    );
    expect(found).toHaveLength(1);
    expect(found[0]?.remedy).toMatch(/\w/);
  });
});
