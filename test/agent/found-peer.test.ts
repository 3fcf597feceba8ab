// An agent that was told no peer finds one, and finds another when its own falls silent.
import { expect, it } from 'vitest';
import { createFoundPeer, peersOffered } from '../../src/agent/found-peer.ts';
import type { PeerPort } from '../../src/agent/ports.ts';
import type { CheckIn, CheckInAnswer, ProgressReport } from '../../src/api/agent.ts';
import { PeerbootError } from '../../src/base/errors.ts';

const QUESTION = {} as CheckIn;

/** Peers by address; those in `silent` do not answer. */
function network(silent: Set<string>) {
  const asked: string[] = [];
  const connect = (base: string): PeerPort => ({
    base,
    async checkIn() {
      asked.push(base);
      if (silent.has(base)) throw new PeerbootError('PB-PEER-SILENT', base);
      return { peer: base } as CheckInAnswer;
    },
    async report() {
      if (silent.has(base)) throw new PeerbootError('PB-PEER-SILENT', base);
      return { next: 'go-on' };
    },
  });
  return { asked, connect };
}

it('finds the first that answers, and stays with it', async () => {
  const { asked, connect } = network(new Set(['http://a:1']));
  const peer = createFoundPeer({ told: undefined, connect, find: async () => ['http://a:1', 'http://b:1'] });
  expect(peer.base).toBe('');
  expect((await peer.checkIn(QUESTION)).peer).toBe('http://b:1');
  expect(peer.base).toBe('http://b:1');
  await peer.checkIn(QUESTION);
  expect(asked).toEqual(['http://a:1', 'http://b:1', 'http://b:1']);
});

it('leaves the peer it was told of only when that is silent', async () => {
  const silent = new Set<string>();
  const { asked, connect } = network(silent);
  const find = async () => ['http://a:1', 'http://b:1'];
  const peer = createFoundPeer({ told: 'http://a:1', connect, find });
  await peer.checkIn(QUESTION);
  silent.add('http://a:1');
  expect((await peer.checkIn(QUESTION)).peer).toBe('http://b:1');
  expect(asked).toEqual(['http://a:1', 'http://a:1', 'http://b:1']);
});

it('asks another one first when its own has left a report unanswered, and its own again when there is none', async () => {
  const silent = new Set(['http://a:1']);
  const { asked, connect } = network(silent);
  const found = ['http://b:1'];
  const peer = createFoundPeer({ told: 'http://a:1', connect, find: async () => found });
  await expect(peer.report({} as ProgressReport)).rejects.toMatchObject({ code: 'PB-PEER-SILENT' });
  expect((await peer.checkIn(QUESTION)).peer).toBe('http://b:1');
  expect(asked).toEqual(['http://b:1']);
  silent.add('http://b:1');
  await expect(peer.report({} as ProgressReport)).rejects.toMatchObject({ code: 'PB-PEER-SILENT' });
  found.pop();
  await expect(peer.checkIn(QUESTION)).rejects.toMatchObject({ code: 'PB-PEER-SILENT' });
  silent.clear();
  // It is back, and found like any other.
  found.push('http://b:1');
  expect((await peer.checkIn(QUESTION)).peer).toBe('http://b:1');
  expect(await peer.report({} as ProgressReport)).toEqual({ next: 'go-on' });
  await peer.checkIn(QUESTION);
  expect(asked).toEqual(['http://b:1', 'http://b:1', 'http://b:1', 'http://b:1']);
});

it('says so when there is nobody', async () => {
  const { connect } = network(new Set(['http://a:1']));
  const nobody = createFoundPeer({ told: undefined, connect, find: async () => [] });
  await expect(nobody.checkIn(QUESTION)).rejects.toMatchObject({ code: 'PB-PEER-NOT-FOUND' });
  const silent = createFoundPeer({ told: 'http://a:1', connect, find: async () => [] });
  await expect(silent.checkIn(QUESTION)).rejects.toMatchObject({ code: 'PB-PEER-SILENT' });
});

it('takes for a peer only who offers our script at a literal address', () => {
  const script = '/boot/start.ipxe';
  expect(
    peersOffered(
      [
        undefined,
        'http://10.77.0.2:8067/boot/start.ipxe',
        'http://10.77.0.2:8067/boot/start.ipxe',
        'http://10.77.0.3:8067/other.ipxe',
        'undionly.kpxe',
        'http://evil.example:80/boot/start.ipxe',
      ],
      script,
    ),
  ).toEqual(['http://10.77.0.2:8067']);
});
