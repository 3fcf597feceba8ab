// The words of `peerboot publish <image, file or folder>`; what it does is loaded only when it runs.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { CONTENT_KINDS } from '../chunk/names.ts';
import type { PublishFlags } from './publish-image.ts';

export function publishCommand(): Command {
  return new Command('publish')
    .description('publish a disk image, or files as a package, into a tree that any web server can serve')
    .argument('<path>', 'the disk image (raw or qcow2), or with --kind package a file or folder')
    .addOption(new Option('--kind <kind>', 'what it is').choices(CONTENT_KINDS).default('image'))
    .requiredOption('--name <name>', 'what it is called, e.g. till')
    .requiredOption('--version <version>', 'its version, e.g. 2026-11; a published version never changes')
    .option('--to <folder>', 'the tree', 'published')
    .option('--keys <folder>', 'the signing keys, made on first use', defaultKeysFolder())
    .option('--max-waste <percent>', 'what a new site may have to fetch for nothing', parsePercent, 25)
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
