// The roof of the command line: `peerboot <command>` from words to exit status.
import { buildProgram } from './command/program.ts';
import { exitStatusOf, reportError } from './command/terminal.ts';

/** Runs one command and resolves with the exit status; `args` are the words after `peerboot`. */
export async function main(args: readonly string[]): Promise<number> {
  let status = 0;
  // Whoever reads our output (`| head`) has had enough: that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  const program = buildProgram((code) => {
    status = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    reportError(error, args.includes('--json'));
    return exitStatusOf(error);
  }
}
