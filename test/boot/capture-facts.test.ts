// What transfers and requests look like in a capture, and the facts that are read off them.
import { describe, expect, it } from 'vitest';
import { ROUTES } from '../../src/api/routes.ts';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { concatBytes, fromText } from '../../src/base/bytes.ts';
import { CaptureHttp, planOfScript } from '../../src/boot/capture-http.ts';
import { CaptureTftp } from '../../src/boot/capture-tftp.ts';
import type { Observed } from '../../src/boot/observed.ts';
import { renderScript, renderStartScript } from '../../src/boot/script.ts';
import { encodeTftp, type TftpPacket } from '../../src/tftp/packet.ts';

const CLIENT = { address: '10.77.0.50' as Ipv4, port: 2001 };
const SERVER = { address: '10.77.0.2' as Ipv4, port: 40_000 };
const BASE = 'http://10.77.0.2:8067';

/** What is read off a conversation, as kinds and their telling fields. */
function tftpFacts(
  ...packets: readonly (['>' | '<' | '>69', TftpPacket] | ['>' | '<', Uint8Array])[]
): unknown[] {
  const reader = new CaptureTftp();
  return packets.flatMap(([way, packet]) => {
    const payload = packet instanceof Uint8Array ? packet : encodeTftp(packet);
    const server = way === '>69' ? { ...SERVER, port: 69 } : SERVER;
    const [source, target] = way === '<' ? [server, CLIENT] : [CLIENT, server];
    const facts = reader.read({ kind: 'udp', source, target, payload, payloadBytes: payload.length });
    return facts.map(({ kind, ...fields }) => [kind, ...Object.values(tell(fields))]);
  });
}

function tell(fields: object): Record<string, unknown> {
  const { client: _, server: __, ...rest } = fields as Record<string, unknown>;
  return rest;
}

const request = (file: string): ['>69', TftpPacket] => [
  '>69',
  { kind: 'read', file, mode: 'octet', options: [['blksize', '1024']] },
];
const oack: ['<', TftpPacket] = [
  '<',
  {
    kind: 'oack',
    options: [
      ['blksize', '1024'],
      ['tsize', '1500'],
    ],
  },
];
const data = (block: number, bytes: number): ['<', TftpPacket] => [
  '<',
  { kind: 'data', block, data: new Uint8Array(bytes) },
];
const ack = (block: number): ['>', TftpPacket] => ['>', { kind: 'ack', block }];

