// The iPXE script of a boot entry: loads its files from the peer and starts them; what fails is tried again, then told.
import { startFiles } from '../api/boot-entry.ts';
import type { CatalogueBootEntry } from '../api/catalogue.ts';
import { ROUTES } from '../api/routes.ts';
import { assert } from '../base/errors.ts';
import { choiceQuery } from './script-menu.ts';
import {
  chainTo,
  checkedBase,
  fetchScript,
  heading,
  lines,
  type ScriptPlace,
  safeText,
  scriptUrl,
  setting,
} from './script-parts.ts';

export interface EntryContext extends ScriptPlace {
  readonly reason: string;
}

/** The files may come over a slow WAN while they are being loaded: a chunk of 4 MiB takes its time. */
const PATIENT = '--timeout 120000';
const TRIES = 3;
const PAUSE_S = 5;

export function renderEntry(entry: CatalogueBootEntry, context: EntryContext): string {
  return lines(
    ...heading(context, context.reason),
    `echo Starting ${safeText(entry.boot.title)} (${safeText(`${entry.name} ${entry.version}`)})`,
    'set loads:int32 0',
    ':load',
    ...load(entry, context),
    ':failed',
    // Whatever was loaded would stay registered and be given to the next kernel, too.
    'imgfree',
    'inc loads',
    `iseq ${setting('loads')} ${TRIES} && goto given-up ||`,
    'echo PB-BOOT-ENTRY-FAILED: it could not be loaded or did not start; trying again.',
    `sleep ${PAUSE_S}`,
    'goto load',
    ':given-up',
    'echo PB-BOOT-ENTRY-FAILED: it could not be loaded or did not start.',
    'prompt --key l --timeout 10000 Press l to boot from the own disk && goto local ||',
    ...fetchScript([context.base, ...context.others]),
  );
}

/** The files are being fetched to the peer: asks again until they are there, for the same item where it was chosen. */
export function renderEntryWaits(
  entry: CatalogueBootEntry,
  context: ScriptPlace & { readonly token: string | undefined; readonly why: string },
): string {
  const { base, others, token, why } = context;
  const item = `entry:${entry.name}@${entry.version}`;
  const again = scriptUrl(base, token === undefined ? [] : choiceQuery(item, token));
  return lines(
    ...heading(context, `PB-BOOT-ENTRY-WAITS: ${safeText(entry.boot.title)} is not here yet: ${why}`),
    'prompt --key l --timeout 5000 Asking again soon, press l to boot from the own disk && goto local ||',
    `${chainTo(again)} ||`,
    ...fetchScript([base, ...others]),
  );
}

function load({ name, version, boot }: CatalogueBootEntry, { base }: ScriptPlace): string[] {
  const files = `${checkedBase(base)}${ROUTES.entries}/${name}/${version}`;
  const { start } = boot;
  // The catalogue is checked when it is read; a script is made of nothing that was not.
  assert(
    startFiles(start).every((path) => /^[A-Za-z0-9._+~/-]+$/.test(path)),
    'paths of an entry are plain',
  );
  switch (start.way) {
    case 'linux': {
      const names = start.initrds.map((_, at) => `initrd${at}.img`);
      const words = [...names.map((one) => `initrd=${one}`), withFiles(start.cmdline, files)].filter(Boolean);
      return [
        `kernel ${PATIENT} ${[`${files}/${start.kernel}`, ...words].join(' ')} || goto failed`,
        ...start.initrds.map(
          (path, at) => `initrd ${PATIENT} --name ${names[at]} ${files}/${path} || goto failed`,
        ),
        'boot || goto failed',
      ];
    }
    case 'efi':
      return [
        `kernel ${PATIENT} ${[`${files}/${start.program}`, withFiles(start.cmdline, files)].filter(Boolean).join(' ')} || goto failed`,
        // A program that ends well comes back: then the machine is asked for again.
        'boot && goto ended ||',
        'goto failed',
        ':ended',
        `${chainTo(scriptUrl(base))} || goto local`,
      ];
    case 'iso':
      return [`sanboot --no-describe ${files}/${start.iso} || goto failed`];
    case 'wimboot':
      return [
        `kernel ${PATIENT} ${files}/${start.wimboot} || goto failed`,
        // Named twice: UEFI goes by the image's name, BIOS by its first word.
        ...(
          [
            ['BCD', start.bcd],
            ['boot.sdi', start.sdi],
            ['boot.wim', start.wim],
          ] as const
        ).map(([as, path]) => `initrd ${PATIENT} --name ${as} ${files}/${path} ${as} || goto failed`),
        'boot || goto failed',
      ];
  }
}

function withFiles(cmdline: string, files: string): string {
  return cmdline.trim().replaceAll('{files}', files);
}
