// Orders between boot hosts over real HTTP: proved with the token that they share, and worth nothing without it.
import { afterEach, expect, it } from 'vitest';
import type { Order } from '../../src/api/machines.ts';
import { ORDER_PROOF_HEADER, ROUTES } from '../../src/api/routes.ts';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { askOrders, createProver } from '../../src/io/order-proof.ts';
import { testPeer } from './peer.ts';

const TOKEN = 'correct horse battery staple';
const ORDERS: readonly Order[] = [{ at: 5, order: { kind: 'unassign', machine: 'SN-1' } }];
const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of undo.splice(0)) await end();
});

async function host(token: string) {
  const { http } = testPeer({ siteOrders: { orders: () => ORDERS, prove: createProver(token) } });
  const { port } = await http.start();
  undo.push(() => http.stop());
  return { address: '127.0.0.1' as Ipv4, httpPort: port };
}

it('are told to a boot host with the same token', async () => {
  expect(await askOrders(await host(TOKEN), createProver(TOKEN))).toEqual({ orders: ORDERS });
});

it('are told to nobody else, and nobody else is believed', async () => {
  const other = await host('another token altogether');
  expect(await askOrders(other, createProver(TOKEN))).toBeUndefined();
  const nonce = 'ab'.repeat(16);
  const url = `http://127.0.0.1:${other.httpPort}${ROUTES.siteOrders}?nonce=${nonce}`;
  for (const proof of ['', createProver(TOKEN)(`ask ${nonce}`), createProver(TOKEN)('ask ')]) {
    const answer = await fetch(url, { headers: { [ORDER_PROOF_HEADER]: proof } });
    expect(answer.status).toBe(403);
    expect(await answer.text()).not.toContain('SN-1');
  }
});

it('of a liar who tells something else than was proved are not believed', async () => {
  const real = createProver(TOKEN);
  const { http } = testPeer({
    // It has a proof of other orders, as heard on the wire for another question.
    siteOrders: {
      orders: () => ORDERS,
      prove: (text) => (text.startsWith('ask ') ? real(text) : real('answer 00 {}')),
    },
  });
  const { port } = await http.start();
  undo.push(() => http.stop());
  expect(await askOrders({ address: '127.0.0.1' as Ipv4, httpPort: port }, real)).toBeUndefined();
});

it('are not to be had from a peer without a token, and a dead one is no error', async () => {
  const { http } = testPeer();
  const { port } = await http.start();
  const address = '127.0.0.1' as Ipv4;
  expect(await askOrders({ address, httpPort: port }, createProver(TOKEN))).toBeUndefined();
  await http.stop();
  expect(await askOrders({ address, httpPort: port }, createProver(TOKEN))).toBeUndefined();
});
