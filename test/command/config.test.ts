// The configuration: which place wins, what is refused and how it is named, and its page of documentation.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { configOf } from '../../src/command/flags.ts';
import { loadConfig } from '../../src/io/config.ts';
import { nearest, parseAssignments, parseSize } from '../../src/io/config-words.ts';
import { CONFIG_DOC, configDoc } from '../../tools/config-doc.ts';

const folder = mkdtempSync(join(tmpdir(), 'peerboot-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(content: unknown): string {
  const path = join(folder, 'config.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const load = (content: unknown, environment: Record<string, string> = {}, flags = {}) =>
  loadConfig({ flags, environment, file: file(content) });

describe('the later place wins', () => {
  it('file, variable, flag', () => {
    const {
      config,
      origin,
      file: path,
    } = load(
      { site: 'from-file', httpPort: 1, origins: ['http://a/'] },
      { PEERBOOT_HTTP_PORT: '2', PEERBOOT_INTERFACES: 'eth0,eth1' },
      { origins: ['https://b'] },
    );
    expect(config).toMatchObject({
      site: 'from-file',
      httpPort: 2,
      interfaces: ['eth0', 'eth1'],
      origins: ['https://b'],
      observe: false,
    });
    expect(origin).toMatchObject({
      site: path,
      httpPort: 'PEERBOOT_HTTP_PORT',
      origins: '--origin',
      observe: 'default',
    });
  });

  it('flags of the command line become keys', () => {
    const words = ['*', 'debian-12', '52:54:00:00:00:01=local'];
    const { config } = configOf({ config: file({}), assign: words, state: '/x', quota: '2G' }, {});
    expect(config.assign).toEqual([
      { machine: '*', image: 'debian-12' },
      { machine: '52:54:00:00:00:01', image: 'local' },
    ]);
    expect(config).toMatchObject({ stateDir: '/x', quotaBytes: 2 * 2 ** 30 });
  });

  it("systemd's state folder is the default", () => {
    expect(load({}, { STATE_DIRECTORY: '/var/lib/private/peerboot' }).config.stateDir).toBe(
      '/var/lib/private/peerboot',
    );
  });
});

describe('what is refused names key, place and the nearest key', () => {
  it.each([
    [
      'unknown key',
      { intefaces: ['eth0'] },
      {},
      /unknown key intefaces \(from .*config\.json\); did you mean interfaces\?/,
    ],
    ['unknown variable', {}, { PEERBOOT_SITTE: 'x' }, /PEERBOOT_SITTE .*did you mean PEERBOOT_SITE\?/],
    ['nothing near', { zzzzzzzzz: 1 }, {}, /unknown key zzzzzzzzz \(from [^)]*\)$/],
    ['wrong type', { httpPort: '80' }, {}, /^httpPort \(from .*config\.json\)/],
    ['out of range', {}, { PEERBOOT_HTTP_PORT: '70000' }, /^httpPort \(from PEERBOOT_HTTP_PORT\)/],
    ['no switch', {}, { PEERBOOT_OBSERVE: 'yes' }, /^observe \(from PEERBOOT_OBSERVE\)/],
    ['no address', { origins: ['ftp://x'] }, {}, /^origins\.0 .*must be an http/],
    ['no size', {}, { PEERBOOT_QUOTA_BYTES: 'much' }, /^quotaBytes \(from PEERBOOT_QUOTA_BYTES\)/],
    [
      'unknown key inside',
      { assign: [{ machine: '*', image: 'a', disc: 'vda' }] },
      {},
      /^assign\.0 .*did you mean disk\?/,
    ],
    ['not JSON', '{', {}, /is not JSON/],
    ['a list', '[]', {}, /must hold one JSON object/],
  ])('%s', (_, content, environment, message) => {
    const attempt = () => load(content, environment as unknown as Record<string, string>);
    expect(attempt).toThrow(expect.objectContaining({ code: 'PB-CONFIG-INVALID' }));
    expect(attempt).toThrow(message);
  });

  it('a named file must exist, the default one need not', () => {
    const missing = join(folder, 'none.json');
    expect(() => loadConfig({ flags: {}, environment: {}, file: missing })).toThrow(/cannot be read/);
    expect(() => loadConfig({ flags: {}, environment: { PEERBOOT_CONFIG: missing } })).toThrow(
      /cannot be read/,
    );
  });
});

describe('words', () => {
  it.each([
    ['500', 500],
    ['20G', 20 * 2 ** 30],
    ['1.5 TB', 1.5 * 2 ** 40],
    ['300MiB', 300 * 2 ** 20],
    ['', undefined],
    ['5 apples', undefined],
    ['-1', undefined],
  ])('size %j', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it('an assignment without an image is refused', () => {
    for (const words of [['*'], ['*='], ['=debian-12']]) {
      expect(() => parseAssignments(words)).toThrow(/needs a machine and an image/);
    }
  });

  it('nearest counts letters', () => {
    expect(nearest('stateDri', ['stateDir', 'site'])).toBe('stateDir');
    expect(nearest('completely', ['stateDir', 'site'])).toBeUndefined();
  });
});

it('docs/configuration.md is printed from the table (`npm run docs:config`)', () => {
  expect(readFileSync(CONFIG_DOC, 'utf8')).toBe(configDoc());
});

describe('menus', () => {
  const menus = [{ machine: 'tag:lab', images: ['till'], allowNonBlank: true }, { entries: ['memtest'] }];
  it('come from the file or a variable, and are off by default', () => {
    expect(load({}).config).toMatchObject({ menu: false, menus: [] });
    expect(load({ menu: true, menus }).config).toMatchObject({ menu: true, menus });
    const variables = { PEERBOOT_MENU: '1', PEERBOOT_MENUS: JSON.stringify(menus) };
    expect(load({}, variables).config).toMatchObject({ menu: true, menus });
    expect(configOf({ config: file({}), menu: true }, {}).config.menu).toBe(true);
  });
  it.each([
    [{ menus: [{ entrys: ['x'] }] }, /menus\.0.*did you mean entries/s],
    [{ menus: [{ images: 'till' }] }, /menus\.0\.images/],
    [{ assign: [{ machine: '*', image: 'boot:memtest' }] }, /peerboot assign/],
  ])('%j is refused', (content, words) => expect(() => load(content)).toThrow(words));
});
