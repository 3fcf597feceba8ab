// UUIDs from SMBIOS: one form, no placeholders, one key for both byte orders; and the ids made from them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { machineId } from '../../src/base/identifier.ts';
import { normaliseUuid, uuidKey } from '../../src/base/uuid.ts';

describe('normaliseUuid', () => {
  it.each([
    ['4C4C4544-0042-3010-8052-B9C04F4E3332', '4c4c4544-0042-3010-8052-b9c04f4e3332'],
    ['4c4c4544004230108052b9c04f4e3332', '4c4c4544-0042-3010-8052-b9c04f4e3332'],
    ['{4c4c4544-0042-3010-8052-b9c04f4e3332}', '4c4c4544-0042-3010-8052-b9c04f4e3332'],
  ])('%s', (text, uuid) => expect(normaliseUuid(text)).toBe(uuid));

  it.each([
    'not a uuid',
    '',
    '4c4c4544-0042-3010-8052',
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
    '03000200-0400-0500-0006-000700080009',
    // The same placeholder as firmware with the other byte order shows it.
    '00020003-0004-0005-0006-000700080009',
    '12345678-1234-5678-90ab-cddeefaabbcc',
  ])('%s identifies nothing', (text) => expect(normaliseUuid(text)).toBeUndefined());
});

it('a board has the same key in both byte orders, and no other board has it', () => {
  expect(uuidKey('44454c4c-4200-1030-8052-b9c04f4e3332')).toBe(
    uuidKey('4c4c4544-0042-3010-8052-b9c04f4e3332'),
  );
  fc.assert(
    fc.property(fc.uuid(), fc.uuid(), (a, b) => {
      expect(uuidKey(uuidKey(a))).toBe(uuidKey(a));
      if (a !== b && uuidKey(a) === uuidKey(b)) expect(a.slice(19)).toBe(b.slice(19));
    }),
  );
});

describe('machineId', () => {
  it('is short, plain and always the same', () => {
    expect(machineId('52:54:00:12:34:56')).toMatch(/^m-[a-hj-km-np-z2-9]{8}$/);
    expect(machineId('52:54:00:12:34:56')).toBe(machineId('52:54:00:12:34:56'));
  });

  it('differs for all MACs of a maker’s series', () => {
    const ids = Array.from({ length: 65_536 }, (_, i) =>
      machineId(
        `52:54:00:12:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`,
      ),
    );
    expect(new Set(ids).size).toBeGreaterThanOrEqual(65_534);
  });
});
