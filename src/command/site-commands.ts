// The commands about a site and what its peers are told; each one's code is loaded only when it runs.
import { type Command, Option } from 'commander';

const several = (value: string, previous: string[] = []) => [...previous, value];

/** `withPeer` adds the flags of commands that talk to a running peer. */
export function addSiteCommands(
  program: Command,
  withPeer: (command: Command) => Command,
  setStatus: (status: number) => void,
): void {
  const everywhere = (command: Command) =>
    withPeer(command).option('--everywhere', 'every live peer of the site (needs the admin token)');

  withPeer(program.command('site'))
    .description('who feeds whom, how fast, and what crossed the WAN; live on a terminal')
    .option('--watch', 'go on showing changes (the default on a terminal)')
    .option('--no-watch', 'show once')
    .action(async (options) => (await import('./site.ts')).site(options));
  withPeer(program.command('ledger'))
    .description('WAN bytes of this peer, by day, image and purpose')
    .addOption(
      new Option('--by <column>', 'add up by this alone').choices(['day', 'source', 'purpose', 'title']),
    )
    .action(async (options) => (await import('./site.ts')).ledger(options));

  everywhere(program.command('pause'))
    .description('fetch nothing, or not this image; what is held is still served')
    .argument('[image]', 'name or name@version; without one: everything')
    .action(async (image, options) => setStatus(await (await import('./control.ts')).pause(image, options)));
  everywhere(program.command('resume'))
    .description('go on where it was paused')
    .argument('[image]', 'name or name@version; without one: everything that was paused')
    .action(async (image, options) => setStatus(await (await import('./control.ts')).resume(image, options)));
  everywhere(program.command('priority'))
    .description('what goes first over the WAN')
    .argument('<image>', "name or name@version; 'all' for images without a priority of their own")
    .argument('<priority>', 'high, normal or low')
    .action(async (image, value, options) =>
      setStatus(await (await import('./control.ts')).priority(image, value, options)),
    );
  everywhere(program.command('limit'))
    .description('bytes per second: over the WAN for the whole site, and what a peer sends on the LAN')
    .option('--wan <rate>', 'e.g. 500K, 2M, or none')
    .option('--lan <rate>', 'e.g. 50M, or none')
    .action(async (options) => setStatus(await (await import('./control.ts')).limit(options)));

  for (const [name, means] of [
    ['tag', 'say what a peer is for; a boot-host answers machines that boot from the network'],
    ['untag', 'take the tag back, also one of its configuration'],
  ] as const) {
    withPeer(program.command(name))
      .description(means)
      .argument('<peer>', "its name, address or id, a name with *, or tag:<word>; '*' for all of the site")
      .argument('<tag>', 'e.g. boot-host, wan:prefer, wan:forbid')
      .action(async (who, word, options) =>
        setStatus(await (await import('./control.ts'))[name](who, word, options)),
      );
  }

  withPeer(program.command('preseed'))
    .description('have the site hold an image ahead of time')
    .argument('<image>', 'name or name@version')
    .option('--sites <url>', 'a peer of another site, which is asked for its own (repeatable)', several)
    .option('--here', 'tell this peer alone')
    .option('--replicas <n>', 'copies in the site (default 2)', Number)
    .option('--undo', 'it need not be held any more')
    .option('--wait', 'until it is held (the default on a terminal)')
    .option('--no-wait', 'only ask')
    .action(async (image, options) =>
      setStatus(await (await import('./preseed.ts')).preseed(image, options)),
    );
  withPeer(program.command('evict'))
    .description('give up what this peer holds of an image')
    .argument('<image>', 'name or name@version')
    .option('--last-copy', 'even if no other peer of the site holds it')
    .action(async (image, options) => (await import('./preseed.ts')).evict(image, options));
}
