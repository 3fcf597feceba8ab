// The file of what was learnt of firmwares: read as it was written, and no reason not to start when it cannot be.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Mac } from '../../src/base/addresses.ts';
import { openFirmwareStore } from '../../src/io/firmware-store.ts';
import { logbook } from '../support/logbook.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'peerboot-firmware-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const KEPT = {
  dialects: [
    { fingerprint: 'bios-undi2.1-00000001', dialect: 'offered-file' as const, machines: 3, atMs: 17 },
    { fingerprint: 'bios-undi2.1-00000002', dialect: null, machines: 0, atMs: 18 },
  ],
  secureBoot: [{ mac: '52:54:00:77:00:01' as Mac, enforced: true, atMs: 19 }],
};
const NOTHING = { dialects: [], secureBoot: [] };

it('keeps what it is given, in a folder that it makes', () => {
  const path = join(folder, 'state', 'firmware.json');
  const log = logbook();
  const store = openFirmwareStore(path, log);
  expect(store.load()).toEqual(NOTHING);
  store.save(KEPT);
  expect(openFirmwareStore(path, log).load()).toEqual(KEPT);
  expect(log.lines).toEqual([]);
});

it.each([
  ['cut off', '{"format":"peerboot.firmware/1","dialects":['],
  ['of another version', '{"format":"peerboot.firmware/2","dialects":[],"secureBoot":[]}'],
  [
    'of a MAC that is none',
    '{"format":"peerboot.firmware/1","dialects":[],"secureBoot":[{"mac":"x","enforced":true,"atMs":1}]}',
  ],
])('begins anew, and says so, when the file is %s', (_, text) => {
  const path = join(folder, 'firmware.json');
  writeFileSync(path, text);
  const log = logbook();
  const store = openFirmwareStore(path, log);
  expect(store.load()).toEqual(NOTHING);
  expect(log.lines.map(({ level }) => level)).toEqual(['warn']);
  store.save(KEPT);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ format: 'peerboot.firmware/1', ...KEPT });
});
