// The agent's way to its peer, when there is trouble at the other end: real sockets, real time.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { CheckIn, ProgressReport } from '../../src/api/agent.ts';
import { createAgentPeer } from '../../src/io/agent-peer.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** What it answers, or undefined to keep still, as a host does whose power is gone. */
async function hostThatSays(answer: { status: number; body: string } | undefined): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    if (answer !== undefined) response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const report = (base: string) => createAgentPeer(base).report({} as ProgressReport);

describe('a peer that is asked', () => {
  it('has five seconds for a report: it is made again, and machines shall not lose sight of all hosts', async () => {
    const base = await hostThatSays(undefined);
    const error = { code: 'PB-PEER-SILENT', message: expect.stringContaining('no answer within 5 s') };
    await expect(report(base)).rejects.toMatchObject(error);
  });

  it.each([
    ['an error', { status: 503, body: 'starting' }, /answered 503: starting/],
    ['nonsense', { status: 200, body: '{"next":"sideways"}' }, /not understood/],
  ])('is silent as far as the agent goes when it answers with %s', async (_, answer, said) => {
    const base = await hostThatSays(answer);
    const error = { code: 'PB-PEER-SILENT', message: expect.stringMatching(said) };
    await expect(report(base)).rejects.toMatchObject(error);
    await expect(createAgentPeer(base).checkIn({} as CheckIn)).rejects.toMatchObject({
      code: 'PB-PEER-SILENT',
    });
  });

  it('is known to refuse at once', async () => {
    const base = await hostThatSays({ status: 200, body: '{}' });
    for (const close of closers.splice(0)) close();
    await expect(report(base)).rejects.toMatchObject({
      message: expect.stringContaining('connection refused'),
    });
  });
});
