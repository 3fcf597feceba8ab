// The site over HTTP without a socket: facts for everybody, control, wishes, ledger and the view for administrators.
import { describe, expect, it } from 'vitest';
import { ControlState, LedgerView, PeerFacts, SiteView } from '../../src/api/site.ts';
import type { Line } from '../../src/swarm/node-ports.ts';
import { lineOf, OTHER, other, SELF, siteWorld, TARGET } from './site-peer.ts';

describe('facts', () => {
  it('are open to the site, and nothing else is', async () => {
    const { ask } = siteWorld({ lines: [lineOf('till 3')] });
    const answer = await ask('GET', '/site/v1/lines', undefined, '10.77.0.9');
    expect(PeerFacts.parse(answer.json())).toMatchObject({
      id: SELF,
      name: 'till-1',
      wanLimit: 5_000_000,
      lines: [
        {
          ...{ title: 'till 3', key: 'abababababababab', rows: 4, held: 3, storedBytes: 4000, feeder: 'wan' },
          ...{ rate: 1235, holds: 2, paused: false, priority: 'normal' },
          followers: [{ id: TARGET, rate: 10, held: 1 }],
        },
      ],
    });
    for (const path of ['site', 'control', 'ledger']) {
      const refused = await ask('GET', `/admin/v1/${path}`, undefined, '10.77.0.9');
      expect([path, refused.statusCode, refused.json().code]).toEqual([path, 403, 'PB-ADMIN-FORBIDDEN']);
    }
    expect((await ask('PUT', '/admin/v1/control', { kind: 'pause' }, '10.77.0.9')).statusCode).toBe(403);
  });
});

describe('control', () => {
  it('is durable and in force when it is answered', async () => {
    const line = lineOf('till 3');
    const { ask, store, gate } = siteWorld({ lines: [line] });
    const paused = await ask('PUT', '/admin/v1/control', { kind: 'pause', image: 'till' });
    expect(ControlState.parse(paused.json()).pausedImages).toEqual(['till']);
    expect([line.state().paused, store.saved?.control.pausedImages]).toEqual([true, ['till']]);
    await ask('PUT', '/admin/v1/control', { kind: 'resume' });
    await ask('PUT', '/admin/v1/control', { kind: 'limit', wan: 20_000 });
    expect([line.state().paused, gate.limit()]).toEqual([false, 20_000]);
    expect((await ask('GET', '/admin/v1/control')).json()).toMatchObject({ paused: false, wanLimit: 20_000 });
  });

  it('refuses more tags than are kept, and stays as it was', async () => {
    const { ask, store } = siteWorld();
    const tag = (number: number) => ask('PUT', '/admin/v1/control', { kind: 'tag', tag: `tag-${number}` });
    for (let number = 0; number < 16; number++) expect((await tag(number)).statusCode).toBe(200);
    const refused = await tag(16);
    expect([refused.statusCode, refused.json().code]).toEqual([400, 'PB-REQUEST-INVALID']);
    expect(ControlState.parse((await ask('GET', '/admin/v1/control')).json()).tagged).toHaveLength(16);
    expect(store.saved?.control.tagged).toHaveLength(16);
  });

  it('a line that begins while its image is paused is paused, too', async () => {
    const lines: Line[] = [];
    const { control } = siteWorld({ lines });
    control.change({ kind: 'pause' });
    const line = lineOf('till 3');
    lines.push(line);
    control.start();
    expect(line.state().paused).toBe(true);
    control.stop();
  });

  it.each<[string, object, number, string]>([
    ['an image that nobody knows', { kind: 'pause', image: 'tyll' }, 404, 'PB-IMAGE-UNKNOWN'],
    ['a limit that nothing could finish under', { kind: 'limit', wan: 1 }, 400, 'PB-REQUEST-INVALID'],
    ['a priority that is none', { kind: 'priority', priority: 'urgent' }, 400, 'PB-REQUEST-INVALID'],
    ['a change that is none', { kind: 'stop' }, 400, 'PB-REQUEST-INVALID'],
  ])('refuses %s', async (_, change, status, code) => {
    const { ask, store } = siteWorld();
    const answer = await ask('PUT', '/admin/v1/control', change);
    expect([answer.statusCode, answer.json().code]).toEqual([status, code]);
    expect(store.saved).toBeUndefined();
  });

  it('resumes also what the catalogue no longer has', async () => {
    expect(
      (await siteWorld().ask('PUT', '/admin/v1/control', { kind: 'resume', image: 'gone' })).statusCode,
    ).toBe(200);
  });
});

describe('ahead of time', () => {
  it('wishes are kept, replaced, taken back', async () => {
    const { ask, store } = siteWorld();
    expect((await ask('POST', '/admin/v1/preseed', { image: 'till' })).json()).toMatchObject({ replicas: 2 });
    expect((await ask('POST', '/admin/v1/preseed', { image: 'till', replicas: 3 })).json()).toMatchObject({
      replicas: 3,
    });
    expect(store.saved?.wishes).toMatchObject([{ image: 'till', replicas: 3 }]);
    expect((await ask('POST', '/admin/v1/preseed', { image: 'nothing' })).statusCode).toBe(404);
    expect((await ask('DELETE', '/admin/v1/preseed/till')).statusCode).toBe(204);
    expect((await ask('DELETE', '/admin/v1/preseed/till')).statusCode).toBe(404);
  });

  it('the last copy goes only when told to', async () => {
    const { ask } = siteWorld();
    const refused = await ask('POST', '/admin/v1/evict', { image: 'till' });
    expect([refused.statusCode, refused.json().code]).toEqual([409, 'PB-LAST-COPY']);
    expect((await ask('POST', '/admin/v1/evict', { image: 'till', lastCopy: true })).json()).toEqual({
      freedBytes: 7,
    });
  });
});

describe('the view', () => {
  const factsOf = (id: string) => ({
    ...{ id, name: 'till-2', site: 'store-1', paused: false, wanLimit: null, lanLimit: null },
    ...{ lines: [], replicas: [], wan: [] },
  });

  it('has this peer first and what the others tell', async () => {
    const { ask } = siteWorld({ peers: [other], ask: async () => factsOf(OTHER), lines: [lineOf('till 3')] });
    const view = SiteView.parse((await ask('GET', '/admin/v1/site')).json());
    expect(view.peers.map(({ id, facts }) => [id, facts?.name])).toEqual([
      [SELF, 'till-1'],
      [OTHER, 'till-2'],
    ]);
    expect(view.peers[0]?.freeUplinkBytesPerSecond).toBe(12_000_000);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['is silent', async () => undefined],
    ['tells nonsense', async () => ({ id: OTHER, lines: 'many' })],
    ['is another than announced', async () => factsOf(TARGET)],
  ])('shows a peer without facts that %s', async (_, answer) => {
    const { ask } = siteWorld({ peers: [other], ask: answer });
    const view = SiteView.parse((await ask('GET', '/admin/v1/site')).json());
    expect(view.peers[1]).toMatchObject({ id: OTHER, tags: ['boot-host'] });
    expect(view.peers[1]?.facts).toBeUndefined();
  });
});

it('the ledger, row by row', async () => {
  const { ask, ledger } = siteWorld();
  ledger.count({ source: 'http://cdn', purpose: 'image', title: 'till 3' }, 700);
  ledger.count({ source: 'http://cdn', purpose: 'image', title: 'till 3' }, 7);
  expect(LedgerView.parse((await ask('GET', '/admin/v1/ledger')).json()).rows).toMatchObject([
    { source: 'http://cdn', purpose: 'image', title: 'till 3', bytes: 707 },
  ]);
});
