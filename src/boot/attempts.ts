// Groups what is observed into boot attempts, one at a time for each machine, and ends each with one verdict.
import { ANY_ADDRESS, type Ipv4 } from '../base/addresses.ts';
import { toHex } from '../base/bytes.ts';
import { assert } from '../base/errors.ts';
import type { MonotonicMs } from '../base/time.ts';
import { PXE_PORT } from '../dhcp/destination.ts';
import { OPTIONS, readOption } from '../dhcp/options.ts';
import { BOOT_REQUEST } from '../dhcp/packet.ts';
import {
  INSTALLED,
  isOurs,
  needsRound,
  patienceMs,
  SHORTEST_PATIENCE_MS,
  startsAnew,
  type Vantage,
} from './attempt-bounds.ts';
import { Course } from './attempt-course.ts';
import { type BootClient, classifyClient, type NotBootClient } from './client.ts';
import { isOutOfSight, type Observed, type ToldPlan } from './observed.ts';
import { isDoctorsQuestion } from './probe.ts';
import type { Attempt } from './verdict.ts';
import { type Ending, VERDICT_TABLE } from './verdict-table.ts';

export interface AttemptsOptions {
  /** Attempts under way at once; beyond it the one unheard for longest ends as it stands. */
  readonly most?: number;
  /** Will a check-in of the agent be told? True at a peer, false with a capture, where kernel and initramfs must do. */
  readonly hearsCheckIn: boolean;
  /**
   * At a peer: what it may judge. Where another boot host answers, the files travel unseen from here, and that one judges. Absent:
   * everything is seen.
   */
  readonly vantage?: Vantage;
}

const MOST = 1024;
/** Firmware, iPXE and the loaded system may each get another address. */
const MOST_ADDRESSES = 4;

export class BootAttempts {
  readonly #most: number;
  readonly #hearsCheckIn: boolean;
  readonly #vantage: Vantage | undefined;
  /** By MAC, GUID or address, the one unheard for longest first. Those that only asked for an address go first: they may be forged. */
  readonly #fresh = new Map<string, Course>();
  readonly #grown = new Map<string, Course>();
  readonly #byAddress = new Map<Ipv4, string>();
  #ended: Attempt[] = [];

  constructor(options: AttemptsOptions) {
    this.#most = options.most ?? MOST;
    this.#hearsCheckIn = options.hearsCheckIn;
    this.#vantage = options.vantage;
  }

  /** Returns the attempts that are over by this. */
  step(event: Observed | { readonly kind: 'wake' }, now: MonotonicMs): readonly Attempt[] {
    this.#ended = [];
    this.#expire(now);
    if (event.kind !== 'wake') this.#observe(event, now);
    return this.#ended;
  }

