// When a follower asks whether it should go round a slow feeder, and whom it asks.
import type { MonotonicMs } from '../base/time.ts';
import type { LineCore } from './line-core.ts';
import type { PeerRef } from './site.ts';

/** So often the one right above the feeder is asked before those further up. */
const PATIENT_ROUNDS = 4;

/**
 * A question costs one short connection, and only the one above the feeder can tell: it knows what waits for the feeder
 * there. So it is asked soon after attaching, less and less often afterwards, and early again when our rate falls.
 */
export class Rounds {
  readonly #core: LineCore;
  #at: MonotonicMs = Number.POSITIVE_INFINITY;
  #everyMs = 0;
  #asked = 0;
  #fallen = false;

  constructor(core: LineCore) {
    this.#core = core;
  }

  get due(): boolean {
    return this.#core.now >= this.#at;
  }

  attached(): void {
    this.#asked = 0;
    this.#fallen = false;
    this.#everyMs = this.#firstMs;
    this.#at = this.#core.now + this.#core.jittered(this.#everyMs);
  }

  /** Those that let others pass give them time to get going. */
  get #firstMs(): number {
    const [first] = this.#core.limits.roundMs;
    return this.#core.uplinkSlow ? 4 * first : first;
  }

  refused(): void {
    if (this.#asked > PATIENT_ROUNDS)
      this.#everyMs = Math.min(this.#everyMs * 2, this.#core.limits.roundMs[1]);
    this.#at = this.#core.now + this.#core.jittered(this.#everyMs);
  }

  /** Looks at our rate now and at its best with this feeder. */
  watch(rate: number, best: number): void {
    if (rate >= 0.8 * best) this.#fallen = false;
    else if (rate < 0.6 * best && !this.#fallen) {
      this.#fallen = true;
      this.#asked = 0;
      this.#everyMs = this.#firstMs;
      this.#at = Math.min(this.#at, this.#core.now + this.#everyMs / 2);
    }
  }

  /**
   * Whom to ask now, and whose place to ask for: first the feeder's, of the one above it; then further up, for two slow
   * ones may stand behind each other. Undefined, and again later, when nothing makes us think that anybody is slow.
   */
  next(
    feeder: PeerRef,
    above: readonly PeerRef[],
    atHeels: boolean,
  ): { readonly ask: PeerRef; readonly insteadOf: PeerRef } | undefined {
    const chain = [feeder, ...above];
    const step = Math.max(this.#asked - PATIENT_ROUNDS, 0) % Math.max(above.length, 1);
    const insteadOf = chain[step];
    const ask = chain[step + 1];
    this.#at = this.#core.now + this.#core.jittered(this.#firstMs);
    if (!atHeels || insteadOf === undefined || ask === undefined) return undefined;
    this.#asked++;
    return { ask, insteadOf };
  }
}
