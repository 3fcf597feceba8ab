// Approval by code and by phone, lists of machines, PINs: what is let through, what is refused, how slowly it is guessed.
import { Script } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { parseMachineList } from '../../src/command/machine-list.ts';
import { CODE_LETTERS } from '../../src/service/approvals.ts';
import { checkIn, image, MAC, type TestPeer, testPeer } from './peer.ts';

const HOST = { host: '127.0.0.1:8067' };
const SCRIPT =
  '/boot/script.ipxe?mac=52-54-00-12-34-56&uuid=4c4c4544-0042-3010-8052-b9c04f4e3332&serial=SN-1';

const waitingPeer = (options: Parameters<typeof testPeer>[0] = {}) =>
  testPeer({ ...options, registry: { unknown: 'wait' } });

async function ask(peer: TestPeer, method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, payload?: object) {
  const headers = { ...HOST, ...(url.startsWith('/admin') ? {} : { origin: 'http://127.0.0.1:8067' }) };
  const answer = await peer.http.app.inject({
    method,
    url,
    headers,
    ...(payload === undefined ? {} : { payload }),
  });
  return { status: answer.statusCode, body: answer.body === '' ? undefined : JSON.parse(answer.body) };
}

/** The code that the machine shows now. */
async function code(peer: TestPeer, change: Parameters<typeof checkIn>[0] = {}): Promise<string> {
  const { body } = await ask(peer, 'POST', '/agent/v1/check-in', checkIn(change));
  return body.plan.code;
}
const approve = (peer: TestPeer, payload: object) => ask(peer, 'POST', '/admin/v1/approvals', payload);
const plan = async (peer: TestPeer) => (await ask(peer, 'POST', '/agent/v1/check-in', checkIn())).body.plan;
const newPin = async (peer: TestPeer, uses = 1) =>
  (await ask(peer, 'POST', '/admin/v1/pins', { uses, minutes: 15 })).body.pin as string;

describe('a machine that nothing is assigned to', () => {
  it('boots its own disk unless the administrator says otherwise', async () => {
    const { http } = testPeer();
    const { body } = await http.app.inject({ url: SCRIPT, headers: HOST });
    expect(body).not.toContain('vmlinuz');
  });

  it('boots the agent, waits with a code, and is imaged when that is approved', async () => {
    const peer = waitingPeer();
    const { body } = await peer.http.app.inject({ url: SCRIPT, headers: HOST });
    expect(body).toContain('boot/files/vmlinuz');
    const shown = await code(peer);
    expect(shown).toMatch(new RegExp(`^[${CODE_LETTERS}]{8}$`));
    expect(await code(peer)).toBe(shown);
    expect(peer.machines.list()).toMatchObject([{ waiting: { code: shown } }]);
    const typed = `${shown.slice(0, 4)}-${shown.slice(4)}`.toLowerCase();
    const answer = await approve(peer, { code: typed, name: 'till-{nn}', allowNonBlank: true });
    expect(answer).toMatchObject({ status: 200, body: { identity: { serial: 'SN-1' } } });
    expect(await plan(peer)).toMatchObject({ kind: 'image', name: 'till-01', disk: { allowNonBlank: true } });
    expect(peer.machines.list()[0]).not.toHaveProperty('waiting');
    expect((await approve(peer, { code: shown })).body.code).toBe('PB-CODE-UNKNOWN');
  });

  it('boots its own disk when it is denied', async () => {
    const peer = waitingPeer();
    await approve(peer, { code: await code(peer), deny: true });
    expect(await plan(peer)).toMatchObject({ kind: 'local-boot' });
    const { body } = await peer.http.app.inject({ url: SCRIPT, headers: HOST });
    expect(body).not.toContain('vmlinuz');
  });

  it('is given another code when the first is old, and none that it showed before it went away', async () => {
    const peer = waitingPeer();
    const first = await code(peer);
    for (let s = 0; s < 16 * 60; s += 30) {
      peer.clock.advance(30_000);
      await code(peer);
    }
    const second = await code(peer);
    expect(second).not.toBe(first);
    peer.clock.advance(61_000);
    expect((await approve(peer, { code: second })).body.code).toBe('PB-CODE-UNKNOWN');
  });

  it('shows no code that another one shows', async () => {
    const peer = waitingPeer();
    const codes = new Set<string>();
    for (let i = 10; i < 40; i++)
      codes.add(
        await code(peer, {
          macs: [`52:54:00:00:00:${i}`],
          uuid: `${i}4c4544-0042-3010-8052-b9c04f4e3332`,
          serial: `S-${i}`,
        }),
      );
    expect(codes.size).toBe(30);
  });

  it('wants to know which image when there are several', async () => {
    const peer = waitingPeer();
    peer.images.push(image('kiosk', '1'));
    const shown = await code(peer);
    expect(await approve(peer, { code: shown })).toMatchObject({
      status: 409,
      body: { code: 'PB-APPROVE-IMAGE' },
    });
    expect((await approve(peer, { code: shown, image: 'nothing' })).body.code).toBe('PB-IMAGE-UNKNOWN');
    expect((await approve(peer, { code: shown, image: 'kiosk' })).status).toBe(200);
  });

  it('that was approved is given something else by whoever names it later', async () => {
    const peer = waitingPeer();
    peer.images.push(image('kiosk', '1'));
    await approve(peer, { code: await code(peer), image: 'debian' });
    const target = { kind: 'image', image: 'kiosk', disk: { allowNonBlank: true } };
    await ask(peer, 'PUT', '/admin/v1/assignments', { machine: MAC, target });
    expect(await plan(peer)).toMatchObject({ kind: 'image', image: { name: 'kiosk' } });
  });
});

