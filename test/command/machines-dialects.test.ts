// What `peerboot machines dialects` prints, as a person reads it.
import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { dialectLines } from '../../src/command/machines-dialects.ts';

const row = (
  fingerprint: string,
  dialect: 'binl' | 'offered-file' | null,
  machines: number,
  ageMs: number,
) => ({
  fingerprint,
  dialect,
  machines,
  ageMs,
});

it('each make of firmware with its dialect, and whoever enforces Secure Boot; what was forgotten is not shown', () => {
  const lines = dialectLines({
    dialects: [
      row('uefi-x64-undi3.0-402824b9', 'binl', 12, 5_000),
      row('bios-undi2.1-00000001', 'offered-file', 1, 7_200_000),
      row('uefi-x64-undi3.16-00000002', 'offered-file', 0, 60_000),
      row('uefi-x64-undi3.16-00000003', null, 0, 0),
    ],
    secureBoot: [
      { mac: '52:54:00:77:00:01', enforced: true, ageMs: 86_400_000 },
      { mac: '52:54:00:77:00:02', enforced: false, ageMs: 0 },
    ],
  });
  expect(lines.map((line) => stripVTControlCharacters(line).replaceAll(/ {2,}/g, ' | '))).toEqual([
    'uefi-x64-undi3.0-402824b9 | binl | asks port 4011 for its file | 12 machines | 5 s ago',
    'bios-undi2.1-00000001 | offered-file | takes the file that the offer names | 1 machine | 2 h ago',
    'uefi-x64-undi3.16-00000002 | offered-file | takes the file that the offer names | on trial | 1 min ago',
    '52:54:00:77:00:01 | Secure Boot | refuses what nobody signed | 1 d ago',
  ]);
});

it('says so when there is nothing', () => {
  const lines = dialectLines({ dialects: [row('bios-1', null, 0, 0)], secureBoot: [] });
  expect(lines.join()).toContain('Nothing has been learnt of any firmware yet');
});
