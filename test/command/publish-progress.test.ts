// The progress of a publication: rate and time left come from the last seconds, and a pipe stays clean.
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createProgressView } from '../../src/command/publish-progress.ts';

const MB = 1e6;

function view(kind: 'bar' | 'none') {
  const written: string[] = [];
  let nowMs = 0;
  const progress = createProgressView({ kind, nowMs: () => nowMs, write: (text) => written.push(text) });
  return {
    written,
    last: () => stripVTControlCharacters(written.at(-1) ?? '').replace('\r', ''),
    at(ms: number, phase: 'reading' | 'repacking' | 'signing', doneBytes: number, totalBytes = 1000 * MB) {
      nowMs = ms;
      progress.show({ phase, doneBytes, totalBytes });
    },
    end: progress.end,
  };
}

describe('the bar', () => {
  it('shows share, rate and time left', () => {
    const bar = view('bar');
    bar.at(0, 'reading', 0);
    bar.at(1000, 'reading', 250 * MB);
    expect(bar.last()).toBe('reading   ███████░░░░░░░░░░░░░░░░░░░░░  25 %  250 MB/s  3 s left');
  });

  it('follows the rate of the last seconds, not the mean since the beginning', () => {
    const bar = view('bar');
    for (let second = 0; second <= 10; second++) bar.at(second * 1000, 'reading', second * 10 * MB);
    for (let second = 11; second <= 20; second++) {
      bar.at(second * 1000, 'reading', (100 + (second - 10) * 50) * MB);
    }
    expect(bar.last()).toContain('50.0 MB/s  8 s left');
  });

  it('begins a new rate with each phase, draws at most ten times a second, and clears its line', () => {
    const bar = view('bar');
    for (let ms = 0; ms < 1000; ms++) bar.at(ms, 'reading', ms * MB);
    expect(bar.written.length).toBeLessThanOrEqual(11);
    bar.at(5000, 'repacking', 0, 10 * MB);
    bar.at(6000, 'repacking', MB, 10 * MB);
    expect(bar.last()).toContain('10 %  1.0 MB/s  9 s left');
    bar.at(7000, 'signing', 0, 1);
    expect(bar.last()).toBe('signing the catalogue');
    bar.end();
    expect(bar.last()).toBe('');
  });
});

it('says nothing into a pipe', () => {
  const none = view('none');
  none.at(0, 'reading', 0);
  none.at(9000, 'reading', 500 * MB);
  none.end();
  expect(none.written).toEqual([]);
});
