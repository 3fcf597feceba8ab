// A target's part in the line of its image: joined once an imaging, fed from it, feeding others, left before the restart.
import type { CheckInAnswer } from '../api/agent.ts';
import type { Digest } from '../base/digest.ts';
import type { MonotonicMs } from '../base/time.ts';
import type { ChunkSource } from '../chunk/ports.ts';
import { Meter } from '../imaging/progress.ts';
import { lineImageOf } from '../swarm/line-image.ts';
import type { Line } from '../swarm/node-ports.ts';
import { createLineFirst } from './line-first.ts';
import type { ImageTables } from './manifest.ts';
import type { AgentPorts, Source } from './ports.ts';
import type { TargetRows } from './target-rows.ts';

export interface SiteLineOptions {
  readonly answer: CheckInAnswer;
  readonly manifest: Digest;
  readonly tables: ImageTables;
  readonly rows: TargetRows;
  /** Hears who brought each chunk. */
  readonly served: (source: string) => void;
  /** How long the line may stand still. */
  readonly patienceMs?: number | undefined;
}

/** What the screen tells of those whom this machine feeds. */
export interface Feeding {
  readonly peers: number;
  readonly bytesPerSecond: number;
}

/** Followers are handed on in a moment; a machine whose peers are gone must not wait for them. */
const LEAVE_MS = 5_000;

export class SiteLine {
  readonly #ports: AgentPorts;
  readonly #options: SiteLineOptions;
  /** For when no other peer of the site can cross the WAN: parents and origins that the boot host named. */
  readonly #wan: Source;
  readonly #sent: Meter;
  #servedBytes = 0;
  #line: Line | undefined;

  private constructor(ports: AgentPorts, options: SiteLineOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#wan = ports.content.open(options.answer.sources, options.served);
    this.#sent = new Meter(0, ports.clock.nowMs());
  }

  /** Without a line of its own when the site has none: then all goes on over HTTP. */
  static async join(ports: AgentPorts, options: SiteLineOptions): Promise<SiteLine> {
    const joined = new SiteLine(ports, options);
    const { name, version } = options.tables.manifest;
    joined.#line = await ports.site.join({
      image: lineImageOf(options.manifest, `${name} ${version}`, options.tables.chunks),
      local: options.rows,
      purpose: 'image',
      wan: joined.#wan,
    });
    return joined;
  }

  /** The line first, then `rest`. */
  before(rest: ChunkSource): ChunkSource {
    const { clock, timers, log, site } = this.#ports;
    const served = () => {
      const feeder = this.#line?.state().feeder;
      if (feeder !== undefined && feeder !== 'wan') this.#options.served(`line: ${site.nameOf(feeder)}`);
    };
    const receivedBytes = () => site.traffic().received;
    const { patienceMs } = this.#options;
    return createLineFirst({
      line: () => this.#line,
      receivedBytes,
      rest,
      clock,
      timers,
      log,
      served,
      patienceMs,
    });
  }

  got(chunk: number): void {
    this.#line?.got(chunk);
  }

  lost(chunk: number): void {
    this.#line?.gone(chunk);
  }

  /** Of chunks sent to others, in whatever form. */
  get servedBytes(): number {
    this.#servedBytes = Math.max(this.#servedBytes, this.#ports.site.traffic().sent);
    return this.#servedBytes;
  }

  /** Undefined while it feeds nobody. */
  feeding(now: MonotonicMs): Feeding | undefined {
    const peers = this.#line?.state().followers.length ?? 0;
    this.#sent.update(this.servedBytes, now);
    return peers === 0 ? undefined : { peers, bytesPerSecond: this.#sent.bytesPerSecond(now) };
  }

  /** Hands the followers on; afterwards nothing is read of `rows`. */
  async leave(): Promise<void> {
    const line = this.#line;
    this.#line = undefined;
    await line?.leave(LEAVE_MS).catch((error) => this.#ports.log.warn({ err: error }, 'line not left well'));
    await this.#wan.close();
  }
}