describe('TFTP', () => {
  it('a whole file', () => {
    expect(tftpFacts(request('a.efi'), oack, ack(0), data(1, 1024), ack(1), data(2, 476), ack(2))).toEqual([
      ['tftp-request', 'a.efi'],
      ['tftp-answer', 1500],
      ['tftp-end', 'completed'],
    ]);
  });

  it('without options, and the next request from the same port in place of the last acknowledgement', () => {
    expect(tftpFacts(request('a'), data(1, 512), ack(1), data(2, 3), request('b'))).toEqual([
      ['tftp-request', 'a'],
      ['tftp-answer', undefined],
      ['tftp-end', 'completed'],
      ['tftp-request', 'b'],
    ]);
  });

  it('the size only', () => {
    const stop: ['>', TftpPacket] = ['>', { kind: 'error', code: 8, message: 'User aborted the transfer' }];
    expect(tftpFacts(request('a'), oack, stop)).toEqual([
      ['tftp-request', 'a'],
      ['tftp-answer', 1500],
      ['tftp-end', 'probed'],
    ]);
  });

  it('broken off after a block', () => {
    const stop: ['>', TftpPacket] = ['>', { kind: 'error', code: 0, message: 'out of memory' }];
    expect(tftpFacts(request('a'), oack, ack(0), data(1, 1024), ack(1), stop).at(-1)).toEqual([
      'tftp-end',
      'aborted',
      'out of memory',
    ]);
  });

  it('an OACK without a block size leaves it as it was', () => {
    const sizeOnly: ['<', TftpPacket] = ['<', { kind: 'oack', options: [['tsize', '515']] }];
    expect(tftpFacts(request('a'), sizeOnly, data(1, 512), ack(1), data(2, 3), ack(2))).toEqual([
      ['tftp-request', 'a'],
      ['tftp-answer', 515],
      ['tftp-end', 'completed'],
    ]);
  });

  it('forgets the oldest of many transfers', () => {
    const reader = new CaptureTftp();
    const read = (port: number, to: number, packet: TftpPacket) => {
      const payload = encodeTftp(packet);
      const [source, target] = [
        { ...CLIENT, port },
        { ...SERVER, port: to },
      ];
      return reader.read({ kind: 'udp', source, target, payload, payloadBytes: payload.length });
    };
    for (let port = 1; port <= 1025; port++) read(port, 69, request('a')[1]);
    const stop: TftpPacket = { kind: 'error', code: 0, message: 'x' };
    expect(read(1, SERVER.port, stop)).toEqual([]);
    expect(read(2, SERVER.port, stop)).toHaveLength(1);
  });

  it('refused, and given up by the server', () => {
    const refusal: ['<', TftpPacket] = ['<', { kind: 'error', code: 1, message: 'File not found' }];
    expect(tftpFacts(request('a'), refusal).at(-1)).toEqual(['tftp-end', 'denied', 'File not found']);
    expect(tftpFacts(request('a'), oack, ack(0), data(1, 1024), refusal).at(-1)).toEqual([
      'tftp-end',
      'timed-out',
      'File not found',
    ]);
  });

  it('blocks beyond 16 bits', () => {
    const many = Array.from({ length: 70_000 }, (_, i) => data((i + 1) & 0xffff, 1024));
    const facts = tftpFacts(
      request('a'),
      oack,
      ...many.slice(0, 2),
      ack(2),
      ...many.slice(2),
      data(70_001 & 0xffff, 9),
      ack(70_001 & 0xffff),
    );
    expect(facts.at(-1)).toEqual(['tftp-end', 'completed']);
    expect(facts.findLast((fact) => (fact as unknown[])[0] === 'tftp-progress')).toEqual([
      'tftp-progress',
      expect.closeTo(71_680_000, -6),
    ]);
  });

  it('words from the wrong side are passed over', () => {
    const wrong: ['>', TftpPacket] = ['>', { kind: 'data', block: 1, data: new Uint8Array(3) }];
    expect(tftpFacts(request('a'), oack, wrong, ['<', { kind: 'ack', block: 1 }])).toHaveLength(2);
  });

  it('writing, strangers and nonsense are passed over', () => {
    expect(
      tftpFacts(['>69', { kind: 'write', file: 'a', mode: 'octet', options: [] }], ack(1), data(1, 5), [
        '>',
        Uint8Array.of(0, 9),
      ]),
    ).toEqual([]);
    expect(
      tftpFacts(request('a'), ['>', Uint8Array.of(9, 9, 9, 9)], ['<', Uint8Array.of(9, 9, 9, 9)]),
    ).toHaveLength(1);
  });
});

function httpFacts(
  ...segments: readonly ['>' | '<', seq: number, ack: number | undefined, text: string][]
): Observed[] {
  const reader = new CaptureHttp();
  const server = { ...SERVER, port: 8067 };
  return segments.flatMap(([way, seq, ack, text]) => {
    const payload = fromText(text);
    const [source, target] = way === '>' ? [CLIENT, server] : [server, CLIENT];
    return reader.read({
      kind: 'tcp',
      source,
      target,
      payload,
      payloadBytes: payload.length,
      seq,
      ack,
      syn: false,
    });
  });
}

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n';

