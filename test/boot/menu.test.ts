// Menus: what is on them for which machine, what is left out and why; their scripts as golden files; that no text becomes a command.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BootDescription,
  CommandLine,
  EntryPath,
  type EntryStart,
  startFiles,
} from '../../src/api/boot-entry.ts';
import type { CatalogueBootEntry, CatalogueImage } from '../../src/api/catalogue.ts';
import { planOfScript } from '../../src/boot/capture-http.ts';
import { type MenuFacts, type MenuRule, MOST_ITEMS, menuFirmware, menuFor } from '../../src/boot/menu.ts';
import { planFor } from '../../src/boot/plan.ts';
import { renderEntry, renderEntryWaits } from '../../src/boot/script-entry.ts';
import { idOf, renderMenu } from '../../src/boot/script-menu.ts';
import type { ScriptMachine } from '../../src/boot/script-parts.ts';
import { image, MAC } from '../service/peer.ts';
import { STARTS } from './entry-starts.ts';

function entry(
  name: string,
  start: EntryStart,
  more: Partial<BootDescription> & { version?: string } = {},
): CatalogueBootEntry {
  const { version = '1', ...rest } = more;
  const files = startFiles(start).map((path, at) => ({ path, offset: at * 1024 + 512, size: 100 }));
  const boot = { title: `Entry ${name}`, firmwares: ['bios' as const], tool: false, start, files, ...rest };
  return { ...image(name, version), boot: BootDescription.parse(boot) };
}

const ENTRIES = [
  entry('live', STARTS.linux, { firmwares: ['bios', 'uefi-x64'], title: 'Debian live' }),
  entry('memtest', STARTS.plain, { tool: true, title: 'Memory test' }),
  entry('winpe', STARTS.wimboot, { version: '10' }),
  entry('winpe', STARTS.wimboot, { version: '9' }),
  entry('arm', STARTS.efi, { firmwares: ['uefi-arm64'] }),
];
const IMAGES = [image('till', '2'), image('till', '1'), image('kiosk', '1')];
const MACHINE = { id: 'm-abcdefgh', identity: { macs: [MAC], serial: 'SN-1' }, tags: ['lab'] };

function menu(
  change: Partial<Omit<MenuFacts, 'decision'>> & {
    unknown?: 'local' | 'wait';
    assigned?: 'local-boot' | 'till';
  } = {},
) {
  const { assigned, unknown = 'local', ...rest } = change;
  const target =
    assigned === 'till'
      ? ({ kind: 'image', image: 'till', disk: { allowNonBlank: false } } as const)
      : ({ kind: 'local-boot' } as const);
  const assignments = assigned === undefined ? [] : [{ machine: '*', target, revision: 1 }];
  const decision = planFor(MACHINE, assignments, IMAGES, { unknown });
  const facts = {
    images: IMAGES,
    entries: ENTRIES,
    rules: [],
    hasAgent: true,
    isSealed: false,
    secureBoot: false,
    firmware: 'bios',
    machine: MACHINE,
  };
  return menuFor({ ...(facts as Omit<MenuFacts, 'decision'>), ...rest, decision });
}
const ids = (built: ReturnType<typeof menu>) => built?.items.map(idOf);

