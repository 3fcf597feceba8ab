// Boot hosts take turns: one answers, the next only when the better one is silent or was not heard.
import { describe, expect, it } from 'vitest';
import type { Mac } from '../../src/base/addresses.ts';
import { BootTurns, offerPriority, TURN_MS, turnMs } from '../../src/boot/turns.ts';

const MAC = '52:54:00:77:00:01' as Mac;
const REQUEST = { mac: MAC, xid: 7 };

describe('turns', () => {
  it('are all over well inside the 2 s that iPXE waits for a proxy', () => {
    expect([0, 1, 2, 8, 500].map(turnMs)).toEqual([0, TURN_MS, 2 * TURN_MS, 8 * TURN_MS, 8 * TURN_MS]);
    expect(turnMs(500)).toBeLessThan(1_500);
  });

  it('let the better one go first, and silence those behind it', () => {
    const turns = new BootTurns();
    expect(turns.asked(REQUEST, 1, 0)).toBe(TURN_MS);
    turns.answered(REQUEST, 0, 5);
    expect(turns.mayAnswer(REQUEST, 1, TURN_MS)).toBe(false);
  });

  it('come to the next one when the better one is silent', () => {
    const turns = new BootTurns();
    turns.asked(REQUEST, 1, 0);
    expect(turns.mayAnswer(REQUEST, 1, TURN_MS)).toBe(true);
  });

  it('are not given up for the word of one behind us, whenever it comes', () => {
    const turns = new BootTurns();
    turns.answered(REQUEST, 2, 0);
    turns.asked(REQUEST, 1, 1);
    turns.answered(REQUEST, 2, 2);
    expect(turns.mayAnswer(REQUEST, 1, TURN_MS)).toBe(true);
  });

  it('know a word that came before the request itself', () => {
    const turns = new BootTurns();
    turns.answered(REQUEST, 0, 0);
    turns.asked(REQUEST, 1, 1);
    expect(turns.mayAnswer(REQUEST, 1, TURN_MS)).toBe(false);
  });

  it('silence nobody for a machine that asks again: it did not get the answer', () => {
    const turns = new BootTurns();
    turns.asked(REQUEST, 1, 0);
    turns.answered(REQUEST, 0, 5);
    expect(turns.mayAnswer(REQUEST, 1, TURN_MS)).toBe(false);
    turns.asked(REQUEST, 1, 4_000);
    turns.answered(REQUEST, 0, 4_005);
    expect(turns.mayAnswer(REQUEST, 1, 4_000 + TURN_MS)).toBe(true);
  });

  it('begin anew with another transaction, or after the old one is over', () => {
    const turns = new BootTurns();
    turns.asked(REQUEST, 1, 0);
    turns.answered(REQUEST, 0, 5);
    turns.asked({ mac: MAC, xid: 8 }, 1, 6);
    expect(turns.mayAnswer({ mac: MAC, xid: 8 }, 1, 200)).toBe(true);
    turns.asked(REQUEST, 1, 70_000);
    turns.answered(REQUEST, 0, 70_001);
    expect(turns.mayAnswer(REQUEST, 1, 70_200)).toBe(false);
  });

  it('remember a bounded number of requests, the latest', () => {
    const turns = new BootTurns();
    turns.answered(REQUEST, 0, 0);
    for (let xid = 100; xid < 10_000; xid++) turns.asked({ mac: MAC, xid }, 1, 1);
    expect(turns.size).toBe(4096);
    expect(turns.mayAnswer(REQUEST, 1, 2)).toBe(true);
  });
});

it('an offer says to iPXE who goes first, as a positive signed byte', () => {
  expect([0, 1, 126, 500].map(offerPriority)).toEqual([127, 126, 1, 1]);
});
