// The driver of lines over real sockets: several nodes of one process on loopback, each with its own address.
import { afterEach, describe, expect, it } from 'vitest';
import { equalBytes } from '../../src/base/bytes.ts';
import { isPeerbootError } from '../../src/base/errors.ts';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import { systemClock } from '../../src/io/clock.ts';
import type { Pace } from '../../src/service/line-follower.ts';
import type { LineStats } from '../../src/service/line-stats.ts';
import { Bucket } from '../../src/swarm/budget.ts';
import type { LineTransport } from '../../src/swarm/line-transport.ts';
import { logbook } from '../support/logbook.ts';
import {
  allRows,
  openSite,
  type SiteMember,
  type TestImage,
  type TestSite,
  testImage,
  testWan,
} from '../support/site.ts';
import { until } from '../support/until.ts';

let site: TestSite;
afterEach(() => site.stop());

function holdsAll(member: SiteMember, image: TestImage): boolean {
  for (let row = 0; row < image.rows; row++) {
    if (!equalBytes(member.rows.rows.get(row) ?? new Uint8Array(0), image.bytes(row))) return false;
  }
  return true;
}

function stats(member: SiteMember): LineStats {
  const line = member.node.stats().lines[0];
  if (line === undefined) throw new Error('in no line');
  return line.stats;
}

const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0);

function pace(bytesPerSecond: number): Pace {
  const bucket = new Bucket(bytesPerSecond, systemClock.nowMs());
  return {
    take: (upTo) => bucket.take(upTo, systemClock.nowMs()),
    waitMs: () => bucket.waitMs(systemClock.nowMs()),
  };
}

/** A member that holds all of the image and is in its line. */
async function addHolder(
  image: TestImage,
  options: Parameters<TestSite['add']>[0] = {},
): Promise<SiteMember> {
  const member = await site.add({ rows: allRows(image), ...options });
  site.join(member, image, testWan(image));
  site.announce();
  return member;
}

describe('a line', () => {
  it('of five brings 200 chunks to all of them, byte for byte, with one copy over the WAN', async () => {
    site = openSite();
    const image = testImage(200, 100_000);
    const wan = testWan(image);
    for (let i = 0; i < 5; i++) await site.add();
    await Promise.all(site.members.map((member) => site.fetchAll(member, image, wan)));
    expect(site.members.filter((member) => !holdsAll(member, image))).toEqual([]);
    expect(wan.bytes).toBe(200 * 100_000);
    expect(site.members.map((member) => sum(stats(member).bytesIn))).toEqual(Array(5).fill(20_000_000));
  });

  it('takes in somebody who comes late', async () => {
    site = openSite();
    const image = testImage(120, 100_000);
    const wan = testWan(image);
    for (let i = 0; i < 3; i++) await site.add({ node: { pace: pace(20e6) } });
    const running = site.members.map((member) => site.fetchAll(member, image, wan));
    await until(() => (site.members[2]?.rows.rows.size ?? 0) >= 60, { timeoutMs: 10_000, what: 'half way' });
    const late = await site.add();
    await Promise.all([...running, site.fetchAll(late, image, wan)]);
    expect(holdsAll(late, image)).toBe(true);
    expect(wan.bytes).toBe(120 * 100_000);
  });

  it('goes on at the byte when a feeder dies in the middle of a chunk', async () => {
    site = openSite();
    const image = testImage(1, 3_000_000);
    const first = await addHolder(image, { node: { pace: pace(6e6) } });
    const target = await site.add();
    const line = site.join(target, image, testWan(image));
    const fetching = line.fetch({ digest: image.digest(0) });
    await until(() => (stats(target).bytesIn[first.id] ?? 0) > 500_000, { timeoutMs: 5_000, what: 'a part' });
    const second = await addHolder(image);
    await first.kill();
    site.forget(first);
    expect(equalBytes(await fetching, image.bytes(0))).toBe(true);
    const { bytesIn, bytesWasted, resumed } = stats(target);
    expect(bytesIn[first.id]).toBeLessThan(3_000_000);
    expect((bytesIn[first.id] ?? 0) + (bytesIn[second.id] ?? 0)).toBe(3_000_000);
    expect([bytesWasted, resumed]).toEqual([0, 1]);
  });

  it('leaves a feeder that falls silent in the middle of a chunk', async () => {
    site = openSite();
    const image = testImage(8, 500_000);
    let silent = false;
    const first = await addHolder(image, { wrap: (transport) => mute(transport, () => silent) });
    const target = await site.add();
    const line = site.join(target, image, testWan(image));
    await line.fetch({ digest: image.digest(0) });
    silent = true;
    const fetching = site.fetchAll(target, image, testWan(image));
    const second = await addHolder(image);
    await fetching;
    expect(holdsAll(target, image)).toBe(true);
    expect(stats(target).bytesIn[first.id]).toBeGreaterThanOrEqual(500_000);
    expect(stats(target).bytesIn[second.id]).toBeGreaterThan(3_000_000);
    expect(sum(stats(target).bytesIn)).toBe(8 * 500_000);
  });

  it('bans a liar, blames nobody else, and keeps nothing wrong', async () => {
    site = openSite();
    const image = testImage(40, 50_000);
    const wrong = allRows(image);
    for (const [row, bytes] of wrong)
      wrong.set(
        row,
        bytes.map((byte) => byte ^ 1),
      );
    const liar = await addHolder(image, { rows: wrong });
    const book = logbook();
    const target = await site.add({ log: book });
    site.designate(liar.id);
    const fetching = site.fetchAll(target, image, testWan(image));
    await until(() => stats(target).corrupt > 0, { timeoutMs: 5_000, what: 'a lie came' });
    await addHolder(image);
    await fetching;
    expect(holdsAll(target, image)).toBe(true);
    const { bytesIn, bytesWasted, corrupt } = stats(target);
    expect(corrupt).toBeGreaterThanOrEqual(2);
    expect(bytesWasted).toBe(bytesIn[liar.id]);
    expect(sum(bytesIn) - bytesWasted).toBe(40 * 50_000);
    expect(
      book.lines.filter(({ fields }) => fields.what === 'feeder-banned').map(({ fields }) => fields.peer),
    ).toEqual([liar.id]);
  });

  it('survives 200 connections cut at random, and fetches nothing twice', async () => {
    site = openSite();
    const image = testImage(500, 50_000);
    const wan = testWan(image);
    const random = seededRandom(200);
    for (let i = 0; i < 6; i++) await addHolder(image, { node: { pace: pace(8e6) } });
    let arrived = 0;
    let cuts = 0;
    // By progress, not by time: a source that breaks before it has brought a chunk is set aside ever longer.
    const onKept = () => {
      arrived++;
      if (arrived % 5 > 0 || cuts >= 200) return;
      const open = site.members.flatMap((member) => [...member.sockets]);
      open[randomInt(random, open.length)]?.destroy();
      cuts++;
    };
    const targets = [await site.add({ onKept }), await site.add({ onKept }), await site.add({ onKept })];
    await Promise.all(targets.map((member) => site.fetchAll(member, image, wan)));
    expect(cuts).toBe(200);
    expect(targets.filter((member) => !holdsAll(member, image))).toEqual([]);
    expect(targets.map((member) => sum(stats(member).bytesIn))).toEqual(Array(3).fill(25_000_000));
  });
});

