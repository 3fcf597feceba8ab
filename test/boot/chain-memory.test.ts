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
