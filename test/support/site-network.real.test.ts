// The network that faults and benchmarks are measured on: its links are as fast as they say, its WAN is counted, cut and mended.
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Running, start } from '../lab/process.ts';
import { createSiteNetwork, type SiteEndpoint, type SiteNetwork } from './site-network.ts';

const PROBE = fileURLToPath(new URL('./link-probe.ts', import.meta.url));
const LINK_MEGABITS = 100;
const WAN_MEGABITS = 40;

let network: SiteNetwork;
const started: Running[] = [];
beforeAll(async () => {
  network = await createSiteNetwork({
    endpoints: 3,
    linkMegabits: LINK_MEGABITS,
    wanMegabits: WAN_MEGABITS,
  });
});
afterAll(async () => {
  for (const process of started) await process.stop('SIGKILL');
  await network.remove();
});

function launch(endpoint: SiteEndpoint, command: string, ...words: string[]): Running {
  const process = start(command, words, { namespace: endpoint.namespace });
  started.push(process);
  return process;
}

async function rate(from: SiteEndpoint, to: SiteEndpoint, bytes: number): Promise<number> {
  const receiver = launch(to, process.execPath, PROBE, 'receive', '9000');
  await receiver.log.waitFor((line) => (line === 'listening' ? line : undefined), {
    timeoutMs: 10_000,
    what: 'the receiver listens',
  });
  launch(from, process.execPath, PROBE, 'send', to.address, '9000', String(bytes));
  const said = await receiver.log.waitFor((line) => /^rate (.+)$/.exec(line)?.[1], {
    timeoutMs: 20_000,
    what: 'the receiver has all',
  });
  return Number(said);
}

/** Of 1514 bytes on the wire 1448 are payload. */
const payload = (megabits: number) => (megabits * 1448) / 1514;

const endpoint = (index: number) => network.endpoints[index] as SiteEndpoint;

describe('the site network', () => {
  it('carries what its links say, each way', async () => {
    const full = await rate(endpoint(0), endpoint(1), 8e6);
    expect(full).toBeGreaterThan(payload(LINK_MEGABITS) * 0.9);
    expect(full).toBeLessThan(payload(LINK_MEGABITS) * 1.05);
    await network.shape(endpoint(1), 10);
    expect(await rate(endpoint(1), endpoint(0), 1e6)).toBeLessThan(payload(10) * 1.2);
    await network.shape(endpoint(1), LINK_MEGABITS);
  });

  it('counts its WAN line, which all endpoints share', async () => {
    const before = await network.wanBytes();
    const rates = await Promise.all([
      rate(network.head, endpoint(0), 2e6),
      rate(network.head, endpoint(2), 2e6),
    ]);
    // They do not begin at one moment, but neither could have been half over before the other came.
    expect(Math.min(...rates)).toBeLessThan(payload(WAN_MEGABITS) * 0.8);
    const crossed = (await network.wanBytes()) - before;
    expect(crossed).toBeGreaterThan(4e6);
    expect(crossed).toBeLessThan(4e6 * 1.08);
  });

  it('falls silent while the WAN is cut, and goes on when it is mended', async () => {
    // Nobody listens at port 9: curl ends with 7 when it is refused, with 28 when nothing answers.
    const ask = () =>
      launch(endpoint(0), 'curl', '-s', '--max-time', '1', `http://${network.head.address}:9/`).exited;
    expect(await ask()).toBe(7);
    await network.cutWan();
    expect(await ask()).toBe(28);
    await network.mendWan();
    expect(await ask()).toBe(7);
  });
});
