// The words of the command line; each command's code is loaded only when it is the one that runs.
import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { CHAIN_WORDS } from '../boot/chain.ts';
import { DIALECTS } from '../boot/quirks.ts';
import { CONTENT_KINDS } from '../chunk/names.ts';
import { parseSize } from '../io/config-words.ts';
import { FIRMWARE_NAMES } from '../sim/firmware/names.ts';
import { addBootAssetsCommands } from './boot-assets-commands.ts';
import { fetchCommand, verifyCommand } from './fetch.ts';
import { addMachineCommands } from './machine-commands.ts';
import { publishCommand } from './publish.ts';
import { addSiteCommands } from './site-commands.ts';
import { colours } from './terminal.ts';

const several = (value: string, previous: string[] = []) => [...previous, value];

/** What is no size stays text, so that the configuration's check names the key. */
const sizeOrText = (text: string): number | string => parseSize(text) ?? text;

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
    .addOption(new Option('--chain <chain>', 'way from the firmware to the agent').choices(CHAIN_WORDS))
    .addOption(
      new Option(
        '--dhcp <mode>',
        'proxy beside the DHCP server of the network, or full: give addresses, too',
      ).choices(['proxy', 'full']),
    )
    .option('--dhcp-range <first-last>', 'addresses that --dhcp full gives')
    .option('--site <label>', 'label of this site (default: its subnet)')
    .option('--site-port <port>', 'TCP and UDP port for the peers of the site', Number)
    .option('--tag <word>', 'what this peer is for, e.g. boot-host (repeatable)', several)
    .option('--strategy <name>', 'how images travel in the site: auto, line or swarm')
    .option('--peer <address>', 'a peer of this site that multicast does not reach (repeatable)', several)
    .option('--parent <url>', 'a peer of the parent office, asked before the origins (repeatable)', several)
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
    .addOption(
      new Option(
        '--unknown <rule>',
        'what a machine without an assignment does: boot its own disk, or wait',
      ).choices(['local', 'wait']),
    )
    .option('--menu', 'show a menu on machines that would boot their own disks')
    .option('--observe', 'print what would be answered, send nothing')
    .option('--json', 'JSON lines also on a terminal');
}

function withOrigins(command: Command): Command {
  return command.option('--origin <url>', 'fetch images from here (repeatable, tried in order)', several);
}

/** Flags of the commands that talk to a running peer. */
function withPeer(command: Command): Command {
  return withConfig(command)
    .option('--peer <url>', 'the peer to talk to (default: the one on this machine)')
    .option('--http-port <port>', 'its port, when it is on this machine', Number)
    .option('--json', 'JSON for programs');
}

/** Flags of the commands that sign. */
function withTree(command: Command): Command {
  return command
    .requiredOption('--to <dir>', 'the published tree')
    .requiredOption('--keys <dir>', 'the folder of keys')
    .option('--json', 'JSON for programs');
}

export function buildProgram(setStatus: (status: number) => void): Command {
  const program = new Command('peerboot')
    .description('Images bare machines over the network from ordinary endpoints.')
    .version(version())
    // `publish` has a --version of its own.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(colours.red(text)) });

  withOrigins(withPeerFlags(program.command('up')))
    .description('answer PXE clients and serve images on this endpoint')
    .action(async (options) => setStatus(await (await import('./up.ts')).up(options, version())));
  withOrigins(withPeerFlags(program.command('doctor')))
    .description('can this endpoint answer PXE now? or: what went wrong in a capture?')
    .option('--replay <file>', 'judge the boot attempts in this capture (pcap, pcapng) instead')
    .option(
      '--probe',
      'ask the network as booting machines would, and show who answers what; changes nothing',
    )
    .option('--listen <seconds>', 'with --probe: how long offers may take (default 3.6)', Number)
    .action(async (options) => setStatus(await (await import('./doctor.ts')).doctor(options)));

  addMachineCommands(program, withPeer, setStatus);
  withOrigins(withPeer(program.command('images')))
    .description('the catalogue of the running peer, or with --origin of an origin')
    .option('--root <file>', "the publisher's root.json")
    .option('--state <dir>', 'folder where the root is remembered')
    .addOption(new Option('--kind <kind>', 'only these').choices(CONTENT_KINDS))
    .action(async (options) => (await import('./images.ts')).images(options));

  addSiteCommands(program, withPeer, setStatus);
  for (const command of [publishCommand(), fetchCommand(), verifyCommand()]) {
    program.addCommand(command.copyInheritedSettings(program));
  }
  const catalogue = program.command('catalogue').description('the signed catalogue of a published tree');
  withTree(catalogue.command('refresh'))
    .description('sign it anew before it expires (30 days); a timer should do it every week')
    .option('--grace-days <days>', 'how long stores may use a held catalogue after its expiry', Number)
    .action(async (options) => (await import('./catalogue.ts')).refreshCatalogue(options));
  withTree(catalogue.command('rotate-keys'))
    .description('make new keys for all roles but the root, e.g. after a key may have been seen')
    .action(async (options) => (await import('./catalogue.ts')).rotateKeys(options));

  program
    .command('simulate-client')
    .description(
      'emulated machines boot from the real network: what would happen, and how fast (Linux, root)',
    )
    .addOption(new Option('--firmware <name>', 'what they boot with').choices(FIRMWARE_NAMES).default('ipxe'))
    .addOption(
      new Option(
        '--takes-only <dialect>',
        "a vendor's build of edk2 or bios that refuses other offers",
      ).choices(DIALECTS),
    )
    .option('--count <n>', 'how many at once', Number, 1)
    .option('--interface <name>', 'on which network (default: the first with an address)')
    .option('--mac-prefix <bytes>', 'the first three bytes of their MACs', '52:54:77')
    .addOption(
      new Option('--until <stage>', 'have the script, or fetch kernel and initramfs too')
        .choices(['script', 'agent'])
        .default('script'),
    )
    .option('--within <seconds>', 'switched on evenly over this time', Number, 0)
    .option('--timeout <seconds>', 'for all of them', Number, 180)
    .option('--json', 'JSON for programs')
    .action(async (options) =>
      setStatus(await (await import('./simulate-client.ts')).simulateClient(options)),
    );
  addBootAssetsCommands(program, setStatus);

  const config = program.command('config').description('what this endpoint is told to do');
  withPeerFlags(config.command('show').description('print every value of the configuration'))
    .option('--origin', 'and where each value came from')
    .action(async ({ origin, ...options }) => (await import('./config-show.ts')).configShow(options, origin));
  program
    .command('demo')
    .description('image a virtual machine in a small store network (from a checkout, as root)')
    .argument('[words...]', 'flags of the demo')
    .allowUnknownOption()
    .helpOption(false)
    .action(async (words) => setStatus(await (await import('./demo.ts')).demo(words)));
  hintAtHelp(program, 'peerboot');
  return program;
}

/** After a mistake each command points to its own help, not to the list of all. */
function hintAtHelp(command: Command, words: string): void {
  command.showHelpAfterError(`Try \`${words} --help\`.`);
  for (const one of command.commands) hintAtHelp(one, `${words} ${one.name()}`);
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
