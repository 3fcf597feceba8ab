// The words of the command line; each command's code is loaded only when it is the one that runs.
import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { parseSize } from '../io/config-words.ts';
import { colours } from './terminal.ts';

const several = (value: string, previous: string[] = []) => [...previous, value];

/** Options of every command that reads the configuration. */
function withConfig(command: Command): Command {
  return command.option('--config <file>', 'configuration file (default /etc/peerboot/config.json)');
}

/** Flags of `up` that `config show` and `doctor` understand too, so that they judge what `up` would do. */
function withPeerFlags(command: Command): Command {
  return withConfig(command)
    .option('--interface <name>', 'answer on this network interface (repeatable; default: all)', several)
    .option('--root <file>', "the publisher's root.json, against which the catalogue is checked")
    .option('--state <dir>', 'folder for chunks, catalogue and assignments')
    .option('--assets <dir>', 'folder with NBPs, kernel and agent')
    .option('--assign <words...>', "machine and image: --assign '*' debian-12, or '*=debian-12' (repeatable)")
    .option('--allow-non-blank', 'let --assign overwrite disks that are not blank')
    .option('--site <label>', "label of this site (default: the host's name)")
    .option('--http-port <port>', 'TCP port for boot files and content', Number)
    .addOption(
      new Option('--quota <size>', 'how much the chunk store may hold, e.g. 20G').argParser(sizeOrText),
    )
    .addOption(
      new Option('--log-level <level>', 'least level that is logged').choices([
        'debug',
        'info',
        'warn',
        'error',
      ]),
    )
    .option('--observe', 'print what would be answered, send nothing')
    .option('--json', 'JSON lines also on a terminal');
}

function withOrigins(command: Command): Command {
  return command.option('--origin <url>', 'fetch images from here (repeatable, tried in order)', several);
}

/** What is no size stays text, so that the configuration's check names the key. */
const sizeOrText = (text: string): number | string => parseSize(text) ?? text;

export function buildProgram(setStatus: (status: number) => void): Command {
  const program = new Command('peerboot')
    .description('Images bare machines over the network from ordinary endpoints.')
    .version(version())
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(colours.red(text)) })
    .showHelpAfterError('Try `peerboot help`.');

  withOrigins(withPeerFlags(program.command('up')))
    .description('answer PXE clients and serve images on this endpoint')
    .action(async (options) => setStatus(await (await import('./up.ts')).up(options, version())));

  const config = program.command('config').description('what this endpoint is told to do');
  withPeerFlags(config.command('show').description('print every value of the configuration'))
    .option('--origin', 'and where each value came from')
    .action(async ({ origin, ...options }) => (await import('./config-show.ts')).configShow(options, origin));
  return program;
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
