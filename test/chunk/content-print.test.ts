// The print of plain content: the same for the same bytes, however zeros were divided, and another for any other.
import { expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { ContentPrint, printOf } from '../../src/chunk/content-print.ts';
import { SliceTable, SliceTableWriter } from '../../src/chunk/tables.ts';

type Stretch = readonly [length: number, digest: number | 'zero'];
const raw = (digest: number) => new Uint8Array(32).fill(digest);

function print(...stretches: readonly Stretch[]): string {
  const made = new ContentPrint();
  for (const [length, digest] of stretches) made.add(length, digest === 'zero' ? undefined : raw(digest));
  return toHex(made.bytes());
}

it('does not see how a stretch of zeros was divided', () => {
  const whole = print([16, 1], [3072, 'zero'], [16, 2]);
  expect(print([16, 1], [1024, 'zero'], [2048, 'zero'], [16, 2])).toBe(whole);
  expect(print([16, 1], [3072, 'zero'])).toBe(print([16, 1], [512, 'zero'], [2560, 'zero']));
});

it('sees every other difference', () => {
  const all = [
    print(),
    print([16, 1]),
    print([17, 1]),
    print([16, 2]),
    print([16, 1], [512, 'zero']),
    print([512, 'zero'], [16, 1]),
    print([16, 1], [16, 2]),
    print([16, 2], [16, 1]),
    print([16, 1], [512, 'zero'], [16, 2]),
    print([16, 1], [1024, 'zero'], [16, 2]),
  ];
  expect(new Set(all).size).toBe(all.length);
});

it('of a table is that of its slices, also of thousands', () => {
  const writer = new SliceTableWriter();
  const made = new ContentPrint();
  for (let i = 0; i < 1500; i++) {
    writer.data(100 + i, raw(i & 255), 0, 0);
    made.add(100 + i, raw(i & 255));
  }
  writer.zero(2 ** 33);
  made.add(2 ** 33, undefined);
  const bytes = printOf(new SliceTable(writer.bytes()));
  expect(bytes).toHaveLength(1501 * 40);
  expect(toHex(bytes)).toBe(toHex(made.bytes()));
});
