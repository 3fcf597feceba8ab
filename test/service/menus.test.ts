// Menus end to end over HTTP: what is shown, that only a choice from that very menu counts, and what each choice leads to.
import { expect, it } from 'vitest';
import type { BootDescription } from '../../src/api/boot-entry.ts';
import type { CatalogueBootEntry } from '../../src/api/catalogue.ts';
import { PeerbootError } from '../../src/base/errors.ts';
import type { Timers } from '../../src/base/time.ts';
import { systemTimers } from '../../src/io/clock.ts';
import type { BootEntries } from '../../src/service/boot-entries.ts';
import { createMenus, type MenusOptions } from '../../src/service/menus.ts';
import { checkIn, image, MAC, seededBytes, testPeer, UUID } from './peer.ts';

const BOOT: BootDescription = {
  title: 'Memory test',
  firmwares: ['bios'],
  tool: true,
  start: { way: 'linux', kernel: 'memtest.bin', initrds: [], cmdline: '' },
  files: [{ path: 'memtest.bin', offset: 512, size: 100 }],
};
const MEMTEST: CatalogueBootEntry = { ...image('memtest', '7'), boot: BOOT };
const QUERY = `mac=${MAC.replaceAll(':', '-')}&uuid=${UUID}&serial=SN-1&platform=pcbios&buildarch=i386`;

interface Given extends Partial<Omit<MenusOptions, 'files'>> {
  readonly unknown?: 'local' | 'wait';
  /** How the first bytes of an entry come. */
  readonly read?: () => Promise<Uint8Array>;
}

function peerWith({ unknown = 'local', read = async () => new Uint8Array(1), ...options }: Given = {}) {
  const found = (reference: string) => (['memtest', 'memtest@7'].includes(reference) ? MEMTEST : undefined);
  const files: BootEntries = {
    find: found,
    open: async () => ({ sizeBytes: 100, etag: '"x"', read }),
  };
  // The parts are made before the menus that need them.
  const parts = testPeer({ registry: { unknown } });
  const menus = createMenus({
    on: true,
    rules: [],
    images: () => parts.images,
    bootEntries: () => [MEMTEST],
    files,
    assignments: {
      ...parts.assignments,
      put: (assignment) => peer.assignments.put(assignment),
    },
    enforcesSecureBoot: () => false,
    random: seededBytes(),
    clock: parts.clock,
    timers: systemTimers,
    log: parts.log,
    ...options,
  });
  const peer = testPeer({ menus, unknown, registry: { unknown, clock: parts.clock } });
  peer.images = [image('till', '2'), image('kiosk', '1')];
  peer.bootEntries = [MEMTEST];
  parts.images = peer.images;
  const get = async (url: string) => (await peer.http.app.inject({ url })).body;
  return Object.assign(peer, {
    script: (first = '') => get(`/boot/script.ipxe?${first}${QUERY}`),
    /** The query that the menu gives to this item. */
    choice(script: string, item: string): string {
      const token = /&menu=([0-9a-f]{32})&/.exec(script)?.[1];
      return `item=${item}&menu=${token}&`;
    },
    seen: () => get(`/admin/v1/menu?machine=${MAC}&firmware=bios`).then((text) => JSON.parse(text)),
  });
}

it('shows a menu, whose choice starts the entry', async () => {
  const peer = peerWith();
  const menu = await peer.script();
  expect(menu).toContain('item item1 Memory test');
  const started = await peer.script(peer.choice(menu, 'entry:memtest@7'));
  expect(started).toContain('/boot/entries/memtest/7/memtest.bin');
  expect(started).not.toContain('item ');
});

