// Which way a machine is given to the agent: a table of who asks, under which rule, with which files at hand.
import { describe, expect, it } from 'vitest';
import type { Mac } from '../../src/base/addresses.ts';
import { type ChainContext, type ChainRule, chooseChain } from '../../src/boot/chain.ts';
import { ChainMemory } from '../../src/boot/chain-memory.ts';
import type { BootArchitecture, BootClient } from '../../src/boot/client.ts';
import type { MachineEvent } from '../../src/boot/progress.ts';

const MAC = '52:54:00:77:00:01' as Mac;
const UUID = 'ad5a2a2e-5e4b-4a6c-9c57-6ef0b4b7d0a1';

function firmware(
  architecture: BootArchitecture,
  kind: 'uefi-rom' | 'http-rom' | 'bios-rom' = 'uefi-rom',
): BootClient {
  const vendorClass = kind === 'http-rom' ? 'HTTPClient' : 'PXEClient';
  return { kind, architecture, vendorClass, identity: { mac: MAC, uuid: UUID } };
}

const BUILT = ['undionly.kpxe', 'snponly.efi', 'ipxe.efi', 'peerboot-x64.efi', 'peerboot-arm64.efi'];
const SIGNED = [...BUILT, 'peerboot-x64.signed.efi'];
const SHIM = [...BUILT, 'shim/shimx64.efi', 'shim/grubx64.efi'];

function choose(client: BootClient, files: readonly string[], more: Partial<ChainContext> = {}): string {
  const context = { rules: [], facts: { secureBoot: false }, ...more, files: new Set(files) };
  const first = chooseChain(client, context);
  return first === undefined ? 'none' : `${first.chain} ${first.name}`;
}

describe('left to itself', () => {
  const secure = { facts: { secureBoot: true } };
  it.each([
    ['BIOS', firmware('bios', 'bios-rom'), SIGNED, {}, 'ipxe undionly.kpxe'],
    ['UEFI', firmware('uefi-x64'), SIGNED, {}, 'ipxe snponly.efi'],
    ['UEFI HTTP Boot', firmware('uefi-x64', 'http-rom'), SIGNED, {}, 'ipxe snponly.efi'],
    ['UEFI without any iPXE', firmware('uefi-x64'), ['peerboot-x64.efi'], {}, 'uki peerboot-x64.efi'],
    ['arm64, for which Debian has no iPXE', firmware('uefi-arm64'), SIGNED, {}, 'uki peerboot-arm64.efi'],
    [
      'arm64, an iPXE of the user’s',
      firmware('uefi-arm64'),
      ['snponly-arm64.efi'],
      {},
      'ipxe snponly-arm64.efi',
    ],
    ['32-bit UEFI', firmware('uefi-ia32'), SIGNED, {}, 'none'],
    ['Secure Boot', firmware('uefi-x64'), SIGNED, secure, 'uki peerboot-x64.signed.efi'],
    ['Secure Boot, shim', firmware('uefi-x64'), SHIM, secure, 'shim shim/shimx64.efi'],
    [
      'Secure Boot, nothing signed: refused, and said',
      firmware('uefi-x64'),
      BUILT,
      secure,
      'ipxe snponly.efi',
    ],
  ] as const)('%s', (_, client, files, more, expected) => expect(choose(client, files, more)).toBe(expected));
});

