// Every way to the agent for every kind of firmware: the files that would do, best first, and what is looked for.
import { describe, expect, it } from 'vitest';
import {
  CHAINS,
  type Chain,
  type ChainContext,
  chooseChain,
  firstFiles,
  wantedFiles,
} from '../../src/boot/chain.ts';
import type { BootArchitecture } from '../../src/boot/client.ts';

type Row = Readonly<Record<Chain, readonly string[]>>;

const NONE = { uki: [], shim: [], 'signed-ipxe': [], grub: [] } as const;

/** The types keep it complete: a new chain or architecture has no row until somebody writes it. */
const TABLE: Readonly<Record<BootArchitecture, Row>> = {
  bios: { ...NONE, ipxe: ['undionly.kpxe'] },
  'uefi-ia32': { ...NONE, ipxe: ['snponly-ia32.efi', 'ipxe-ia32.efi'] },
  'uefi-x64': {
    ipxe: ['snponly.efi', 'ipxe.efi'],
    uki: ['peerboot-x64.signed.efi', 'peerboot-x64.efi'],
    shim: ['shim/shimx64.efi'],
    'signed-ipxe': [
      'signed-ipxe/snponly-shim.efi',
      'signed-ipxe/ipxe-shim.efi',
      'signed-ipxe/snponly.efi',
      'signed-ipxe/ipxe.efi',
    ],
    grub: ['grub/shimx64.efi'],
  },
  'uefi-arm32': { ...NONE, ipxe: ['snponly-arm32.efi', 'ipxe-arm32.efi'] },
  'uefi-arm64': {
    ipxe: ['snponly-arm64.efi', 'ipxe-arm64.efi'],
    uki: ['peerboot-arm64.signed.efi', 'peerboot-arm64.efi'],
    shim: ['shim/shimaa64.efi'],
    'signed-ipxe': [],
    grub: ['grub/shimaa64.efi'],
  },
};
const ARCHITECTURES = Object.keys(TABLE) as BootArchitecture[];
const client = (architecture: BootArchitecture) => ({
  ...({ kind: 'uefi-rom', architecture, vendorClass: 'PXEClient' } as const),
  identity: { mac: undefined, uuid: undefined },
});
const context = (chain: Chain | 'auto', files: readonly string[]): ChainContext => ({
  ...{ rules: [{ chain }], files: new Set(files), facts: { secureBoot: false } },
});

describe.each(ARCHITECTURES)('%s', (architecture) => {
  it.each(CHAINS)('by %s', (chain) => {
    const files = TABLE[architecture][chain];
    expect(firstFiles(chain, architecture)).toEqual(files);
    // BIOS has one way, whatever a rule says.
    const taken: Chain = architecture === 'bios' ? 'ipxe' : chain;
    const wanted = TABLE[architecture][taken];
    expect(wantedFiles(client(architecture), context(chain, []))).toEqual(wanted);
    expect(chooseChain(client(architecture), context(chain, []))).toBeUndefined();
    // Each of them does when the better ones are not there.
    for (const [place, name] of wanted.entries()) {
      const there = [...wanted.slice(place), 'other.efi'];
      expect(chooseChain(client(architecture), context(chain, there))).toEqual({ chain: taken, name });
    }
  });

  it('left to itself: iPXE, else the agent itself where there is one', () => {
    const wanted = wantedFiles(client(architecture), { ...context('auto', []), rules: [] });
    expect(wanted).toEqual([...TABLE[architecture].ipxe, ...TABLE[architecture].uki]);
  });
});