describe('on the menu', () => {
  it('is the own disk, and every boot entry that fits, tools last', () => {
    expect(ids(menu())).toEqual(['local', 'entry:live@1', 'entry:winpe@10', 'entry:memtest@1']);
    expect(menu()?.leftOut).toEqual([
      { what: 'entry:arm@1', why: 'it is for uefi-arm64, and this machine has bios' },
    ]);
  });

  it('are no images unless a rule for this machine lists them', () => {
    const rules: MenuRule[] = [
      { machine: 'tag:kiosks', images: ['kiosk'] },
      {
        machine: 'tag:lab',
        images: ['till@1', '*', 'lost'],
        entries: ['winpe@9', 'gone'],
        allowNonBlank: true,
      },
      { images: ['kiosk'] },
    ];
    const built = menu({ rules });
    expect(ids(built)).toEqual(['local', 'image:till@1', 'image:till@2', 'image:kiosk@1', 'entry:winpe@9']);
    expect(built?.items[1]).toMatchObject({ allowed: true, allowNonBlank: true });
    expect(built?.leftOut).toEqual([
      { what: 'image lost', why: 'the catalogue has none' },
      { what: 'entry gone', why: 'the catalogue has none' },
    ]);
  });

  it('is nothing but the own disk for a machine that no rule fits', () => {
    const built = menu({ rules: [{ machine: 'tag:other' }, { machine: '52:54:00:00:00:00' }] });
    expect(ids(built)).toEqual(['local']);
    expect(built?.leftOut).toEqual([{ what: 'everything', why: 'no rule of `menus` fits this machine' }]);
  });

  it('are all images as wishes, and waiting first, where it waits to be approved', () => {
    const built = menu({ unknown: 'wait', rules: [{ images: ['till'], entries: [] }] });
    expect(ids(built)).toEqual(['approval', 'local', 'image:till@2', 'image:kiosk@1']);
    expect(built?.items.slice(2)).toMatchObject([
      { allowed: true, allowNonBlank: false },
      { allowed: false, allowNonBlank: false },
    ]);
  });

  it('are no images without an agent, nor where an administrator assigned the own disk', () => {
    const rules = [{ images: ['till'], entries: [] }];
    expect(menu({ rules, hasAgent: false })).toMatchObject({
      items: [{ kind: 'local' }],
      leftOut: [{ what: 'image:till@2', why: expect.stringContaining('PB-ASSETS-MISSING') }],
    });
    expect(menu({ rules, assigned: 'local-boot' })).toMatchObject({
      items: [{ kind: 'local' }],
      leftOut: [{ what: 'image:till@2', why: expect.stringContaining('administrator') }],
    });
  });

  it('are no images that do not boot on its firmware', () => {
    const uefi = { ...image('uefi', '1'), firmwares: ['uefi-x64' as const] };
    const both = { ...image('both', '1'), firmwares: ['bios' as const, 'uefi-x64' as const] };
    const facts = { rules: [{ images: ['*'], entries: [] }], images: [uefi, both, image('untold', '1')] };
    const built = menu(facts);
    expect(ids(built)).toEqual(['local', 'image:both@1', 'image:untold@1']);
    expect(built?.leftOut).toEqual([
      { what: 'image:uefi@1', why: 'it is for uefi-x64, and this machine has bios' },
    ]);
    // Which firmware it is, the agent sees: it writes nothing that does not boot.
    expect(ids(menu({ ...facts, firmware: undefined }))).toContain('image:uefi@1');
  });

  it('are no images that its Secure Boot does not start', () => {
    const uefi: CatalogueImage = {
      ...image('uefi', '1'),
      firmwares: ['bios', 'uefi-x64'],
      unsigned: ['uefi-x64'],
    };
    const facts = { rules: [{ images: ['*'], entries: [] }], images: [uefi, image('untold', '1')] };
    const built = menu({ ...facts, firmware: 'uefi-x64', secureBoot: true });
    expect(ids(built)).toEqual(['local', 'image:untold@1']);
    expect(built?.leftOut).toMatchObject([
      { what: 'image:uefi@1', why: expect.stringContaining('not signed') },
    ]);
    expect(ids(menu({ ...facts, firmware: 'uefi-x64' }))).toContain('image:uefi@1');
    expect(ids(menu({ ...facts, secureBoot: true }))).toContain('image:uefi@1');
    expect(ids(menu({ ...facts, firmware: undefined, secureBoot: true }))).toContain('image:uefi@1');
  });

  it('is a shell, last, only where a rule says so', () => {
    const built = menu({ rules: [{ entries: ['memtest'], shell: true }] });
    expect(ids(built)).toEqual(['local', 'entry:memtest@1', 'shell']);
    expect(ids(menu({ rules: [{ shell: false }] }))).not.toContain('shell');
    expect(ids(menu())).not.toContain('shell');
    expect(ids(menu({ rules: [{ machine: 'tag:other', shell: true }] }))).toEqual(['local']);
    const why = (facts: Partial<MenuFacts>) => menu({ rules: [{ shell: true, entries: [] }], ...facts });
    expect(why({ hasAgent: false })?.leftOut).toEqual([
      { what: 'shell', why: expect.stringContaining('PB-ASSETS-MISSING') },
    ]);
    expect(why({ isSealed: true })?.leftOut).toEqual([
      { what: 'shell', why: 'this machine starts the agent as one signed program' },
    ]);
  });

  it('is nothing at all where an image is assigned', () => {
    expect(menu({ assigned: 'till' })).toBeUndefined();
  });

  it('are no entries for a machine that does not say what it is', () => {
    const built = menu({ firmware: undefined });
    expect(ids(built)).toEqual(['local']);
    expect(built?.leftOut[0]?.why).toContain('did not say');
  });

  it('are two screens at most', () => {
    const many = Array.from({ length: 60 }, (_, n) => entry(`e${n}`, STARTS.iso));
    const built = menu({ entries: many });
    expect(built?.items).toHaveLength(MOST_ITEMS);
    expect(built?.leftOut).toHaveLength(61 - MOST_ITEMS);
  });
});