it('shows it again for a choice that does not come from it: guessed, of another machine, too old, not on it', async () => {
  const peer = peerWith({ rules: [{ images: ['till'] }] });
  const menu = await peer.script();
  const token = /&menu=([0-9a-f]{32})&/.exec(menu)?.[1] as string;
  const isMenu = (script: string) => expect(script).toContain('choose --timeout');
  isMenu(await peer.script('item=entry:memtest@7&'));
  isMenu(await peer.script(`item=entry:memtest@7&menu=${token.replace(/./g, '0')}&`));
  isMenu(await peer.script(`item=image:kiosk@1&menu=${token}&`));
  const other = QUERY.replace('12-34-56', '99-99-99').replace('SN-1', 'SN-2').replace(UUID, '');
  const { body } = await peer.http.app.inject({
    url: `/boot/script.ipxe?item=entry:memtest@7&menu=${token}&${other}`,
  });
  isMenu(body);
  // The token is the same as long as it is good, and then another one.
  expect(await peer.script()).toContain(token);
  peer.clock.advance(2 * 3_600_000);
  isMenu(await peer.script(`item=entry:memtest@7&menu=${token}&`));
  expect(await peer.script()).not.toContain(token);
});

it('says why an entry cannot be had, and asks again for it', async () => {
  const peer = peerWith({
    read: () => Promise.reject(new PeerbootError('PB-SOURCE-FAILED', 'the origin is down')),
  });
  const script = await peer.script(peer.choice(await peer.script(), 'entry:memtest@7'));
  expect(script).toContain('PB-BOOT-ENTRY-WAITS');
  expect(script.replaceAll('\necho ', ' ')).toContain('PB-SOURCE-FAILED the origin is down');
  expect(script).toContain('item=entry:memtest@7&menu=');
});

it('does not wait for what takes long, as when the WAN is paused', async () => {
  const timers: Timers = {
    after(_, act) {
      act();
      return () => {};
    },
  };
  const peer = peerWith({ read: () => new Promise(() => {}), timers });
  const script = await peer.script(peer.choice(await peer.script(), 'entry:memtest@7'));
  expect(script).toContain('PB-BOOT-ENTRY-WAITS');
});

it('gives an image that is allowed to the agent that the choice starts, once', async () => {
  const peer = peerWith({ rules: [{ images: ['till'], allowNonBlank: true }] });
  const script = await peer.script(peer.choice(await peer.script(), 'image:till@2'));
  expect(script).toContain('/boot/files/vmlinuz');
  const { machine, plan } = peer.machines.checkIn('10.77.0.9', checkIn());
  expect(plan).toMatchObject({
    kind: 'image',
    image: { name: 'till', version: '2' },
    disk: { allowNonBlank: true },
  });
  expect(peer.assignments.list()).toMatchObject([{ machine: machine.id, target: { image: 'till@2' } }]);
});

it('opens a shell where a rule allows it, whatever the agent would be told', async () => {
  const peer = peerWith({ rules: [{ shell: true, entries: [] }], unknown: 'wait' });
  const menu = await peer.script();
  expect(menu).toMatch(/^item item\d+ Shell/m);
  const script = await peer.script(peer.choice(menu, 'shell'));
  expect(script).toMatch(/^kernel .* peerboot\.shell /m);
  expect(script).toContain('the shell was chosen on its menu');
  // An agent that is started from that shell is told the same as ever.
  expect(peer.machines.checkIn('10.77.0.9', checkIn()).plan.kind).toBe('wait');
  // The next boot shows the menu again; where no rule allows it, a guess does, too.
  expect(await peer.script()).toContain('choose ');
  const sealed = peerWith({ rules: [{ shell: true }], enforcesSecureBoot: (macs) => macs.includes(MAC) });
  expect(await sealed.script()).not.toContain('Shell');
  const strict = peerWith();
  const refused = await strict.script(strict.choice(await strict.script(), 'shell'));
  expect(refused).toContain('choose ');
  expect(refused).not.toContain('shell');
});