describe('guessing', () => {
  it('codes is slow for administrators, too', async () => {
    const peer = waitingPeer();
    const right = await code(peer);
    const wrong = () => approve(peer, { code: 'BBBBBBBB' });
    for (let i = 0; i < 10; i++) expect((await wrong()).status).toBe(404);
    expect((await wrong()).status).toBe(429);
    expect((await approve(peer, { code: right })).status).toBe(429);
    peer.clock.advance(30_000);
    await code(peer);
    peer.clock.advance(31_000);
    expect((await approve(peer, { code: right })).status).toBe(200);
  });

  it('PINs is slow, ends them, and shuts no administrator out', async () => {
    const peer = waitingPeer();
    const shown = await code(peer);
    const pin = await newPin(peer);
    const guess = (text: string) => ask(peer, 'POST', '/approve/v1/look', { pin: text, code: shown });
    for (let i = 0; i < 10; i++) expect((await guess('00000000')).status).toBe(403);
    expect((await guess(pin)).status).toBe(429);
    peer.clock.advance(45_000);
    await code(peer);
    peer.clock.advance(16_000);
    await code(peer);
    for (let i = 0; i < 10; i++) await guess('00000000');
    peer.clock.advance(45_000);
    await code(peer);
    peer.clock.advance(16_000);
    expect((await guess(pin)).body.code).toBe('PB-PIN-WRONG');
    expect((await approve(peer, { code: shown })).status).toBe(200);
  });
});