it('the firmware is what iPXE says of itself', () => {
  expect(menuFirmware({ platform: 'pcbios', buildarch: 'i386' })).toBe('bios');
  expect(menuFirmware({ platform: 'efi', buildarch: 'x86_64' })).toBe('uefi-x64');
  expect(menuFirmware({ platform: 'efi', buildarch: 'arm64' })).toBe('uefi-arm64');
  expect(menuFirmware({ platform: 'efi', buildarch: 'i386' })).toBeUndefined();
  expect(menuFirmware({})).toBeUndefined();
});

const PLACE = {
  base: 'http://10.77.0.2:8067',
  others: ['http://10.77.0.3:8067'],
  site: 'store-1',
  machine: { id: 'm-abcdefgh', mac: MAC, serial: 'SN-1', manufacturer: 'Acme Inc.', product: 'Till 3000' },
};
const CONTEXT = { ...PLACE, token: '00112233445566778899aabbccddeeff' };

/** With UPDATE_GOLDENS set, the files are written instead of compared. */
function expectGolden(name: string, script: string): void {
  const path = fileURLToPath(new URL(`../fixtures/scripts/${name}.ipxe`, import.meta.url));
  if (process.env.UPDATE_GOLDENS !== undefined) writeFileSync(path, script);
  expect(existsSync(path), path).toBe(true);
  expect(script).toBe(readFileSync(path, 'utf8'));
}

const FULL = { unknown: 'wait', rules: [{ images: ['till'], allowNonBlank: true, shell: true }] } as const;

describe('golden files', () => {
  it('menu', () => expectGolden('menu', renderMenu(menu() ?? { items: [], leftOut: [] }, CONTEXT)));
  it('menu-approval', () => {
    expectGolden('menu-approval', renderMenu(menu(FULL) ?? { items: [], leftOut: [] }, CONTEXT));
  });
  it.each(Object.entries(STARTS))('entry-%s', (name, start) => {
    const script = renderEntry(entry(name, start), { ...PLACE, reason: 'chosen on its menu' });
    expectGolden(`entry-${name}`, script);
    // The doctor waits for no agent of ours.
    expect(planOfScript(script)).toBe('boot-entry');
  });
  it('entry-waits', () => {
    const why = 'PB-SOURCE-FAILED no source has it';
    expectGolden('entry-waits', renderEntryWaits(entry('live', STARTS.linux), { ...CONTEXT, why }));
    const assigned = renderEntryWaits(entry('live', STARTS.linux), { ...PLACE, token: undefined, why });
    expect(assigned).not.toContain('item=');
  });
  it('every jump has its label, and each label stands once', () => {
    const scripts = [
      renderMenu(menu(FULL) ?? { items: [], leftOut: [] }, CONTEXT),
      ...Object.entries(STARTS).map(([name, start]) =>
        renderEntry(entry(name, start), { ...PLACE, reason: '' }),
      ),
    ];
    for (const script of scripts) {
      const labels = [...script.matchAll(/^:([\w-]+)$/gm)].map((match) => match[1]);
      expect(new Set(labels).size).toBe(labels.length);
      for (const [, label] of script.matchAll(/\bgoto ([\w-]+)/g)) expect(labels).toContain(label);
      for (const [, label] of script.matchAll(/^item (\w+)/gm)) expect(labels).toContain(label);
    }
  });
  it('a menu of one item has it as its default', () => {
    expect(
      renderMenu({ items: [{ kind: 'local' }], leftOut: [] }, { ...CONTEXT, machine: { id: 'm-x' } }),
    ).toContain('--default local');
  });
});

