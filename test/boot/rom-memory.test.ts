// The loop of chainloading an old iPXE ROM is broken by its xid, whatever the loaded iPXE says of itself.
import { expect, it } from 'vitest';
import { type BootClient, classifyClient, isBootClient } from '../../src/boot/client.ts';
import { RomMemory } from '../../src/boot/rom-memory.ts';
import { clientPacket, IPXE_CLASS, UEFI_CLASS } from '../support/dhcp-packets.ts';

function ipxe(number: number, version = [1, 0, 0], vendorClass?: string): BootClient {
  const client = classifyClient(
    clientPacket({
      number,
      userClass: IPXE_CLASS,
      more: [[175, Uint8Array.of(235, 3, ...version)]],
      ...(vendorClass === undefined ? {} : { vendorClass }),
    }),
  );
  if (!isBootClient(client)) throw new Error(client.kind);
  return client;
}

it('the ROM gets the NBP, also when it asks again; the iPXE it loaded gets the script, also when it asks again', () => {
  const memory = new RomMemory();
  const steps: [number, number, boolean][] = [
    [0xa, 0, true],
    [0xa, 1_000, true],
    [0xb, 9_000, false],
    [0xb, 10_000, false],
    [0xc, 60_000, false],
  ];
  for (const [xid, now, expected] of steps) expect(memory.shallChain(ipxe(1), xid, now)).toBe(expected);
});

it('two minutes later it is the ROM again', () => {
  const memory = new RomMemory();
  expect(memory.shallChain(ipxe(1), 1, 0)).toBe(true);
  expect(memory.shallChain(ipxe(1), 2, 119_999)).toBe(false);
  expect(memory.shallChain(ipxe(1), 3, 120_000)).toBe(true);
});

it('machines are told apart, and a flood of them does not grow the memory without end', () => {
  const memory = new RomMemory();
  for (let number = 0; number < 5_000; number++) expect(memory.shallChain(ipxe(number), 1, 0)).toBe(true);
  expect(memory.shallChain(ipxe(4_999), 2, 1)).toBe(false);
  // The first ones were forgotten.
  expect(memory.shallChain(ipxe(0), 2, 1)).toBe(true);
});

it('a newer iPXE, UEFI and plain ROMs are left alone', () => {
  const memory = new RomMemory();
  expect(memory.shallChain(ipxe(1, [2, 0, 0]), 1, 0)).toBe(false);
  expect(memory.shallChain(ipxe(1, [1, 0, 0], UEFI_CLASS), 1, 0)).toBe(false);
  const rom = classifyClient(clientPacket());
  expect(isBootClient(rom) && memory.shallChain(rom, 1, 0)).toBe(false);
});
