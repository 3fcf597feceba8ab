// Content, administration, health and errors of the HTTP service, without a socket.
import { describe, expect, it } from 'vitest';
import { PeerbootError } from '../../src/base/errors.ts';
import { checkIn, DIGEST, image, MAC, namedFiles, report, testPeer } from './peer.ts';

const HOST = { host: '127.0.0.1:8067' };
const HEX = DIGEST.slice('sha256:'.length);
const CHUNK = `/content/chunks/${HEX.slice(0, 2)}/${HEX}`;
const ASSIGNMENT = {
  machine: '*',
  target: { kind: 'image', image: 'debian', disk: { allowNonBlank: false } },
} as const;

describe('content', () => {
  it('a chunk by its digest, to be kept for ever', async () => {
    const { http, chunks } = testPeer();
    chunks.set(DIGEST, Buffer.from('0123456789'));
    const got = await http.app.inject({ url: CHUNK });
    expect(got.body).toBe('0123456789');
    expect(got.headers).toMatchObject({
      'content-length': '10',
      'cache-control': 'public, max-age=31536000, immutable',
      etag: `"${DIGEST}"`,
      'accept-ranges': 'bytes',
    });
    const ranged = await http.app.inject({ url: CHUNK, headers: { range: 'bytes=7-' } });
    expect([ranged.statusCode, ranged.body]).toEqual([206, '789']);
    const metrics = await http.app.inject({ url: '/metrics' });
    expect(metrics.body).toContain('peerboot_content_served_bytes_total 13');
  });

  it.each([
    ['of digits in capitals', CHUNK.toUpperCase().replace('/CONTENT/CHUNKS', '/content/chunks')],
    ['in another folder', `/content/chunks/00/${HEX}`],
    ['too short', '/content/chunks/ab/abab'],
    ['with a way out', '/content/chunks/..%2F..%2Fetc/passwd'],
  ])('no chunk is called something %s', async (_, url) => {
    const answer = await testPeer().http.app.inject({ url });
    expect(answer.statusCode).toBe(404);
    expect(answer.json().code).toBe('PB-HTTP-NOT-FOUND');
  });

  it('a chunk that nobody has, or that no source gives right, is told with its code', async () => {
    const missing = await testPeer().http.app.inject({ url: CHUNK });
    expect(missing.statusCode).toBe(404);
    expect(missing.json()).toMatchObject({ code: 'PB-CHUNK-MISSING', remedy: expect.any(String) });
    for (const code of ['PB-SOURCE-FAILED', 'PB-CHUNK-CORRUPT'] as const) {
      const { http } = testPeer({ content: { open: () => Promise.reject(new PeerbootError(code, 'no')) } });
      const answer = await http.app.inject({ url: CHUNK });
      expect([answer.statusCode, answer.json().code]).toEqual([502, code]);
    }
  });

  it('files of the catalogue in force, and why there are none', async () => {
    const peer = testPeer();
    const held = await peer.http.app.inject({ url: '/content/catalogue/timestamp.json' });
    expect(held.headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-cache' });
    const again = await peer.http.app.inject({
      url: '/content/catalogue/timestamp.json',
      headers: { 'if-none-match': held.headers.etag as string },
    });
    expect(again.statusCode).toBe(304);
    peer.catalogueState = { state: 'none', reason: 'PB-TRUST-ROOT-MISSING no root' };
    const none = await peer.http.app.inject({ url: '/content/catalogue/1.targets.json' });
    expect(none.statusCode).toBe(404);
    expect(none.json().what).toContain('PB-TRUST-ROOT-MISSING');
  });
});

describe('boot files', () => {
  it('go by their exact names only', async () => {
    const { http } = testPeer();
    for (const name of [
      'nothing',
      '',
      '%2e%2e/vmlinuz',
      'VMLINUZ',
      'vmlinuz/',
      'boot%2Fvmlinuz',
      'vmlinuz%00',
    ]) {
      const answer = await http.app.inject({ url: `/boot/files/${name}` });
      expect(answer.statusCode, name).toBe(404);
    }
  });

  it('an EFI program says what it is; others are bytes', async () => {
    const { http } = testPeer();
    const type = async (name: string) =>
      (await http.app.inject({ method: 'HEAD', url: `/boot/files/${name}` })).headers['content-type'];
    expect(await type('snponly.efi')).toBe('application/efi');
    expect(await type('undionly.kpxe')).toBe('application/octet-stream');
  });

  it('a machine that fetches one to its end climbs, one that only asks for its size does not', async () => {
    const { http, machines } = testPeer();
    machines.observe({ kind: 'script', address: '127.0.0.1', query: {} });
    const seen = machines.checkIn('127.0.0.1', checkIn()).machine;
    machines.report(report(seen.id, 'done'));
    const url = '/boot/files/undionly.kpxe';
    await http.app.inject({ method: 'HEAD', url });
    await http.app.inject({ url, headers: { range: 'bytes=0-0' } });
    expect(machines.find(seen.id)?.rung).toBe('done');
    // The rest of a download that broke off.
    await http.app.inject({ url, headers: { range: 'bytes=1-' } });
    expect(machines.find(seen.id)?.rung).toBe('nbp');
  });

  it('without them an assigned machine waits and is told why', async () => {
    const { http, assignments } = testPeer({ files: namedFiles({ 'undionly.kpxe': Buffer.from('x') }) });
    assignments.put(ASSIGNMENT);
    const { body } = await http.app.inject({ url: `/boot/script.ipxe?mac=${MAC}`, headers: HOST });
    expect(body).toContain('PB-ASSETS-MISSING');
    expect(body).not.toContain('vmlinuz');
  });
});

it.each([
  ['nothing at all', ''],
  ['no machine', '?platform=pcbios'],
  ['a MAC that is none', '?mac=zz'],
  ['fields twice', `?mac=${MAC}&mac=1&serial=a&serial=b`],
  ['text of any length and kind', `?mac=${MAC}&serial=%00%ff%0aboot&product=${'x'.repeat(5000)}`],
])('a script is given to whoever asks with %s', async (_, query) => {
  const answer = await testPeer().http.app.inject({ url: `/boot/script.ipxe${query}`, headers: HOST });
  expect(answer.statusCode).toBe(200);
  expect(answer.body).toMatch(/^#!ipxe\n/);
  expect(answer.body).toContain('sanboot');
});

describe('the agent is told what is wrong with what it says', () => {
  it.each<[string, object, number]>([
    ['no JSON', { payload: '{', headers: { 'content-type': 'application/json' } }, 400],
    ['another type', { payload: '{}', headers: { 'content-type': 'text/plain' } }, 415],
    ['a field missing', { payload: { apiVersion: 1 } }, 400],
    ['another version of the API', { payload: { ...checkIn(), apiVersion: 2 } }, 400],
    ['no MAC', { payload: checkIn({ macs: [] }) }, 400],
    ['too much', { payload: { ...checkIn(), agentVersion: 'x'.repeat(600_000) } }, 413],
  ])('%s', async (_, request, status) => {
    const answer = await testPeer().http.app.inject({
      method: 'POST',
      url: '/agent/v1/check-in',
      ...request,
    });
    expect(answer.statusCode).toBe(status);
    expect(answer.json()).toMatchObject({ code: 'PB-REQUEST-INVALID', what: expect.any(String) });
  });
});

describe('administration', () => {
  it('assigns, lists and removes', async () => {
    const { http } = testPeer();
    const put = await http.app.inject({
      method: 'PUT',
      url: '/admin/v1/assignments',
      headers: HOST,
      payload: ASSIGNMENT,
    });
    expect(put.json()).toMatchObject({ ...ASSIGNMENT, revision: 1, origin: 'admin' });
    const list = await http.app.inject({ url: '/admin/v1/assignments', headers: HOST });
    expect(list.json().assignments).toHaveLength(1);
    const remove = () => http.app.inject({ method: 'DELETE', url: '/admin/v1/assignments/*', headers: HOST });
    expect((await remove()).statusCode).toBe(204);
    expect((await remove()).statusCode).toBe(404);
  });

  it('refuses a package, and an image that the catalogue does not have, unless there is no catalogue yet', async () => {
    const peer = testPeer();
    const put = () =>
      peer.http.app.inject({
        method: 'PUT',
        url: '/admin/v1/assignments',
        headers: HOST,
        payload: { ...ASSIGNMENT, target: { ...ASSIGNMENT.target, image: 'debain' } },
      });
    expect((await put()).json().code).toBe('PB-IMAGE-UNKNOWN');
    peer.packages = peer.images.map((image) => ({ ...image, name: 'debain' }));
    expect((await put()).json().code).toBe('PB-IMAGE-IS-PACKAGE');
    peer.catalogueState = { state: 'none' };
    expect((await put()).statusCode).toBe(200);
  });

  it('shows machines and images', async () => {
    const peer = testPeer();
    peer.images = [image('debian', '1')];
    peer.machines.checkIn('10.0.0.1', checkIn());
    const list = await peer.http.app.inject({ url: '/admin/v1/machines', headers: HOST });
    expect(list.json().machines).toMatchObject([{ rung: 'agent', identity: { macs: [MAC] } }]);
    const one = await peer.http.app.inject({ url: `/admin/v1/machines/${MAC}`, headers: HOST });
    expect(one.json()).toMatchObject({ rung: 'agent' });
    const none = await peer.http.app.inject({ url: '/admin/v1/machines/nobody', headers: HOST });
    expect(none.statusCode).toBe(404);
    const images = await peer.http.app.inject({ url: '/admin/v1/images', headers: HOST });
    expect(images.json()).toMatchObject({ images: [{ name: 'debian' }], catalogue: { state: 'valid' } });
  });

  const TOKEN = 'a secret of some length';
  const bearer = { authorization: `Bearer ${TOKEN}` };
  it.each<[string, { token?: string; from?: string; headers?: Record<string, string> }, number]>([
    ['from here', {}, 200],
    ['from here by IPv6', { from: '::1', headers: { host: '[::1]:8067' } }, 200],
    ['from here by name', { headers: { host: 'localhost' } }, 200],
    ['from another machine', { from: '10.77.0.9' }, 403],
    ['from another machine that calls itself this one', { from: '10.77.0.9', headers: HOST }, 403],
    [
      'from here by a name that somebody made resolve to here',
      { headers: { host: 'evil.example:8067' } },
      403,
    ],
    ['from here by an address that is not loopback', { headers: { host: '10.77.0.2:8067' } }, 403],
    ['from here by a name that begins like here', { headers: { host: '127.0.0.1.evil.example' } }, 403],
    ['from a web page', { headers: { origin: 'http://127.0.0.1:8067' } }, 403],
    ['from here without the token that is configured', { token: TOKEN }, 403],
    ['from here with it', { token: TOKEN, headers: bearer }, 200],
    ['from another machine with it', { token: TOKEN, from: '10.77.0.9', headers: bearer }, 200],
    ['with it, but from a web page', { token: TOKEN, headers: { ...bearer, origin: 'null' } }, 403],
    ['with a wrong one', { token: TOKEN, headers: { authorization: `Bearer ${TOKEN}x` } }, 403],
    ['with half of it', { token: TOKEN, headers: { authorization: `Bearer ${TOKEN.slice(0, 5)}` } }, 403],
    ['with an empty one', { token: TOKEN, headers: { authorization: 'Bearer ' } }, 403],
  ])('%s', async (_, { token, from = '127.0.0.1', headers = {} }, status) => {
    const { http } = testPeer(token === undefined ? {} : { adminToken: token });
    for (const url of ['/admin/v1/machines', '/admin/v1/assignments', '/admin/v1/images']) {
      const answer = await http.app.inject({ url, remoteAddress: from, headers: { ...HOST, ...headers } });
      expect(answer.statusCode, url).toBe(status);
      if (status === 403) expect(answer.json().code).toBe('PB-ADMIN-FORBIDDEN');
    }
  });

  it('its guard does not stand before machines', async () => {
    const { http } = testPeer();
    const answer = await http.app.inject({ url: '/boot/start.ipxe', remoteAddress: '10.77.0.9' });
    expect(answer.statusCode).toBe(200);
  });
});

describe('health', () => {
  it('ready with boot files and a catalogue, also one that is held', async () => {
    const peer = testPeer({ checks: () => [{ name: 'ports', ok: true, what: '67, 69, 4011' }] });
    peer.catalogueState = { state: 'held', reason: 'expired yesterday' };
    const answer = await peer.http.app.inject({ url: '/readyz' });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({
      ready: true,
      checks: [
        { name: 'boot files', ok: true, what: '4 boot files' },
        { name: 'catalogue', ok: true, what: 'held: expired yesterday' },
        { name: 'ports', ok: true, what: '67, 69, 4011' },
      ],
    });
  });

  it('an agent for one kind of processor will do', async () => {
    const names = ['vmlinuz-arm64', 'initramfs-arm64.img', 'peerboot-arm64.efi'];
    const files = namedFiles(Object.fromEntries(names.map((name) => [name, Buffer.from('x')])));
    const { checks } = (await testPeer({ files }).http.app.inject({ url: '/readyz' })).json();
    expect(checks[0]).toEqual({ name: 'boot files', ok: true, what: '3 boot files' });
  });

  it.each<[string, Parameters<typeof testPeer>[0], object]>([
    ['boot files', { files: namedFiles({ vmlinuz: Buffer.from('x') }) }, { state: 'valid' }],
    ['catalogue', {}, { state: 'none' }],
    ['ports', { checks: () => [{ name: 'ports', ok: false, what: '67 is taken' }] }, { state: 'valid' }],
  ])('not ready without %s', async (name, options, state) => {
    const peer = testPeer(options);
    Object.assign(peer, { catalogueState: state });
    const answer = await peer.http.app.inject({ url: '/readyz' });
    expect(answer.statusCode).toBe(503);
    const checks = answer.json().checks as { name: string; ok: boolean }[];
    expect(checks.filter(({ ok }) => !ok).map((check) => check.name)).toEqual([name]);
  });

  it('alive as long as it answers', async () => {
    expect((await testPeer().http.app.inject({ url: '/livez' })).json()).toEqual({ live: true });
  });

  it('metrics in the names of Prometheus', async () => {
    const { http, machines } = testPeer({
      stats: {
        wanBytes: () => [{ labels: { source: 'http://cdn' }, value: 4711 }],
        dhcpPackets: () => [{ labels: { outcome: 'answered', reason: '' }, value: 2 }],
        tftpTransfers: () => [{ labels: { outcome: 'completed' }, value: 3 }],
      },
    });
    machines.checkIn('10.0.0.1', checkIn());
    const read = async () => (await http.app.inject({ url: '/metrics' })).body;
    await read();
    const text = await read();
    for (const line of [
      'peerboot_machines{rung="agent"} 1',
      'peerboot_machines{rung="done"} 0',
      'peerboot_wan_bytes_total{source="http://cdn"} 4711',
      'peerboot_dhcp_packets_total{outcome="answered",reason=""} 2',
      'peerboot_tftp_transfers_total{outcome="completed"} 3',
      'peerboot_content_served_bytes_total 0',
      'peerboot_http_requests_total{route="/metrics",status="200"} 1',
      'peerboot_build_info{version="0.0.0"} 1',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
  });
});

it('what is not there is told in JSON, and what breaks tells nothing of the inside', async () => {
  const { http, log } = testPeer({ content: { open: () => Promise.reject(new TypeError('inner secret')) } });
  const nothing = await http.app.inject({ url: '/nothing?serial=secret' });
  expect(nothing.statusCode).toBe(404);
  expect(nothing.json()).toMatchObject({ code: 'PB-HTTP-NOT-FOUND', what: 'there is no GET /nothing' });
  const broken = await http.app.inject({ url: CHUNK });
  expect(broken.statusCode).toBe(500);
  expect(broken.body).not.toContain('secret');
  expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
});
