// Codes of machines that wait on their screens, and PINs for phones: random, short-lived, used once, guessed slowly.
import { PeerbootError } from '../base/errors.ts';
import type { Clock, MonotonicMs } from '../base/time.ts';

/** Uniform random bytes, fit for secrets. */
export type RandomBytes = (count: number) => Uint8Array;

export interface WaitingCode {
  readonly code: string;
  /** Wall clock. */
  readonly expiresMs: number;
}

export interface Approvals {
  /** The code for this machine; the same until it expires or is used, then another. */
  codeOf(machine: string): WaitingCode;
  /** The code that it shows now, if it waits. */
  shown(machine: string): WaitingCode | undefined;
  /**
   * The machine that shows this code. Throws PB-CODE-UNKNOWN, or PB-CODE-GUESSED when `who` (an address) was wrong too
   * often.
   */
  find(code: string, who: string): string;
  /** The machine waits no longer: its code is good for nothing. */
  end(machine: string): void;
  /** A new PIN for so many decisions. */
  pin(uses: number, minutes: number): WaitingCode;
  /** Throws PB-PIN-WRONG, PB-CODE-GUESSED. `use` counts a decision. */
  checkPin(pin: string, who: string, use: boolean): void;
}

/** Letters alone, none that looks like another and no vowels: nothing to misread, and no words. 20^8 codes. */
export const CODE_LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const CODE_LENGTH = 8;
const PIN_DIGITS = 8;
/** A code that nobody used for so long is replaced by another one on the screen. */
const CODE_MS = 15 * 60_000;
/** A machine that asks no more has been switched off. */
const SILENT_MS = 60_000;
const MOST_WAITING = 1024;
/** Wrong codes or PINs within a minute, from one address and from all; a person who mistypes needs a few. */
const MOST_WRONG = 10;
const MOST_WRONG_OF_ALL = 60;
const WRONG_MS = 60_000;
/** Wrong guesses that end a PIN: one of 10^8 is hit with a chance of 1 in 5 million. */
const MOST_WRONG_OF_PIN = 20;
const MOST_PINS = 32;
/** Who has proved to be an administrator: nobody else's guesses shall shut him out. */
export const ADMIN = 'admin';

interface Waiting extends WaitingCode {
  readonly untilMs: MonotonicMs;
  seenMs: MonotonicMs;
}

interface Pin {
  uses: number;
  wrong: number;
  readonly untilMs: MonotonicMs;
}

export function createApprovals(options: { readonly clock: Clock; readonly random: RandomBytes }): Approvals {
  const { clock, random } = options;
  const waiting = new Map<string, Waiting>();
  const pins = new Map<string, Pin>();
  let wrong: { readonly who: string; readonly atMs: MonotonicMs }[] = [];

  function valid(machine: string): Waiting | undefined {
    const one = waiting.get(machine);
    const now = clock.nowMs();
    if (one !== undefined && now < one.untilMs && now - one.seenMs < SILENT_MS) return one;
    waiting.delete(machine);
    return undefined;
  }

  function refuseGuesser(who: string): void {
    const now = clock.nowMs();
    wrong = wrong.filter(({ atMs }) => now - atMs < WRONG_MS);
    const own = wrong.filter((one) => one.who === who).length;
    if (own < MOST_WRONG && (wrong.length < MOST_WRONG_OF_ALL || who === ADMIN)) return;
    throw new PeerbootError('PB-CODE-GUESSED', `${own} wrong codes or PINs from ${who} within a minute`);
  }

  return {
    codeOf(machine) {
      const now = clock.nowMs();
      const known = valid(machine);
      if (known !== undefined) {
        known.seenMs = now;
        return { code: known.code, expiresMs: known.expiresMs };
      }
      const taken = new Set(Array.from(waiting.values(), ({ code }) => code));
      let code = letters(random, CODE_LETTERS, CODE_LENGTH);
      while (taken.has(code)) code = letters(random, CODE_LETTERS, CODE_LENGTH);
      const one = { code, expiresMs: clock.wallMs() + CODE_MS, untilMs: now + CODE_MS, seenMs: now };
      waiting.set(machine, one);
      const [oldest] = waiting.keys();
      if (waiting.size > MOST_WAITING && oldest !== undefined) waiting.delete(oldest);
      return { code, expiresMs: one.expiresMs };
    },
    shown(machine) {
      const known = valid(machine);
      return known === undefined ? undefined : { code: known.code, expiresMs: known.expiresMs };
    },
    find(text, who) {
      refuseGuesser(who);
      const code = text.toUpperCase().replaceAll(/[^A-Z]/g, '');
      for (const machine of [...waiting.keys()]) if (valid(machine)?.code === code) return machine;
      wrong.push({ who, atMs: clock.nowMs() });
      throw new PeerbootError(
        'PB-CODE-UNKNOWN',
        `no machine shows the code ${JSON.stringify(text.slice(0, 16))}`,
      );
    },
    end: (machine) => void waiting.delete(machine),
    pin(uses, minutes) {
      const pin = letters(random, '0123456789', PIN_DIGITS);
      pins.set(pin, { uses, wrong: 0, untilMs: clock.nowMs() + minutes * 60_000 });
      const [oldest] = pins.keys();
      if (pins.size > MOST_PINS && oldest !== undefined) pins.delete(oldest);
      return { code: pin, expiresMs: clock.wallMs() + minutes * 60_000 };
    },
    checkPin(text, who, use) {
      refuseGuesser(who);
      const pin = text.replaceAll(/\D/g, '');
      const known = pins.get(pin);
      if (known !== undefined && known.uses > 0 && clock.nowMs() < known.untilMs) {
        if (use) known.uses -= 1;
        return;
      }
      wrong.push({ who, atMs: clock.nowMs() });
      for (const [name, one] of pins) if (++one.wrong >= MOST_WRONG_OF_PIN) pins.delete(name);
      throw new PeerbootError('PB-PIN-WRONG', 'the PIN is wrong, used up or expired');
    },
  };
}

/** Uniform: bytes beyond the last whole multiple are thrown away. */
function letters(random: RandomBytes, alphabet: string, count: number): string {
  const bound = 256 - (256 % alphabet.length);
  let text = '';
  while (text.length < count) {
    for (const byte of random(count * 2)) {
      if (byte < bound && text.length < count) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