it('gives it to no agent that was running before, nor after another script, nor when it took too long', async () => {
  const rules = [{ images: ['till'] }];
  const peer = peerWith({ rules, unknown: 'wait' });
  const menu = await peer.script();
  // It waits to be approved; then somebody else chooses in its name.
  expect(peer.machines.checkIn('10.77.0.9', checkIn()).plan.kind).toBe('wait');
  await peer.script(peer.choice(menu, 'image:till@2'));
  expect(peer.machines.checkIn('10.77.0.9', checkIn()).plan.kind).toBe('wait');
  // A script without a choice ends it.
  await peer.script();
  expect(peer.machines.checkIn('10.77.0.9', checkIn({ bootId: 'boot-2' })).plan.kind).toBe('wait');
  await peer.script(peer.choice(menu, 'image:till@2'));
  peer.clock.advance(11 * 60_000);
  expect(peer.machines.checkIn('10.77.0.9', checkIn({ bootId: 'boot-3' })).plan.kind).toBe('wait');
  expect(peer.assignments.list()).toEqual([]);
});

it('makes any other image a wish, which whoever approves the machine need not name', async () => {
  const peer = peerWith({ unknown: 'wait' });
  const menu = await peer.script();
  expect(menu).toContain('item item0 Wait for approval');
  const script = await peer.script(peer.choice(menu, 'image:till@2'));
  expect(script).toContain('/boot/files/vmlinuz');
  const { machine, plan } = peer.machines.checkIn('10.77.0.9', checkIn());
  expect(plan).toMatchObject({ kind: 'wait' });
  expect(peer.machines.find(machine.id)?.wish).toBe('till@2');
  const { code } = peer.machines.approvals.codeOf(machine.id);
  const pin = peer.machines.approvals.pin(9, 9).code;
  const look = await peer.http.app.inject({
    method: 'POST',
    url: '/approve/v1/look',
    payload: { pin, code },
  });
  expect(look.json().images[0]).toBe('till@2');
  // Nobody can change the wish of a machine that waits.
  await peer.script(peer.choice(await peer.script(), 'image:kiosk@1'));
  peer.machines.checkIn('10.77.0.9', checkIn());
  expect(peer.machines.find(machine.id)?.wish).toBe('till@2');
  const approved = await peer.http.app.inject({
    method: 'POST',
    url: '/admin/v1/approvals',
    payload: { code },
    remoteAddress: '127.0.0.1',
    headers: { host: 'localhost' },
  });
  expect(approved.statusCode).toBe(200);
  expect(peer.assignments.list()).toMatchObject([{ target: { image: 'till@2' } }]);
  // Another boot knows nothing of it.
  await peer.script();
  peer.machines.checkIn('10.77.0.9', checkIn({ bootId: 'boot-2' }));
  expect(peer.machines.find(machine.id)?.wish).toBeUndefined();
});

it('waits for approval when that is chosen, and boots the disk otherwise', async () => {
  const peer = peerWith({ unknown: 'wait' });
  const menu = await peer.script();
  expect(await peer.script(peer.choice(menu, 'approval'))).toContain('/boot/files/vmlinuz');
  expect(await peer.script(peer.choice(menu, 'local'))).toContain('/boot/files/vmlinuz');
});

it('is shown to nobody while it is off, or has nothing to choose, or an image is assigned', async () => {
  const isPlain = async (peer: ReturnType<typeof peerWith>, words: string) => {
    const script = await peer.script();
    expect(script).not.toContain('choose ');
    expect(script).toContain(words);
  };
  await isPlain(peerWith({ on: false }), 'Booting from the own disk in 10 s');
  await isPlain(peerWith({ rules: [{ entries: [] }] }), 'Booting from the own disk in 10 s');
  const peer = peerWith();
  const disk = { allowNonBlank: false };
  peer.assignments.put({ machine: '*', target: { kind: 'image', image: 'till', disk } });
  await isPlain(peer, 'vmlinuz');
});