describe('the phone', () => {
  it('gets one page that loads nothing, holds nothing and cannot be framed', async () => {
    const peer = testPeer({ site: '<b>store' });
    const answer = await peer.http.app.inject({ url: '/approve' });
    expect(answer.headers['content-type']).toContain('text/html');
    expect(answer.headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect(answer.body).toContain('&lt;b&gt;store');
    expect(answer.body).not.toMatch(/(?:src|href)=|https?:\/\//);
    expect(answer.body.length).toBeLessThan(8192);
    const script = /<script>([\s\S]*)<\/script>/.exec(answer.body)?.[1] ?? '';
    expect(() => new Script(script)).not.toThrow();
  });

  it('sees the machine by PIN and decides once with it', async () => {
    const peer = waitingPeer();
    const shown = await code(peer);
    const pin = await newPin(peer);
    const seen = await ask(peer, 'POST', '/approve/v1/look', {
      pin: ` ${pin.slice(0, 4)} ${pin.slice(4)}`,
      code: shown,
    });
    expect(seen).toMatchObject({
      status: 200,
      body: { code: shown, serial: 'SN-1', mac: MAC, images: ['debian'] },
    });
    expect(await ask(peer, 'POST', '/approve/v1/decide', { pin, code: 'BBBBBBBB' })).toMatchObject({
      status: 404,
    });
    expect(
      await ask(peer, 'POST', '/approve/v1/decide', { pin, code: shown, image: 'debian' }),
    ).toMatchObject({
      status: 200,
    });
    expect(await plan(peer)).toMatchObject({ kind: 'image', disk: { allowNonBlank: false } });
    expect((await ask(peer, 'POST', '/approve/v1/look', { pin, code: shown })).body.code).toBe(
      'PB-PIN-WRONG',
    );
  });

  it('is answered nothing without a PIN, or with one that is too old', async () => {
    const peer = waitingPeer();
    const shown = await code(peer);
    expect((await ask(peer, 'POST', '/approve/v1/look', { pin: '', code: shown })).status).toBe(403);
    const pin = await newPin(peer);
    peer.clock.advance(15 * 60_000);
    const fresh = await code(peer);
    expect((await ask(peer, 'POST', '/approve/v1/look', { pin, code: fresh })).status).toBe(403);
  });
});

describe('administration', () => {
  it.each([
    ['POST', '/admin/v1/approvals'],
    ['POST', '/admin/v1/pins'],
    ['PUT', '/admin/v1/assignments/list'],
    ['DELETE', '/admin/v1/machines/x'],
  ] as const)('%s %s needs the token, and no web page may', async (method, url) => {
    const { http } = testPeer({ adminToken: '0123456789abcdef' });
    const without = await http.app.inject({ method, url, headers: HOST, payload: {} });
    expect([without.statusCode, without.json().code]).toEqual([403, 'PB-ADMIN-FORBIDDEN']);
    const headers = { ...HOST, authorization: 'Bearer 0123456789abcdef', origin: 'http://127.0.0.1:8067' };
    expect((await http.app.inject({ method, url, headers, payload: {} })).statusCode).toBe(403);
  });

  it('takes a list whole or not at all', async () => {
    const peer = testPeer();
    const rules = { allowNonBlank: false, localBoot: 'local' };
    const list = (text: string) =>
      ask(peer, 'PUT', '/admin/v1/assignments/list', parseMachineList(text, rules));
    expect((await list('serial,image\nSN-1,debian\nSN-2,nothing')).body.code).toBe('PB-IMAGE-UNKNOWN');
    expect(peer.assignments.list()).toEqual([]);
    const answer = await list(
      'serial,image,name,tags\nSN-1,debian,till-1,\nSN-2,,,tills front\nSN-3,local,,',
    );
    expect(answer.body.assignments).toHaveLength(2);
    expect(await plan(peer)).toMatchObject({ kind: 'image', name: 'till-1' });
    const target = { kind: 'image', image: 'debian', disk: { allowNonBlank: false } };
    await ask(peer, 'PUT', '/admin/v1/assignments', { machine: 'tag:tills', target, name: 'till-{n}' });
    const other = checkIn({
      uuid: 'aaaaaaaa-0042-3010-8052-b9c04f4e3332',
      macs: ['52:54:00:00:00:02'],
      serial: 'SN-2',
    });
    expect((await ask(peer, 'POST', '/agent/v1/check-in', other)).body.plan).toMatchObject({
      name: 'till-2',
    });
    expect(peer.machines.find('SN-2')).toMatchObject({ tags: ['tills', 'front'], name: 'till-2' });
    expect(peer.machines.find('till-2')?.identity.serial).toBe('SN-2');
  });

  it('refuses names that no host can have', async () => {
    const peer = testPeer();
    const target = { kind: 'local-boot' };
    for (const name of ['-till', 'till-{x}', 'till {n}', '{n}{n}', 'till-{store}-{store}']) {
      const answer = await ask(peer, 'PUT', '/admin/v1/assignments', { machine: '*', target, name });
      expect(answer.status, name).toBe(400);
    }
  });

  it('forgets a machine when it is told to', async () => {
    const peer = testPeer();
    await plan(peer);
    expect((await ask(peer, 'DELETE', `/admin/v1/machines/${MAC}`)).status).toBe(204);
    expect(peer.machines.list()).toEqual([]);
    expect((await ask(peer, 'DELETE', `/admin/v1/machines/${MAC}`)).status).toBe(404);
  });
});
