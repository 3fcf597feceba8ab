// The words of `peerboot publish <image, file or folder>`, also of boot entries; what it does is loaded only when it runs.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { BOOT_FIRMWARES } from '../api/boot-entry.ts';
import { CONTENT_KINDS } from '../chunk/names.ts';
import { BOOT_WORDS } from './publish-entry.ts';
import type { PublishFlags } from './publish-image.ts';

const several = (value: string, previous: string[] = []) => [...previous, value];

export function publishCommand(): Command {
  return new Command('publish')
    .description(
      'publish a disk image, files as a package, or a boot entry, into a tree that any web server can serve',
    )
    .argument('<path>', 'the disk image (raw or qcow2), or with another --kind a file or folder')
    .addOption(new Option('--kind <kind>', 'what it is').choices(CONTENT_KINDS).default('image'))
    .requiredOption('--name <name>', 'what it is called, e.g. till')
    .requiredOption('--version <version>', 'its version, e.g. 2026-11; a published version never changes')
    .option('--to <folder>', 'the tree', 'published')
    .option('--keys <folder>', 'the signing keys, made on first use', defaultKeysFolder())
    .option('--max-waste <percent>', 'what a new site may have to fetch for nothing', parsePercent, 25)
    .addOption(new Option('--boot <way>', 'boot entry: how it is started').choices(BOOT_WORDS))
    .option('--title <text>', 'boot entry: what people read in the menu')
    .option('--tool', 'boot entry: shown among the tools')
    .addOption(
      new Option(
        '--firmware <name...>',
        'image, boot entry: what it boots on (default: what it says itself)',
      ).choices(BOOT_FIRMWARES),
    )
    .option('--kernel <file>', 'linux, memtest: the kernel; files are named as in the folder')
    .option('--initrd <file>', 'linux: an initial RAM disk (repeatable, in order)', several)
    .option('--cmdline <words>', 'linux, efi: parameters; {files} stands for the address of the files')
    .option('--program <file>', 'efi, memtest: the UEFI program')
    .option('--iso <file>', 'iso: the CD or disk')
    .option('--wimboot <file>', 'wimboot: wimboot itself')
    .option('--bcd <file>', "wimboot: Windows PE's BCD")
    .option('--sdi <file>', "wimboot: Windows PE's boot.sdi")
    .option('--wim <file>', "wimboot: Windows PE's boot.wim")
    .option('--json', 'JSON lines: progress, then the summary')
    .action(async (image: string, flags: PublishFlags) => {
      await (await import('./publish-image.ts')).publishImage(image, flags);
    });
}

function defaultKeysFolder(): string {
  const given = process.env.XDG_CONFIG_HOME;
  const home = given === undefined || given === '' ? join(homedir(), '.config') : given;
  return join(home, 'peerboot', 'keys');
}

function parsePercent(text: string): number {
  const percent = Number(text.replace(/%$/, ''));
  if (text.trim() === '' || !(percent >= 0 && percent <= 100)) {
    throw new InvalidArgumentError('It is a percentage, 0 to 100.');
  }
  return percent;
}
