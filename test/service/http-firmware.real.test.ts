// What boot hosts learnt of firmwares over real HTTP: told and believed where the token is proved, forgotten by administrators.
import { afterEach, expect, it } from 'vitest';
import type { FirmwareFacts } from '../../src/api/firmware.ts';
import { ROUTES } from '../../src/api/routes.ts';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { askFirmware, createProver } from '../../src/io/order-proof.ts';
import { testPeer } from './peer.ts';

const TOKEN = 'correct horse battery staple';
const FACTS: FirmwareFacts = {
  dialects: [{ fingerprint: 'bios-undi2.1-00000001', dialect: 'binl', machines: 3, ageMs: 5 }],
  secureBoot: [],
};
const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of undo.splice(0)) await end();
});

async function host(token: string | undefined, forgotten: (string | undefined)[] = []) {
  const { http } = testPeer({
    firmware: {
      facts: () => FACTS,
      forget: (what) => forgotten.push(what),
      prove: token === undefined ? undefined : createProver(token),
    },
  });
  const { port } = await http.start();
  undo.push(() => http.stop());
  return { address: '127.0.0.1' as Ipv4, httpPort: port };
}

it.each([
  ['a boot host with the same token is believed', TOKEN, TOKEN, true],
  ['one with another token is not', 'another one', TOKEN, false],
  ['one without a token is not, where there is one', undefined, TOKEN, false],
  ['one with a token tells nothing to one without', TOKEN, undefined, false],
  ['where nobody has a token every boot host is believed', undefined, undefined, true],
])('%s', async (_, theirs, ours, isBelieved) => {
  const prove = ours === undefined ? undefined : createProver(ours);
  expect(await askFirmware(await host(theirs), prove)).toEqual(isBelieved ? FACTS : undefined);
});

it('an answer that was proved to another question is not believed, and a dead host is no error', async () => {
  const { http } = testPeer({
    firmware: {
      facts: () => FACTS,
      forget: () => 0,
      prove: (text) => createProver(TOKEN)(text.includes(' ask ') ? text : 'another answer'),
    },
  });
  const { port } = await http.start();
  const address = '127.0.0.1' as Ipv4;
  expect(await askFirmware({ address, httpPort: port }, createProver(TOKEN))).toBeUndefined();
  await http.stop();
  expect(await askFirmware({ address, httpPort: port }, undefined)).toBeUndefined();
});

it('administrators see it, and have one of it or all forgotten', async () => {
  const forgotten: (string | undefined)[] = [];
  const { httpPort } = await host(undefined, forgotten);
  const base = `http://127.0.0.1:${httpPort}${ROUTES.firmware}`;
  expect(await (await fetch(base)).json()).toEqual(FACTS);
  expect(await (await fetch(`${base}/52:54:00:77:00:01`, { method: 'DELETE' })).json()).toEqual({
    forgotten: 1,
  });
  expect(await (await fetch(base, { method: 'DELETE' })).json()).toEqual({ forgotten: 2 });
  expect(forgotten).toEqual(['52:54:00:77:00:01', undefined]);
});

it('what is not remembered cannot be forgotten', async () => {
  const { http } = testPeer({ firmware: { facts: () => FACTS, forget: () => 0 } });
  const answer = await http.app.inject({
    method: 'DELETE',
    url: `${ROUTES.firmware}/bios-1`,
    headers: { host: '127.0.0.1' },
  });
  expect([answer.statusCode, answer.json().code]).toEqual([404, 'PB-HTTP-NOT-FOUND']);
});
