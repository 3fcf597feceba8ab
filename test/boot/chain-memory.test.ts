// What is remembered of a machine's firmware, where little or nothing is known of it; and names of files by chain.
import { describe, expect, it } from 'vitest';
import type { Mac } from '../../src/base/addresses.ts';
import { firstFiles, wantedFiles } from '../../src/boot/chain.ts';
import { ChainMemory } from '../../src/boot/chain-memory.ts';
import type { BootClient } from '../../src/boot/client.ts';
import { checkIn, report } from '../service/peer.ts';

const MAC = '52:54:00:77:00:01' as Mac;
const ADDRESS = '10.77.0.50';
const fetched = (memory: ChainMemory, name: string, address = ADDRESS) =>
  memory.observe({ kind: 'file', address, name, via: 'tftp' }, 0);
const asked = (memory: ChainMemory, mac = MAC, address: string | undefined = ADDRESS) =>
  memory.observe({ kind: 'dhcp', mac, address: address as never }, 0);

/** It was given this chain, and fetched its file whole. */
function given(chain: 'ipxe' | 'uki', name = 'snponly.efi'): ChainMemory {
  const memory = new ChainMemory();
  asked(memory);
  memory.gave(MAC, { chain, name });
  fetched(memory, name);
  return memory;
}

describe('a machine', () => {
  it('that was never heard of has no chain and no Secure Boot', () => {
    const memory = new ChainMemory();
    memory.firmwareAsks(MAC, 0);
    expect([memory.facts(MAC).secureBoot, memory.facts(undefined).secureBoot]).toEqual([false, false]);
    expect([memory.chainOf(MAC), memory.chainOf(undefined)]).toEqual([undefined, undefined]);
  });

  it('that fetched an unsigned iPXE and asks again refuses it; one that was given a signed program does not', () => {
    for (const chain of ['ipxe', 'uki'] as const) {
      const memory = given(chain);
      memory.firmwareAsks(MAC, 0);
      expect([memory.chainOf(MAC), memory.facts(MAC).secureBoot]).toEqual([chain, chain === 'ipxe']);
    }
  });

  it('that fetched something else, or from an address that nobody knows, has refused nothing', () => {
    for (const change of [
      (memory: ChainMemory) => fetched(memory, 'other.efi'),
      (memory: ChainMemory) => fetched(memory, 'snponly.efi', '10.77.0.99'),
    ]) {
      const memory = new ChainMemory();
      asked(memory);
      memory.gave(MAC, { chain: 'ipxe', name: 'snponly.efi' });
      change(memory);
      memory.firmwareAsks(MAC, 0);
      expect(memory.facts(MAC).secureBoot).toBe(false);
    }
  });

  it('whose script or agent speaks has refused nothing; reports say nothing about it', () => {
    const scripted = given('ipxe');
    scripted.observe({ kind: 'script', address: ADDRESS, query: { mac: MAC } }, 0);
    scripted.firmwareAsks(MAC, 0);
    expect(scripted.facts(MAC).secureBoot).toBe(false);
    const agent = given('ipxe');
    agent.observe(
      {
        kind: 'check-in',
        address: ADDRESS,
        checkIn: checkIn({ macs: [MAC], secureBoot: true }),
      },
      0,
    );
    agent.observe(
      { kind: 'check-in', address: ADDRESS, checkIn: checkIn({ macs: ['52:54:00:00:00:99'] }) },
      0,
    );
    expect(agent.facts(MAC).secureBoot).toBe(true);
    const reported = given('ipxe');
    reported.observe({ kind: 'report', report: report('m', 'imaging') }, 0);
    reported.firmwareAsks(MAC, 0);
    expect(reported.facts(MAC).secureBoot).toBe(true);
  });

  it('is forgotten when 4,096 others came after it, and so is its address', () => {
    const memory = given('ipxe');
    memory.observe({ kind: 'dhcp', mac: MAC }, 0);
    for (let i = 0; i < 4096; i++) {
      const mac = `02:00:00:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`;
      asked(memory, mac as Mac, `10.78.${i >> 8}.${i & 255}`);
      memory.gave(mac as Mac, { chain: 'ipxe', name: 'snponly.efi' });
    }
    expect(memory.chainOf(MAC)).toBeUndefined();
    memory.gave(MAC, { chain: 'ipxe', name: 'snponly.efi' });
    fetched(memory, 'snponly.efi');
    memory.firmwareAsks(MAC, 0);
    expect(memory.facts(MAC).secureBoot).toBe(false);
  });
});

