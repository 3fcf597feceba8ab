// Sockets that follow this host's addresses: those wanted now are opened, those no longer wanted are closed.

export interface Closable {
  close(): Promise<void>;
}

/** By the place (`address:port`) that each is bound to. */
export class FollowedSockets<S extends Closable> {
  readonly #open = new Map<string, S>();
  #last: Promise<void> = Promise.resolve();

  get(place: string): S | undefined {
    return this.#open.get(place);
  }

  all(): readonly S[] {
    return [...this.#open.values()];
  }

  /**
   * One call after the other, in the order of `wanted`. Rejects with the first that would not open; the others are as wanted
   * all the same, and the next call tries it again.
   */
  follow(wanted: ReadonlyMap<string, () => Promise<S>>): Promise<void> {
    const followed = this.#last.then(() => this.#follow(wanted));
    this.#last = followed.catch(() => {});
    return followed;
  }

  close(): Promise<void> {
    return this.follow(new Map());
  }

  async #follow(wanted: ReadonlyMap<string, () => Promise<S>>): Promise<void> {
    const gone = [...this.#open].filter(([place]) => !wanted.has(place));
    for (const [place] of gone) this.#open.delete(place);
    await Promise.all(gone.map(([, socket]) => socket.close()));
    const refused: unknown[] = [];
    for (const [place, open] of wanted) {
      if (this.#open.has(place)) continue;
      try {
        this.#open.set(place, await open());
      } catch (error) {
        refused.push(error);
      }
    }
    if (refused.length > 0) throw refused[0];
  }
}