  /** When to call `step` with a wake-up at the latest. */
  nextWake(): MonotonicMs | undefined {
    let least: MonotonicMs | undefined;
    for (const course of this.#courses()) {
      const due = course.lastMs + patienceMs(course, this.#hearsCheckIn);
      if (least === undefined || due < least) least = due;
    }
    return least;
  }

  /** Nothing more will be observed (the capture ends): judges all attempts under way as they stand. */
  end(now: MonotonicMs): readonly Attempt[] {
    this.#ended = [];
    this.#expire(now);
    const underWay = [...this.#fresh, ...this.#grown].sort(([, a], [, b]) => a.startedMs - b.startedMs);
    for (const [key, course] of underWay) this.#finish(key, course, 'cut', now);
    return this.#ended;
  }

  /** Attempts under way. */
  get size(): number {
    return this.#fresh.size + this.#grown.size;
  }

  #observe(event: Observed, now: MonotonicMs): void {
    switch (event.kind) {
      case 'dhcp':
        if (event.packet.op === BOOT_REQUEST) this.#onRequest(event, now);
        else this.#onReply(event, now);
        return;
      case 'check-in': {
        const key = this.#checksIn(event);
        const course = key === undefined ? undefined : this.#find(key);
        if (key === undefined || course === undefined) return;
        // Its other cards are those that its firmware tried in vain before.
        for (const mac of event.macs) {
          const other = this.#find(mac);
          if (other !== undefined && other !== course) this.#finish(mac, other, 'again', now);
        }
        course.checkedIn = true;
        course.note('the agent checked in', now);
        this.#finish(key, course, 'done', now);
        return;
      }
      case 'told': {
        const found = this.#at(event.address);
        if (found === undefined) return;
        const [key, course] = found;
        course.told = event.plan;
        course.note(TOLD[event.plan], now);
        this.#touch(key, course, now);
        if (isOutOfSight(event.plan)) this.#finish(key, course, 'done', now);
        return;
      }
      default:
        this.#onFile(event, now);
    }
  }

  /** The attempt that the agent came of: of several cards the one that fetched files, else one that is known by address or MAC. */
  #checksIn({ macs, address }: Observed & { kind: 'check-in' }): string | undefined {
    const at = address === undefined ? undefined : this.#byAddress.get(address);
    const keys = [...(at === undefined ? [] : [at]), ...macs].filter((key) => this.#find(key) !== undefined);
    return keys.find((key) => this.#find(key)?.files.length !== 0) ?? keys[0];
  }

  #onRequest({ packet, target }: Observed & { kind: 'dhcp' }, now: MonotonicMs): void {
    const client = classifyClient(packet);
    const key = client.identity.mac ?? client.identity.uuid ?? toHex(packet.chaddr);
    const type = readOption(packet.options, OPTIONS.messageType);
    if (type !== 'DISCOVER' && type !== 'REQUEST' && type !== 'INFORM') return;
    if (isDoctorsQuestion(packet)) return;
    let course = this.#find(key);
    if (client.kind === 'not-pxe') {
      if (course !== undefined && type === 'DISCOVER') this.#onSystem(key, course, packet, now);
      if (course?.system !== undefined && type === 'REQUEST') {
        course.address = readOption(packet.options, OPTIONS.requestedAddress) ?? course.address;
        this.#touch(key, course, now);
      }
      return;
    }
    const { kind } = client;
    if (course !== undefined && target.port !== PXE_PORT && startsAnew(course, kind, packet.xid, type)) {
      this.#finish(key, course, 'again', now);
      course = undefined;
    }
    course ??= this.#begin(key, client, packet.xid, now);
    if (needsRound(course, kind, packet.xid, type, target.port === PXE_PORT)) {
      course.open(kind, packet.xid, now);
    }
    course.asks(packet, target, now);
    this.#touch(key, course, now);
  }

  #onReply({ packet, source }: Observed & { kind: 'dhcp' }, now: MonotonicMs): void {
    const { identity } = classifyClient(packet);
    const key = identity.mac ?? identity.uuid ?? toHex(packet.chaddr);
    const course = this.#find(key);
    if (course === undefined) return;
    // 4011 is asked with an xid of its own; on 67 another xid is another conversation, of the loaded system for instance.
    if (source.port !== PXE_PORT && packet.xid !== course.round.xid) return;
    course.isAnswered(packet, source, now);
    this.#touch(key, course, now);
  }

