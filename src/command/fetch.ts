// The words of `peerboot fetch` and `peerboot verify`; what they do is loaded only when they run.
import { Command, InvalidArgumentError } from 'commander';
import type { FetchFlags } from './fetch-package.ts';

const several = (value: string, previous: string[] = []) => [...previous, value];

export function fetchCommand(): Command {
  return new Command('fetch')
    .description('fetch a package to this endpoint: from the peers of the site, else over the WAN')
    .argument('<package>', 'name (its newest version) or name@version')
    .argument('<path>', 'what it shall become: a file or folder')
    .option('--replace', 'what lies there may be replaced')
    .option('--config <file>', 'configuration file (default /etc/peerboot/config.json)')
    .option('--root <file>', "the publisher's root.json, against which the catalogue is checked")
    .option('--state <dir>', 'folder where the root and the last good catalogue are remembered')
    .option('--source <url>', 'a parent office, asked before the origins (repeatable)', several)
    .option('--origin <url>', 'where packages come from (repeatable, tried in order)', several)
    .option('--site <label>', 'only with peers of this label (default: of this subnet)')
    .option(
      '--interface <name>',
      'look for peers on this network interface (repeatable; default: all)',
      several,
    )
    .option('--site-port <port>', 'port for lines and beacons, 0 for any free one', parsePort, 0)
    .option('--peer <address[:port]>', 'a peer that multicast does not reach (repeatable)', several)
    .option('--no-peers', 'fetch from the sources alone, and feed nobody')
    .option(
      '--keep-serving <seconds>',
      'go on feeding others for so long when done (default: while somebody needs it, 30 s at most)',
      parseSeconds,
    )
    .option('--patience <seconds>', 'give up after so long without a chunk', parseSeconds, 300)
    .option('--json', 'JSON lines: started, attached, progress, done with the receipt')
    .action(async (reference: string, path: string, flags: FetchFlags) => {
      await (await import('./fetch-package.ts')).fetchCommandOf(reference, path, flags);
    });
}

export function verifyCommand(): Command {
  return new Command('verify')
    .description('is a fetched package still what its receipt says?')
    .argument('<path>', 'as it was given to fetch')
    .option('--json', 'JSON for programs')
    .action(async (path: string, flags: { readonly json?: boolean }) => {
      await (await import('./fetch-verify.ts')).verify(path, flags);
    });
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port < 65_536) return port;
  throw new InvalidArgumentError('It is a port, 0 to 65535.');
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== '' && seconds >= 0 && seconds < 1e6) return seconds;
  throw new InvalidArgumentError('It is a number of seconds.');
}