describe('under a rule', () => {
  const uefi = firmware('uefi-x64');
  it.each<[string, ChainRule[], string]>([
    ['for all', [{ chain: 'uki' }], 'uki peerboot-x64.signed.efi'],
    ['by its MAC', [{ machine: MAC, chain: 'uki' }, { chain: 'ipxe' }], 'uki peerboot-x64.signed.efi'],
    ['by its UUID', [{ machine: UUID, chain: 'uki' }], 'uki peerboot-x64.signed.efi'],
    ['by a tag', [{ machine: 'tag:tills', chain: 'uki' }], 'uki peerboot-x64.signed.efi'],
    ['for another machine', [{ machine: '52:54:00:77:00:02', chain: 'uki' }], 'ipxe snponly.efi'],
    ['for another tag', [{ machine: 'tag:kiosks', chain: 'uki' }], 'ipxe snponly.efi'],
    ['for another transport', [{ transport: 'http', chain: 'uki' }], 'ipxe snponly.efi'],
    ['for another architecture', [{ architecture: 'uefi-arm64', chain: 'uki' }], 'ipxe snponly.efi'],
    ['taken at its word: no way out', [{ chain: 'shim' }], 'none'],
    ['that leaves it to itself', [{ machine: MAC, chain: 'auto' }, { chain: 'uki' }], 'ipxe snponly.efi'],
  ])('%s', (_, rules, expected) =>
    expect(choose(uefi, SIGNED, { rules, facts: { secureBoot: false, tags: ['tills'] } })).toBe(expected),
  );

  it('each chain has its file', () => {
    const files = [
      ...SIGNED,
      ...SHIM,
      'grub/shimx64.efi',
      'signed-ipxe/snponly-shim.efi',
      'signed-ipxe/ipxe.efi',
    ];
    const name = (chain: ChainRule['chain']) => choose(uefi, files, { rules: [{ chain }] });
    expect(name('grub')).toBe('grub grub/shimx64.efi');
    expect(name('signed-ipxe')).toBe('signed-ipxe signed-ipxe/snponly-shim.efi');
    expect(choose(firmware('bios', 'bios-rom'), files, { rules: [{ chain: 'uki' }] })).toBe(
      'ipxe undionly.kpxe',
    );
  });
});

describe('what is remembered of a machine', () => {
  const NBP = { chain: 'ipxe', name: 'snponly.efi' } as const;
  const asks: MachineEvent = { kind: 'dhcp', mac: MAC, address: '10.77.0.100' as never };
  const fetched: MachineEvent = { kind: 'file', address: '10.77.0.100', name: 'snponly.efi', via: 'tftp' };
  const script: MachineEvent = { kind: 'script', address: '10.77.0.100', query: { mac: MAC } as never };

  function attempt(memory: ChainMemory, ...events: MachineEvent[]): boolean {
    memory.firmwareAsks(MAC, 0);
    const { secureBoot } = memory.facts(MAC);
    memory.gave(MAC, NBP);
    for (const event of events) memory.observe(event, 0);
    return secureBoot;
  }

  it('fetched whole, then the firmware asks again: it was refused', () => {
    const memory = new ChainMemory();
    expect(attempt(memory, asks, fetched)).toBe(false);
    expect(attempt(memory, asks)).toBe(true);
    expect(memory.chainOf(MAC)).toBe('ipxe');
  });

  it('what runs was not refused; what was not fetched, neither', () => {
    const memory = new ChainMemory();
    attempt(memory, asks, fetched, script);
    expect(attempt(memory, asks)).toBe(false);
    expect(attempt(memory, asks, { ...fetched, name: 'vmlinuz' } as MachineEvent)).toBe(false);
    expect(attempt(memory)).toBe(false);
  });

  it('the agent knows better', () => {
    const memory = new ChainMemory();
    const checkIn = (secureBoot: boolean): MachineEvent => ({
      kind: 'check-in',
      address: '10.77.0.100',
      checkIn: { secureBoot, identity: { macs: [MAC] } } as never,
    });
    attempt(memory, asks, fetched);
    expect(attempt(memory, checkIn(true))).toBe(true);
    expect(attempt(memory, checkIn(false))).toBe(true);
    expect(attempt(memory)).toBe(false);
  });

  it('forged machines do not grow it without end', () => {
    const memory = new ChainMemory();
    attempt(memory, asks, fetched);
    for (let i = 0; i < 5000; i++) memory.gave(`02:00:00:00:${(i >> 8).toString(16)}:${i & 255}` as Mac, NBP);
    expect(memory.chainOf(MAC)).toBeUndefined();
  });
});