/** Takes all that is sent, and passes on none of it. */
function mute(transport: LineTransport, isSilent: () => boolean): LineTransport {
  return {
    ...transport,
    listen: (port, onConnection) =>
      transport.listen(port, (socket) =>
        onConnection({
          ...socket,
          remote: socket.remote,
          get queuedBytes() {
            return socket.queuedBytes;
          },
          send(bytes, onTaken) {
            if (!isSilent()) socket.send(bytes, onTaken);
          },
        }),
      ),
  };
}

describe('whoever waits for a chunk', () => {
  it('shares one want with others, and the last that leaves takes it back', async () => {
    site = openSite();
    const image = testImage(4, 400_000);
    const holder = await addHolder(image, { node: { pace: pace(400_000) } });
    const target = await site.add();
    const line = site.join(target, image, testWan(image));
    const leave = new AbortController();
    const wanted = { digest: image.digest(1) };
    const one = line.fetch(wanted, { signal: leave.signal });
    const two = line.fetch(wanted);
    const alone = line.fetch({ digest: image.digest(2) }, { signal: leave.signal });
    await until(() => (stats(target).bytesIn[holder.id] ?? 0) > 0, { timeoutMs: 5_000, what: 'bytes' });
    leave.abort(new Error('leaves'));
    await expect(one).rejects.toThrow('leaves');
    await expect(alone).rejects.toThrow('leaves');
    expect(equalBytes(await two, image.bytes(1))).toBe(true);
    await until(() => stats(holder).served === 1, { timeoutMs: 5_000, what: 'served once' });
  });

  it('is told that a chunk is not of this image', async () => {
    site = openSite();
    const image = testImage(1, 100);
    const member = await site.add();
    const line = site.join(member, image, testWan(image));
    const error = await line.fetch({ digest: image.manifest }).catch((reason: unknown) => reason);
    expect(isPeerbootError(error, 'PB-CHUNK-MISSING')).toBe(true);
  });

  it('is told when no source has the chunk, and gets what it had back', async () => {
    site = openSite();
    const image = testImage(2, 100_000);
    const member = await site.add();
    const wan = testWan(image);
    const line = site.join(member, image, {
      name: 'wan',
      fetch: (_, o) => wan.fetch({ digest: image.manifest }, o),
    });
    const partial = { bytes: image.bytes(0).slice(), received: 50_000 };
    const error = await line
      .fetch({ digest: image.digest(0) }, { partial })
      .catch((reason: unknown) => reason);
    expect(isPeerbootError(error, 'PB-CHUNK-MISSING')).toBe(true);
    expect(partial.received).toBe(50_000);
  });

  it('gets a chunk that is held at once, and one lost again from the line', async () => {
    site = openSite();
    const image = testImage(2, 1_000);
    await addHolder(image);
    const member = await addHolder(image);
    const line = site.join(member, image, testWan(image));
    expect(await line.fetch({ digest: image.digest(0) })).toEqual(image.bytes(0));
    member.rows.rows.delete(0);
    line.gone(0);
    expect(await line.fetch({ digest: image.digest(0) })).toEqual(image.bytes(0));
    expect(stats(member).arrived).toBe(1);
  });
});
