// The iPXE script of a boot menu: local disk after a countdown, and what else there is for this machine.
import type { Menu, MenuItem } from './menu.ts';
import { COUNTDOWN_S, countDown } from './script.ts';
import { boardOf, chainTo, lines, type ScriptPlace, safeText, scriptUrl, setting } from './script-parts.ts';

export interface MenuContext extends ScriptPlace {
  /** Without it no choice is believed: whoever chooses has seen this machine's menu. Hexadecimal digits. */
  readonly token: string;
}

/** Query of the machine's script when an item was chosen. */
export function choiceQuery(item: string, token: string): string[] {
  return [`item=${item}`, `menu=${token}`];
}

/**
 * The menu. Its countdown ends at the first item; any key stops it. An iPXE without menus takes that item as well.
 * Only labels of this script are jumped to, and only names of the catalogue, which are safe in URLs, are asked for.
 */
export function renderMenu(menu: Menu, context: MenuContext): string {
  const { base, machine, site, token } = context;
  const labelled = menu.items.map((item, at) => ({
    item,
    label: item.kind === 'local' ? 'local' : `item${at}`,
  }));
  const first = menu.items[0]?.kind === 'approval' ? 'item0' : 'local';
  const section = (title: string, kinds: (item: MenuItem) => boolean): string[] => {
    const own = labelled.filter(({ item }) => kinds(item));
    if (own.length === 0) return [];
    const rows = own.map(({ item, label }) => `item ${label} ${wordsOf(item)}`);
    return title === '' ? rows : ['item --gap', `item --gap -- ${title}`, ...rows];
  };
  return lines(
    '#!ipxe',
    // What is not there is no command: then the screen says so in a line, and nothing else is lost.
    `menu Peerboot ${safeText(site)} || goto ${first === 'local' ? 'plain' : first}`,
    ...section('', ({ kind }) => kind === 'local' || kind === 'approval'),
    ...section('Put an image on the disk', ({ kind }) => kind === 'image'),
    ...section('Start', (item) => item.kind === 'entry' && !item.entry.boot.tool),
    ...section('Tools', (item) => item.kind === 'shell' || (item.kind === 'entry' && item.entry.boot.tool)),
    'item --gap',
    `item --gap -- Machine ${safeText(machine.id)}, MAC ${safeText(machine.mac ?? 'unknown')}`,
    `item --gap -- ${safeText(boardOf(machine))}, serial ${safeText(machine.serial ?? 'unknown')}`,
    // Esc leaves the menu: that machine boots its own disk, too.
    `choose --timeout ${COUNTDOWN_S * 1000} --default ${first} choice || goto local`,
    `goto ${setting('choice')}`,
    ...labelled
      .filter(({ label }) => label !== 'local')
      .flatMap(({ item, label }) => [
        `:${label}`,
        `${chainTo(scriptUrl(base, choiceQuery(idOf(item), token)))} || goto again`,
      ]),
    ':plain',
    ...countDown(context),
  );
}

/** How it is called on the screen. */
export function wordsOf(item: MenuItem): string {
  switch (item.kind) {
    case 'local':
      return 'Boot from the own disk';
    case 'approval':
      return 'Wait for approval, with a code on the screen';
    case 'image': {
      const title = safeText(`${item.image.name} ${item.image.version}`);
      if (!item.allowed) return `${title} (asks for approval)`;
      return item.allowNonBlank ? `${title} (OVERWRITES THE DISK)` : `${title} (needs a blank disk)`;
    }
    case 'entry':
      return safeText(item.entry.boot.title);
    case 'shell':
      return 'Shell: look around in this machine';
  }
}

/** How an item is called in the query of the script. */
export function idOf(item: MenuItem): string {
  return 'id' in item ? item.id : item.kind;
}
