// `peerboot tag` against a peer on loopback: who is meant, what is in force then, and each way in which it is not.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { tag, untag } from '../../src/command/control.ts';
import { other, siteWorld } from '../service/site-peer.ts';

/** Nobody listens there: a peer of the site that has just died. */
const dead = { ...other, address: '127.0.0.1' as Ipv4, httpPort: 1, tags: [] };
let port = 0;
const { http, control } = siteWorld({ peers: [dead], httpPort: () => port });
const stranger = createServer((_, response) => response.writeHead(200).end('<h1>It works!</h1>'));
let strangerPort = 0;
beforeAll(async () => {
  ({ port } = await http.start());
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  strangerPort = (stranger.address() as AddressInfo).port;
});
afterAll(async () => {
  await http.stop();
  stranger.close();
});
afterEach(() => control.change({ kind: 'untag', tag: 'boot-host' }));

const at = (number: number) => ({ peer: `http://127.0.0.1:${number}`, json: true });
const tagged = () => control.told().control.tagged;

describe('a tag', () => {
  it('is in force at the peer that is named, by whatever names it, until it is taken back', async () => {
    for (const who of ['till-1', 'TILL-*', '10.77.0.2', 'aaaaaaaaaaaaaaaa', 'tag:boot-host']) {
      expect(await tag(who, 'kiosk', at(port)), who).toBe(0);
      expect(tagged(), who).toContain('kiosk');
      expect(await untag(who, 'kiosk', at(port)), who).toBe(0);
      expect(tagged(), who).not.toContain('kiosk');
    }
  });

  it('that one of two peers did not hear is a failure, and in force at the other', async () => {
    expect(await tag('*', 'boot-host', at(port))).toBe(1);
    expect(tagged()).toContain('boot-host');
  });
});

describe('no tag', () => {
  it.each([
    [
      'for a peer that is not of the site',
      'kiosk-9',
      'boot-host',
      'PB-PEER-UNKNOWN',
      '"kiosk-9" is none of till-1',
    ],
    ['for a tag that nobody has', 'tag:kiosk', 'boot-host', 'PB-PEER-UNKNOWN', '"tag:kiosk" is none of'],
    ['that is no word', 'till-1', 'Boot host', 'PB-CONFIG-INVALID', 'must be a short word'],
  ])('%s', async (_, who, word, code, says) => {
    const told = tag(who, word, at(port));
    await expect(told).rejects.toMatchObject({ code, message: expect.stringContaining(says) });
    expect(tagged()).toEqual([]);
  });

  it.each([
    ['where nobody answers', () => 1, 'PB-PEER-DOWN'],
    ['where somebody else does', () => strangerPort, 'PB-PEER-DOWN'],
  ])('%s', async (_, number, code) => {
    await expect(tag('*', 'boot-host', at(number()))).rejects.toMatchObject({ code });
  });
});
