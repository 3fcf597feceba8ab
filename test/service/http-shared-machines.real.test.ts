// What boot hosts tell each other of machines over real HTTP: with a shared admin token only what is proved, without one to all.
import { afterEach, expect, it } from 'vitest';
import type { NameWish } from '../../src/api/machines.ts';
import { ORDER_PROOF_HEADER, ROUTES } from '../../src/api/routes.ts';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { askImaged, askName, createProver } from '../../src/io/order-proof.ts';
import { checkIn, testPeer } from './peer.ts';

const TOKEN = 'correct horse battery staple';
const WISH: NameWish = {
  machine: 'm-1',
  identity: { serial: 'S "1" \u00e9', macs: [] },
  template: 'till-{nn}',
};
const prove = createProver(TOKEN);
const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of undo.splice(0)) await end();
});

/** With one machine that has a name. */
async function host(token: string | undefined) {
  const peer = testPeer(
    token === undefined ? {} : { siteOrders: { orders: () => [], prove: createProver(token) } },
  );
  peer.assignments.put({
    machine: '*',
    name: 'till-{nn}',
    target: { kind: 'image', image: 'debian', disk: { allowNonBlank: true } },
  });
  peer.machines.checkIn('10.77.0.50', checkIn());
  const { port } = await peer.http.start();
  undo.push(() => peer.http.stop());
  return { address: '127.0.0.1' as Ipv4, httpPort: port };
}

it('is told to a boot host with the same token, and a name is given to it', async () => {
  const other = await host(TOKEN);
  expect(await askImaged(other, 0, prove)).toMatchObject({ names: [{ name: 'till-01' }], records: [] });
  expect(await askName(other, WISH, prove)).toEqual({ name: 'till-02' });
  expect(await askName(other, WISH, prove)).toEqual({ name: 'till-02' });
  expect(await askName(other, { ...WISH, machine: 'm-2' }, prove)).toEqual({ name: 'till-03' });
});

it('is told to nobody else, and nobody else is believed', async () => {
  const other = await host('another token altogether');
  expect(await askImaged(other, 0, prove)).toBeUndefined();
  expect(await askImaged(other, 0, undefined)).toBeUndefined();
  expect(await askName(other, WISH, prove)).toBeUndefined();
  const nonce = 'ab'.repeat(16);
  const path = `${ROUTES.siteImaged}?since=0`;
  // Proofs of another question, and of none.
  for (const proof of [
    '',
    prove(`${path} ask  `),
    prove(`ask ${nonce}`),
    prove(`${path} answer ${nonce} `),
  ]) {
    const answer = await fetch(`http://127.0.0.1:${other.httpPort}${path}&nonce=${nonce}`, {
      headers: { [ORDER_PROOF_HEADER]: proof },
    });
    expect(answer.status).toBe(403);
    expect(await answer.text()).not.toContain('SN-1');
  }
});

it('without a token what was imaged is told to all, no names are given, and a host with a token believes nothing', async () => {
  const other = await host(undefined);
  expect(await askImaged(other, 0, undefined)).toMatchObject({ names: [{ name: 'till-01' }] });
  expect(await askImaged(other, 0, prove)).toBeUndefined();
  expect(await askName(other, WISH, prove)).toBeUndefined();
});