it('of many machines keeps the tokens of those seen last', async () => {
  const peer = peerWith();
  const first = await peer.script();
  for (let n = 0; n < 1024; n++) {
    const mac = `52-54-00-ff-${(n >> 8).toString(16).padStart(2, '0')}-${(n & 255).toString(16).padStart(2, '0')}`;
    await peer.http.app.inject({ url: `/boot/script.ipxe?mac=${mac}&platform=pcbios` });
  }
  expect(await peer.script(peer.choice(first, 'entry:memtest@7'))).toContain('choose ');
});

const admin = { remoteAddress: '127.0.0.1', headers: { host: 'localhost' } } as const;

it('a boot entry is assigned for one start, and the own disk follows', async () => {
  const peer = peerWith({ on: false });
  const assign = (machine: string, entry: string) =>
    peer.http.app.inject({
      ...admin,
      method: 'PUT',
      url: '/admin/v1/assignments',
      payload: { machine, target: { kind: 'boot-entry', entry } },
    });
  expect((await assign('*', 'memtest')).json().code).toBe('PB-REQUEST-INVALID');
  expect((await assign(MAC, 'other')).json().code).toBe('PB-BOOT-ENTRY-UNKNOWN');
  expect((await assign(MAC, 'memtest')).statusCode).toBe(200);
  // An agent that asks meanwhile is not told to start it.
  expect(peer.machines.checkIn('10.77.0.9', checkIn()).plan).toEqual({ kind: 'local-boot' });
  expect(await peer.script()).toContain('/boot/entries/memtest/7/memtest.bin');
  expect(await peer.script()).toContain('Booting from the own disk in 10 s');
  expect(peer.assignments.list()).toMatchObject([{ machine: MAC, target: { kind: 'local-boot' } }]);
});

it('one that is not here yet, does not fit or is gone is told, and stays assigned', async () => {
  let here = false;
  const read = () =>
    here ? Promise.resolve(new Uint8Array(1)) : Promise.reject(new PeerbootError('PB-SOURCE-FAILED', 'down'));
  const peer = peerWith({ on: false, read });
  peer.assignments.put({ machine: MAC, target: { kind: 'boot-entry', entry: 'memtest' } });
  const words = async (platform: string) => {
    const url = `/boot/script.ipxe?${QUERY.replace('pcbios', platform)}`;
    return (await peer.http.app.inject({ url })).body.replaceAll('\necho ', ' ');
  };
  expect(await words('pcbios')).toContain('PB-BOOT-ENTRY-WAITS');
  expect(await words('efi')).toContain('fits only bios');
  expect(await words('')).toContain('fits only bios');
  here = true;
  expect(await words('pcbios')).toContain('/boot/entries/');
  peer.assignments.put({ machine: MAC, target: { kind: 'boot-entry', entry: 'lost' } });
  expect(await words('pcbios')).toContain('the catalogue has none');
});

it('administrators see what a machine would see, also one that never came', async () => {
  const peer = peerWith({ rules: [{ images: ['till'] }] });
  await peer.script();
  const view = await peer.seen();
  expect(view.items.map(({ id }: { id: string }) => id)).toEqual([
    'local',
    'image:till@2',
    'entry:memtest@7',
  ]);
  expect(view.reason).toContain('no image is assigned to it');
  const ask = async (query: string) =>
    (await peer.http.app.inject({ ...admin, url: `/admin/v1/menu${query}` })).json();
  expect((await ask('')).leftOut).toEqual([
    { what: 'entry:memtest@7', why: 'it is for bios, and this machine has uefi-x64' },
  ]);
  expect((await ask('?machine=52:54:00:aa:bb:cc&firmware=bios')).items).toHaveLength(3);
  expect((await ask('?machine=nobody')).code).toBe('PB-HTTP-NOT-FOUND');
  expect((await ask('?firmware=uefi-arm64')).items.map(({ id }: { id: string }) => id)).toEqual(['local']);
  const off = peerWith({ on: false });
  expect(await off.seen()).toMatchObject({ items: [], reason: expect.stringContaining('menus are off') });
});