/** Lines that only show words. */
const SHOWS = /^(echo|item --gap --|item (?:local|item\d+)|menu) /;
const HARMLESS = /^[A-Za-z0-9 ._:/@()+,=?;|-]*$/;

describe('text from outside', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 70 }),
    fc
      .array(
        fc.constantFrom(
          '\n',
          '\r',
          '\0',
          ' ',
          `\${net0/mac}`,
          '$',
          '||',
          '&&',
          ';',
          '#',
          '--',
          '-n',
          'shell',
          ':local',
          'goto local',
          '\u2028',
          'x',
        ),
        { maxLength: 10 },
      )
      .map((parts) => parts.join(' ')),
  );

  it('changes nothing in a menu or in an entry but words on the screen', () => {
    const text = fc.option(hostile, { nil: undefined });
    const machine: fc.Arbitrary<ScriptMachine> = fc.record({
      id: hostile,
      mac: text,
      serial: text,
      manufacturer: text,
      product: text,
    });
    const commands = (script: string) =>
      script.split('\n').filter((line) => !SHOWS.test(line) && line !== 'echo');
    fc.assert(
      fc.property(machine, hostile, hostile, hostile, (who, site, words, reason) => {
        const title = words.slice(0, 60) || 't';
        const named = ENTRIES.map((one) => ({ ...one, boot: { ...one.boot, title } }));
        const built = menu({ ...FULL, entries: named }) ?? { items: [], leftOut: [] };
        const plain = menu(FULL) ?? { items: [], leftOut: [] };
        const place = { ...CONTEXT, site, machine: who };
        const live = named[0] as CatalogueBootEntry;
        for (const [script, expected] of [
          [renderMenu(built, place), renderMenu(plain, CONTEXT)],
          [
            renderEntry(live, { ...place, reason }),
            renderEntry(ENTRIES[0] as CatalogueBootEntry, { ...CONTEXT, reason: '' }),
          ],
          [
            renderEntryWaits(live, { ...place, why: reason }),
            renderEntryWaits(ENTRIES[0] as CatalogueBootEntry, { ...CONTEXT, why: '' }),
          ],
        ] as const) {
          expect(commands(script)).toEqual(commands(expected));
          for (const line of script.split('\n').filter((one) => SHOWS.test(one))) {
            expect(line.replace(/ \|\| goto \w+$/, '')).toMatch(HARMLESS);
            expect(line.replace(/^item --gap -- /, '').replace(/ \|\| goto \w+$/, '')).not.toMatch(
              / -|\||(^| );/,
            );
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is no path and no parameter of an entry', () => {
    for (const path of [
      '',
      '/a',
      'a//b',
      '../a',
      'a/../b',
      'a b',
      'a?b',
      'a#b',
      'a%2e',
      '-a',
      'a\n',
      `\${x}`,
    ])
      expect(EntryPath.safeParse(path).success, path).toBe(false);
    for (const words of [
      'a\nb',
      'a || b',
      'a && b',
      'a # b',
      `\${net0/mac}`,
      'a ; b',
      '; b',
      'a ;',
      'a\\b',
      'ä',
    ])
      expect(CommandLine.safeParse(words).success, words).toBe(false);
    expect(CommandLine.safeParse('a=b;c root="x y" --- {files}').success).toBe(true);
  });

  it('is no file that is not there', () => {
    const wrong = { ...entry('x', STARTS.iso).boot, files: [{ path: 'other.iso', offset: 0, size: 1 }] };
    expect(BootDescription.safeParse(wrong).success).toBe(false);
  });
});
