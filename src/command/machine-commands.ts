// The commands about machines: who is there, what each shall get, who may be imaged; each one's code is loaded when it runs.
import { type Command, Option } from 'commander';

/** `withPeer` adds the flags of commands that talk to a running peer. */
export function addMachineCommands(
  program: Command,
  withPeer: (command: Command) => Command,
  setStatus: (status: number) => void,
): void {
  const machines = withPeer(program.command('machines'));
  machines
    .description('every machine and how far it is, live on a terminal')
    .option('--waiting', 'only those that wait to be approved, with their codes')
    .option('--watch', 'go on showing changes (the default on a terminal)')
    .option('--no-watch', 'show once')
    .action(async (options) => (await import('./machines.ts')).machines(options));
  withPeer(machines.command('show'))
    .description('all that is known of one machine, and how its last boot went')
    .argument('<name>', 'its id, MAC, UUID or serial')
    .action(async (name, options) => (await import('./machines-show.ts')).machinesShow(name, options));

  withPeer(machines.command('dialects'))
    .description('what the peer has learnt of firmwares: how each make is answered, who has Secure Boot on')
    .option('--forget <which>', "a fingerprint or a MAC as shown, or 'all': begin again with the rules")
    .action(async (options) => (await import('./machines-dialects.ts')).machinesDialects(options));

  const overwriting = (command: Command) =>
    command
      .option('--allow-non-blank', 'the disk may be overwritten although it is not blank')
      .option('--disk <name>', 'kernel name, model or serial of the disk, when there are several')
      .option('--name <template>', "what the machine is called, e.g. 'till-{store}-{nn}'");

  const assign = withPeer(program.command('assign'));
  overwriting(assign)
    .description('give machines an image, or their own disks')
    .argument(
      '[machine]',
      "an id, MAC, UUID or serial, tag:<word>, or '*' for every machine without one of its own",
    )
    .argument(
      '[image]',
      "name, name@version, 'local' for the machine's own disk, or 'boot:<name>' for one start of a boot entry",
    )
    .option('--csv <file>', 'a list of machines instead: columns serial, image, name, tags')
    .option('--again', 'also machines that another boot host of the site has imaged')
    .option('--everywhere', 'tell every boot host of the site (needs the admin token)')
    .action(async (machine, image, options) => {
      const { assign: one, assignList } = await import('./assign.ts');
      if (options.csv !== undefined && machine === undefined) return assignList(options.csv, options);
      if (image === undefined || options.csv !== undefined) {
        assign.error('error: name a machine and an image, or give a list with --csv');
      }
      setStatus(await one(machine, image, options));
    });
  withPeer(program.command('unassign'))
    .description('take back what was assigned')
    .argument('<machine>', 'as it was given to assign')
    .action(async (machine, options) => (await import('./assign.ts')).unassign(machine, options));

  withPeer(program.command('menu'))
    .description('what a machine would see on its screen, and what is left out and why')
    .option('--machine <name>', 'its id, MAC, UUID or serial (default: one that nobody knows)')
    .addOption(
      new Option('--firmware <name>', 'what it boots with')
        .choices(['bios', 'uefi', 'uefi-x64', 'uefi-arm64'])
        .default('uefi'),
    )
    .action(async (options) => (await import('./menu.ts')).menu(options));

  overwriting(withPeer(program.command('approve')))
    .description('let a machine be imaged that waits with a code on its screen')
    .argument('<code>', 'the eight letters on its screen: compare its serial, too')
    .option(
      '--image <image>',
      'name or name@version (default: the one chosen on its screen, or the only one there is)',
    )
    .action(async (code, options) => (await import('./approve.ts')).approve(code, options));
  withPeer(program.command('deny'))
    .description('send a machine that waits to its own disk')
    .argument('<code>', 'the eight letters on its screen')
    .action(async (code, options) => (await import('./approve.ts')).deny(code, options));
  withPeer(program.command('pin'))
    .description('a one-time PIN with which a phone approves machines')
    .option('--uses <n>', 'machines that it is good for', Number, 1)
    .option('--minutes <n>', 'how long', Number, 15)
    .action(async (options) => (await import('./approve.ts')).pin(options));
  withPeer(program.command('forget'))
    .description('forget a machine that is gone, also what it was imaged with')
    .argument('<machine>', 'its id, MAC, UUID or serial')
    .action(async (machine, options) => (await import('./approve.ts')).forget(machine, options));
}
