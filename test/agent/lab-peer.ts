// A peer reduced to what the agent asks of one: a content tree, check-in and progress, over real HTTP; it can die and return.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { CheckIn, type CheckInAnswer, type Plan, ProgressReport } from '../../src/api/agent.ts';
import { ROUTES } from '../../src/api/routes.ts';

export interface LabPeer {
  readonly base: string;
  readonly checkIns: readonly CheckIn[];
  readonly reports: readonly ProgressReport[];
  /** Digests in hexadecimal of chunks sent whole. */
  readonly sent: readonly string[];
  plan: Plan;
  next: 'go-on' | 'restart';
  /** Called before a chunk is sent; its promise holds the answer up. */
  beforeChunk: (count: number) => Promise<void> | void;
  /** Breaks all connections, as a killed process does. */
  kill(): Promise<void>;
  /** At the same address again. */
  revive(): Promise<void>;
  close(): Promise<void>;
}

export interface LabPeerOptions {
  readonly tree: string;
  readonly plan: Plan;
  readonly sources?: readonly string[];
  /** Told to agents, so that they find each other. */
  readonly swarm?: CheckInAnswer['swarm'];
  readonly host?: string;
}

export async function startLabPeer(options: LabPeerOptions): Promise<LabPeer> {
  const checkIns: CheckIn[] = [];
  const reports: ProgressReport[] = [];
  const sent: string[] = [];
  let asked = 0;
  let server: Server | undefined;
  let port = 0;

  const answer = (): CheckInAnswer => ({
    machine: 'till-1',
    peer: 'back-office',
    site: 'Store 12',
    wallMs: Date.now(),
    sources: [...(options.sources ?? [])],
    ...(options.swarm === undefined ? {} : { swarm: options.swarm }),
    plan: peer.plan,
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? '';
    if (url === ROUTES.checkIn) {
      checkIns.push(CheckIn.parse(JSON.parse(await bodyOf(request))));
      return sendJson(response, answer());
    }
    if (url === ROUTES.progress) {
      reports.push(ProgressReport.parse(JSON.parse(await bodyOf(request))));
      sendJson(response, { next: peer.next });
      peer.next = 'go-on';
      return;
    }
    const path = url.startsWith(`${ROUTES.content}/`) ? url.slice(ROUTES.content.length + 1) : '';
    if (path.startsWith('chunks/')) await peer.beforeChunk(++asked);
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(join(options.tree, path));
    } catch {
      response.writeHead(404).end();
      return;
    }
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    const from = Number(range?.[1] ?? 0);
    response.writeHead(range === null ? 200 : 206, {
      'content-length': bytes.length - from,
      ...(range === null ? {} : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    });
    response.end(bytes.subarray(from), () => {
      if (path.startsWith('chunks/')) sent.push(path.slice('chunks/xx/'.length));
    });
  }

  const peer: LabPeer = {
    get base() {
      return `http://${options.host ?? '127.0.0.1'}:${port}`;
    },
    checkIns,
    reports,
    sent,
    plan: options.plan,
    next: 'go-on',
    beforeChunk: () => {},
    async kill() {
      const dying = server;
      server = undefined;
      dying?.closeAllConnections();
      await new Promise<void>((resolve) => (dying === undefined ? resolve() : dying.close(() => resolve())));
    },
    async revive() {
      const reborn = createServer((request, response) => {
        handle(request, response).catch((error) => {
          console.error('lab peer:', error);
          response.destroy();
        });
      });
      await new Promise<void>((resolve) => reborn.listen(port, options.host ?? '127.0.0.1', resolve));
      port = (reborn.address() as AddressInfo).port;
      server = reborn;
    },
    close: () => peer.kill(),
  };
  await peer.revive();
  return peer;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