describe('HTTP', () => {
  it('a request, its answer, and the body acknowledged to its end, also where the numbers wrap', () => {
    const start = 2 ** 32 - 20;
    const facts = httpFacts(
      ['>', 1, start, 'GET /boot/files/vmlinuz HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['<', start, 2, ''],
      ['<', start, 2, `${HEAD}12345`],
      ['>', 2, (start + HEAD.length + 5) >>> 0, ''],
      ['<', (start + HEAD.length + 5) >>> 0, 2, '67890'],
      ['>', 2, (start + HEAD.length + 10) >>> 0, ''],
      ['>', 2, (start + HEAD.length + 10) >>> 0, ''],
    );
    expect(facts.map(tell)).toEqual([
      { kind: 'http-request', method: 'GET', path: '/boot/files/vmlinuz' },
      { kind: 'http-answer', status: 200 },
      { kind: 'http-answer', status: 200, whole: true },
    ]);
  });

  it('a refusal, and HEAD, have no body to wait for', () => {
    const refusal = httpFacts(
      ['>', 1, 1, 'GET /x HTTP/1.1\r\n\r\n'],
      ['<', 1, 2, 'HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!'],
      ['>', 2, 900, ''],
    );
    expect(refusal.map(tell)).toEqual([
      { kind: 'http-request', method: 'GET', path: '/x' },
      { kind: 'http-answer', status: 404 },
    ]);
    expect(
      httpFacts(['>', 1, 1, 'HEAD /x HTTP/1.1\r\n\r\n'], ['<', 1, 2, HEAD], ['>', 2, 900, '']),
    ).toHaveLength(2);
  });

  it('the check-in of an agent, and what a script told', () => {
    const checkIn = httpFacts(['>', 1, 1, `POST ${ROUTES.checkIn} HTTP/1.1\r\n\r\n`], ['<', 1, 2, HEAD]);
    expect(checkIn.at(-1)).toEqual({ kind: 'check-in', address: CLIENT.address, macs: [] });
    const script = httpFacts(
      ['>', 1, 1, 'GET /linux.ipxe HTTP/1.1\r\n\r\n'],
      ['<', 1, 2, `${HEAD}#!ipxe\nkernel http://x/vmlinuz\n`],
    );
    expect(script.at(-1)).toEqual({ kind: 'told', address: CLIENT.address, plan: 'image' });
    const apart = httpFacts(
      ['>', 1, 1, 'GET /linux.ipxe HTTP/1.1\r\n\r\n'],
      ['<', 1, 2, HEAD],
      ['<', 99, 2, '#!ipxe\nkernel x\n'],
    );
    expect(apart.at(-1)).toMatchObject({ kind: 'told', plan: 'image' });
  });

  it('forgets the oldest of many connections', () => {
    const reader = new CaptureHttp();
    const target = { ...SERVER, port: 8067 };
    const read = (port: number, towards: boolean, text: string) => {
      const source = { ...CLIENT, port };
      const ends = towards ? { source, target } : { source: target, target: source };
      const payload = fromText(text);
      const more = { seq: 1, ack: 1, syn: false, payloadBytes: payload.length };
      return reader.read({ kind: 'tcp', ...ends, payload, ...more });
    };
    for (let port = 1; port <= 1025; port++) read(port, true, 'GET /x HTTP/1.1\r\n\r\n');
    expect(read(1, false, HEAD)).toEqual([]);
    expect(read(2, false, HEAD)).toHaveLength(1);
  });

  it('other talk is passed over', () => {
    expect(httpFacts(['>', 1, 1, 'SSH-2.0-OpenSSH\r\n'], ['<', 1, 1, 'SSH-2.0-x\r\n'])).toEqual([]);
  });
});

describe('our own scripts are understood', () => {
  const context = {
    base: BASE,
    others: [],
    site: 'store',
    machine: { id: 'm-abcdefgh', mac: '52:54:00:77:00:01' as never },
    reason: 'x',
  };
  const image = { name: 'debian', version: '12' };
  it.each([
    [
      'image',
      renderScript({ kind: 'image', image, disk: { allowNonBlank: false }, finish: 'reboot' }, context),
    ],
    ['local-boot', renderScript({ kind: 'local-boot' }, context)],
    ['wait', renderScript({ kind: 'wait', retryAfterMs: 5_000, reason: 'x' }, context)],
    [undefined, renderStartScript(BASE, [])],
    [undefined, 'echo no script'],
  ])('%s', (plan, text) => expect(planOfScript(text)).toBe(plan));

  it('behind the head of the answer, too', () => {
    const answer = concatBytes([fromText(HEAD), fromText(renderScript({ kind: 'local-boot' }, context))]);
    expect(planOfScript(new TextDecoder().decode(answer))).toBe('local-boot');
  });
});