  /** Another program on the same machine asks for an address: the system that was loaded, or the one on its disk. */
  #onSystem(
    key: string,
    course: Course,
    packet: Parameters<typeof classifyClient>[0],
    now: MonotonicMs,
  ): void {
    const vendorClass = readOption(packet.options, OPTIONS.vendorClass) ?? '';
    const fromUs = course.has('payload') || (course.has('nbp') && !INSTALLED.test(vendorClass));
    if (fromUs) {
      if (course.system !== undefined) return;
      course.system = vendorClass;
      course.note(
        `the loaded system asked for an address${vendorClass === '' ? '' : ` as ${vendorClass}`}`,
        now,
      );
      this.#touch(key, course, now);
      return;
    }
    const told = vendorClass === '' ? '' : ` (${vendorClass})`;
    course.note(`an operating system${told} on the machine asked for an address`, now);
    this.#finish(key, course, 'again', now);
  }

  #onFile(event: Exclude<Observed, { kind: 'dhcp' | 'check-in' | 'told' }>, now: MonotonicMs): void {
    const { client, server } = event;
    const found = this.#at(client.address);
    if (event.kind === 'tftp-request' || event.kind === 'http-request') {
      const [key, course] = found ?? this.#stranger(event, now) ?? [];
      if (key === undefined || course === undefined) return;
      if (event.kind === 'tftp-request') course.requests('tftp', client, server, event.file, now);
      else course.requests('http', client, server, event.path, now, event.method === 'HEAD');
      this.#touch(key, course, now);
      return;
    }
    if (found === undefined) return;
    const [key, course] = found;
    const file = course.transfer(event.kind === 'http-answer' ? 'http' : 'tftp', client, server);
    if (file === undefined) return;
    file.answered = true;
    switch (event.kind) {
      case 'tftp-answer':
        file.sizeBytes = event.sizeBytes;
        break;
      case 'tftp-progress':
        file.sentBytes = Math.max(file.sentBytes, event.sentBytes);
        break;
      case 'tftp-end':
        course.ends(file, event.outcome, event.why, now);
        break;
      case 'http-answer':
        if (event.status >= 400) course.ends(file, 'denied', `status ${event.status}`, now);
        else if (file.probe) course.ends(file, 'probed', undefined, now);
        else if (event.whole === true) course.ends(file, 'completed', undefined, now);
        else if (event.whole === false) course.ends(file, 'aborted', undefined, now);
        break;
    }
    this.#touch(key, course, now);
  }

  /**
   * A boot file asked for by somebody whose DHCP nobody saw. By TFTP only: by HTTP it may as well be an administrator
   * who looks whether the file is there.
   */
  #stranger(
    event: Observed & { kind: 'tftp-request' | 'http-request' },
    now: MonotonicMs,
  ): [string, Course] | undefined {
    if (event.kind === 'http-request') return undefined;
    const { address } = event.client;
    const course = this.#begin(address, { mac: undefined, uuid: undefined }, 0, now);
    course.address = address;
    return [address, course];
  }

  #begin(
    key: string,
    client: BootClient | NotBootClient | Course['identity'],
    xid: number,
    now: MonotonicMs,
  ): Course {
    const course = new Course(client, xid, now);
    this.#fresh.set(key, course);
    return course;
  }

  #find(key: string): Course | undefined {
    return this.#grown.get(key) ?? this.#fresh.get(key);
  }

  #at(address: Ipv4): [string, Course] | undefined {
    const key = this.#byAddress.get(address);
    const course = key === undefined ? undefined : this.#find(key);
    return key === undefined || course === undefined ? undefined : [key, course];
  }

  *#courses(): Iterable<Course> {
    yield* this.#fresh.values();
    yield* this.#grown.values();
  }

  /** Moves it behind all others, and keeps the tables in bounds. */
  #touch(key: string, course: Course, now: MonotonicMs): void {
    course.lastMs = now;
    this.#fresh.delete(key);
    this.#grown.delete(key);
    const grown = course.address !== undefined;
    (grown ? this.#grown : this.#fresh).set(key, course);
    if (course.address !== undefined && course.address !== ANY_ADDRESS) {
      course.addresses.add(course.address);
      this.#byAddress.set(course.address, key);
      for (const former of course.addresses)
        if (course.addresses.size > MOST_ADDRESSES) this.#unmap(key, course, former);
    }
    for (const table of [this.#fresh, this.#grown]) {
      const oldest = table.entries().next().value;
      if (table.size > this.#most && oldest !== undefined) this.#finish(...oldest, 'evicted', now);
    }
  }

  #unmap(key: string, course: Course, address: Ipv4): void {
    course.addresses.delete(address);
    if (this.#byAddress.get(address) === key) this.#byAddress.delete(address);
  }

  #expire(now: MonotonicMs): void {
    for (const table of [this.#fresh, this.#grown]) {
      for (const [key, course] of table) {
        if (now - course.lastMs >= patienceMs(course, this.#hearsCheckIn))
          this.#finish(key, course, 'silence', now);
        // In order of their last packet: those behind it are younger than the shortest patience.
        else if (now - course.lastMs < SHORTEST_PATIENCE_MS) break;
      }
    }
  }

  #finish(key: string, course: Course, by: Ending['by'], now: MonotonicMs): void {
    this.#fresh.delete(key);
    this.#grown.delete(key);
    for (const address of course.addresses) this.#unmap(key, course, address);
    const ours = this.#vantage?.ours();
    const httpPort = this.#vantage?.httpPort;
    if (this.#vantage !== undefined && !isOurs(course, this.#vantage)) return;
    const quietMs = now - course.lastMs;
    this.#ended.push(judge(course, { by, quietMs, hearsCheckIn: this.#hearsCheckIn, ours, httpPort }, now));
  }
}

const ENDINGS: Readonly<Partial<Record<Ending['by'], string>>> = {
  silence: 'nothing more was seen of it',
  again: 'the machine went on to something else',
  cut: 'the capture ended',
};

const TOLD: Readonly<Record<ToldPlan, string>> = {
  image: 'its script boots the agent',
  'local-boot': 'its script boots its own disk',
  'boot-entry': 'its script starts a boot entry',
  shell: "its script opens a shell in the agent's system",
  wait: 'its script waits for an administrator',
};

function judge(course: Course, ending: Ending, now: MonotonicMs): Attempt {
  const row = VERDICT_TABLE.find(({ when }) => when(course, ending));
  assert(row !== undefined, 'the last row of the table always applies');
  const last = ENDINGS[ending.by];
  if (last !== undefined) course.note(last, now);
  return {
    ...course.identity,
    firmware: course.firmware,
    startedMs: course.startedMs,
    endedMs: now,
    verdict: row.verdict,
    evidence: course.evidence(),
    remedy: row.remedy(course, ending),
  };
}
