// A real HTTP(S) server on loopback that serves chunks as an origin does, and misbehaves on request.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { chunkPath } from '../../src/api/routes.ts';
import type { TestChunk } from './chunks.ts';

/** What goes wrong with one request. Counts of bytes are of the body that this answer would have. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Record<string, string> }
  /** The connection breaks after so many bytes. */
  | { readonly kind: 'break'; readonly after: number }
  /** Nothing more comes after so many bytes; -1: not even a head. */
  | { readonly kind: 'stall'; readonly after: number }
  /** One byte at a time, `everyMs`. */
  | { readonly kind: 'drip'; readonly everyMs: number }
  | { readonly kind: 'flip' }
  /** A file that is too short, or too long, and announced as such. */
  | { readonly kind: 'resize'; readonly by: number }
  /** No Content-Length: chunked transfer coding, ended after so many bytes in good order. */
  | { readonly kind: 'unannounced'; readonly after: number }
  | { readonly kind: 'no-range' }
  | { readonly kind: 'other-range' }
  | { readonly kind: 'other-tag' }
  | { readonly kind: 'packed' };

export interface Origin {
  readonly base: string;
  /** `path` and headers of every request, in order. */
  readonly requests: {
    readonly path: string;
    readonly range: string | undefined;
    readonly ifRange: string | undefined;
  }[];
  /** Called for each request; undefined means: behave. */
  fault: (path: string, count: number) => Fault | undefined;
  /** Body bytes handed to the network. */
  sentBytes: number;
  close(): Promise<void>;
}

export interface OriginOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly files?: Readonly<Record<string, Uint8Array>>;
}

export async function startOrigin(
  chunks: readonly TestChunk[],
  options: OriginOptions = {},
): Promise<Origin> {
  const files = new Map<string, Uint8Array>(Object.entries(options.files ?? {}));
  for (const { descriptor, bytes } of chunks) files.set(chunkPath(descriptor.digest), bytes);
  const sockets = new Set<Socket>();
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const path = (request.url ?? '').slice('/tree/'.length);
    const ifRange = request.headers['if-range'] as string | undefined;
    origin.requests.push({ path, range: request.headers.range, ifRange });
    const fault = origin.fault(path, origin.requests.length);
    serve(files.get(path), fault, request, response, (count) => {
      origin.sentBytes += count;
    });
  };
  const server = options.tls === undefined ? createServer(answer) : createTlsServer(options.tls, answer);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const origin: Origin = {
    base: `http${options.tls === undefined ? '' : 's'}://127.0.0.1:${port}/tree`,
    requests: [],
    fault: () => undefined,
    sentBytes: 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  return origin;
}

function serve(
  held: Uint8Array | undefined,
  fault: Fault | undefined,
  request: IncomingMessage,
  response: ServerResponse,
  count: (bytes: number) => void,
): void {
  if (fault?.kind === 'status') {
    response.writeHead(fault.status, { 'content-length': 0, ...fault.headers }).end();
    return;
  }
  if (held === undefined) {
    response.writeHead(404, { 'content-length': 0 }).end();
    return;
  }
  const whole = changed(held, fault);
  const tag = fault?.kind === 'other-tag' ? '"another"' : '"one"';
  const ifRange = request.headers['if-range'];
  const asked = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const ranged = asked !== null && fault?.kind !== 'no-range' && (ifRange === undefined || ifRange === tag);
  const from = ranged ? Number(asked[1]) : 0;
  const body = whole.subarray(from);
  if (ranged && from >= whole.length) {
    response.writeHead(416, { 'content-range': `bytes */${whole.length}` }).end();
    return;
  }
  if (fault?.kind === 'stall' && fault.after < 0) return;
  const shown = fault?.kind === 'other-range' ? from + 1 : from;
  response.writeHead(ranged ? 206 : 200, {
    etag: tag,
    ...(fault?.kind === 'unannounced' ? {} : { 'content-length': body.length }),
    ...(ranged ? { 'content-range': `bytes ${shown}-${whole.length - 1}/${whole.length}` } : {}),
    ...(fault?.kind === 'packed' ? { 'content-encoding': 'gzip' } : {}),
  });
  send(body, fault, response, count);
}

function changed(held: Uint8Array, fault: Fault | undefined): Uint8Array {
  if (fault?.kind === 'flip') {
    const flipped = Uint8Array.from(held);
    flipped[held.length >> 1] = (flipped[held.length >> 1] as number) ^ 1;
    return flipped;
  }
  if (fault?.kind === 'resize') {
    const resized = new Uint8Array(held.length + fault.by);
    resized.set(held.subarray(0, resized.length));
    return resized;
  }
  return held;
}

function send(
  body: Uint8Array,
  fault: Fault | undefined,
  response: ServerResponse,
  count: (bytes: number) => void,
): void {
  switch (fault?.kind) {
    case 'break':
      count(Math.min(fault.after, body.length));
      response.write(body.subarray(0, fault.after), () => response.destroy());
      break;
    case 'stall':
      count(fault.after);
      response.write(body.subarray(0, fault.after));
      break;
    case 'unannounced':
      count(Math.min(fault.after, body.length));
      response.end(body.subarray(0, fault.after));
      break;
    case 'drip': {
      let at = 0;
      const timer = setInterval(() => response.write(body.subarray(at, ++at)), fault.everyMs);
      response.once('close', () => clearInterval(timer));
      break;
    }
    default:
      count(body.length);
      response.end(body);
  }
}