describe('who enforces Secure Boot', () => {
  const agent = (memory: ChainMemory, secureBoot: boolean, mac: string = MAC) =>
    memory.observe({ kind: 'check-in', address: ADDRESS, checkIn: checkIn({ macs: [mac], secureBoot }) }, 7);

  it('is learnt of an agent that this host has not booted; that one does not, is not worth a row', () => {
    const memory = new ChainMemory();
    agent(memory, false);
    expect([memory.list(), memory.changes]).toEqual([[], 0]);
    agent(memory, true);
    agent(memory, true);
    expect([memory.list(), memory.changes]).toEqual([[{ mac: MAC, enforced: true, atMs: 7 }], 1]);
    agent(memory, false);
    expect(memory.list()).toEqual([{ mac: MAC, enforced: false, atMs: 8 }]);
    agent(memory, true, 'no MAC');
    expect(memory.list().length).toBe(1);
  });

  it('is not denied by a script of an iPXE that somebody signed, or that another host gave', () => {
    for (const chain of ['signed-ipxe', undefined] as const) {
      const memory = new ChainMemory();
      agent(memory, true);
      if (chain !== undefined) memory.gave(MAC, { chain, name: 'signed-ipxe/ipxe-shim.efi' });
      memory.observe({ kind: 'script', address: ADDRESS, query: { mac: MAC } }, 9);
      memory.observe({ kind: 'script', address: ADDRESS, query: {} }, 9);
      expect(memory.facts(MAC).secureBoot).toBe(true);
    }
  });

  it('is taken over when it is later than what is known', () => {
    const memory = new ChainMemory();
    agent(memory, true);
    const row = (enforced: boolean, atMs: number) => [{ mac: MAC, enforced, atMs }];
    expect(memory.adopt(row(false, 7))).toBe(0);
    expect(memory.adopt(row(false, 8))).toBe(1);
    expect(memory.facts(MAC).secureBoot).toBe(false);
    expect(new ChainMemory().adopt(row(true, 0))).toBe(1);
  });

  it('is forgotten of one, or of all; the others hear of it', () => {
    const memory = new ChainMemory();
    const macs = ['52:54:00:00:00:01', '52:54:00:00:00:02', '52:54:00:00:00:03'];
    for (const mac of macs) agent(memory, true, mac);
    expect(memory.forget(macs[0] as Mac, 9)).toBe(1);
    expect(memory.forget(macs[0] as Mac, 9)).toBe(0);
    expect(memory.forget(undefined, 9)).toBe(2);
    expect(memory.list().map(({ enforced, atMs }) => [enforced, atMs])).toEqual(macs.map(() => [false, 9]));
  });

  it('is bounded', () => {
    const memory = new ChainMemory();
    memory.adopt(Array.from({ length: 4097 }, (_, i) => ({ mac: `m${i}` as Mac, enforced: true, atMs: 1 })));
    expect(memory.list().length).toBe(4096);
    expect(memory.facts('m0' as Mac).secureBoot).toBe(false);
  });
});

describe('names of first files', () => {
  it.each([
    ['uki', 'bios', []],
    ['uki', 'uefi-ia32', []],
    ['shim', 'uefi-arm64', ['shim/shimaa64.efi']],
    ['signed-ipxe', 'uefi-arm64', []],
    ['grub', 'uefi-x64', ['grub/shimx64.efi']],
  ] as const)('%s for %s', (chain, architecture, names) => {
    expect(firstFiles(chain, architecture)).toEqual(names);
  });

  it('are told for the log as the first rule that fits wants them', () => {
    const client = (kind: 'uefi-rom' | 'http-rom'): BootClient => ({
      ...{
        kind,
        architecture: 'uefi-x64',
        vendorClass: 'PXEClient',
        identity: { mac: MAC, uuid: undefined },
      },
    });
    const rules = [{ transport: 'http', chain: 'shim' }] as const;
    const context = { rules, files: new Set<string>(), facts: { secureBoot: false } };
    expect(wantedFiles(client('http-rom'), context)).toEqual(['shim/shimx64.efi']);
    expect(wantedFiles(client('uefi-rom'), context)).toContain('snponly.efi');
  });
});
