// Which interfaces are answered on.
import { networkInterfaces } from 'node:os';
import { expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import {
  changedInterfaces,
  chooseInterfaces,
  type HostInterface,
  hostInterfaces,
} from '../../src/io/interfaces.ts';

const host: readonly HostInterface[] = ['10.77.1.2', '10.77.2.2'].map((address, i) => ({
  name: `eth${i}`,
  address: address as Ipv4,
  netmask: '255.255.255.0' as Ipv4,
  mac: undefined,
}));

it('no name: every one', () => expect(chooseInterfaces([], host)).toEqual(host));

it('names: those, in that order', () => {
  expect(chooseInterfaces(['eth1', 'eth0'], host).map(({ address }) => address)).toEqual([
    '10.77.2.2',
    '10.77.1.2',
  ]);
});

it('one that is not there is refused, with those that are', () => {
  expect(() => chooseInterfaces(['wlan0'], host)).toThrow(
    'no interface wlan0 with an IPv4 address; there are: eth0 (10.77.1.2), eth1 (10.77.2.2)',
  );
  expect(() => chooseInterfaces([], [])).toThrow('no interface of this host has an IPv4 address');
});

it('of this host: each once, the loopback never', () => {
  const found = hostInterfaces();
  const names = found.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names).not.toContain('lo');
  for (const { name, address } of found) {
    expect(networkInterfaces()[name]?.some((one) => one.address === address)).toBe(true);
  }
});

it('another address is one that left and one that came', () => {
  const later = host.map((one, i) => (i === 0 ? { ...one, address: '10.77.1.3' as Ipv4 } : one));
  expect(changedInterfaces(host, host)).toEqual({ came: [], left: [] });
  expect(changedInterfaces(host, later)).toEqual({ came: later.slice(0, 1), left: host.slice(0, 1) });
});
