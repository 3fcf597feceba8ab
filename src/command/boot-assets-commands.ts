// The words of `peerboot boot-assets`.
import type { Command } from 'commander';

export function addBootAssetsCommands(program: Command, setStatus: (status: number) => void): void {
  const group = program
    .command('boot-assets')
    .description('NBPs, kernel and agent that machines load by network');
  const withFolder = (command: Command) =>
    command
      .option('--config <file>', 'configuration file (default /etc/peerboot/config.json)')
      .option('--assets <dir>', 'the folder (default: the one that `peerboot up` takes)')
      .option('--json', 'JSON for programs');
  withFolder(group.command('list'))
    .description('every file, where it came from, and whether it is signed')
    .action(async (options) => (await import('./boot-assets.ts')).listBootAssets(options));
  withFolder(group.command('verify'))
    .description('is every file what it was when it was built or signed?')
    .action(async (options) => setStatus((await import('./boot-assets.ts')).verifyBootAssets(options)));
  withFolder(group.command('sign'))
    .description('sign the agent for machines with Secure Boot (docs/secure-boot.md)')
    .requiredOption('--key <file>', 'the key, PEM; it is read by the signing tool alone')
    .requiredOption('--cert <file>', 'its certificate, PEM')
    .option('--out <dir>', 'a copy of the folder with the signed agent (default: beside the unsigned one)')
    .action(async (options) => (await import('./boot-assets.ts')).signBootAssets(options));
}
