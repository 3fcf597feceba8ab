// `peerboot up`: starts the peer, says what it serves, and runs until it is told to stop.
import type { Log } from '../base/log.ts';
import type { Config } from '../io/config-keys.ts';
import { createLog } from '../io/log.ts';
import { giveBackMemory } from '../io/spare-memory.ts';
import { configOf, type PeerOptions } from './flags.ts';
import { friendlyLog, greet } from './friendly.ts';
import { type Peer, siteTitle, startPeer } from './peer.ts';
import { EXIT } from './terminal.ts';

/** A stop that takes longer is cut short: a supervisor would kill us anyway. */
const STOP_MS = 10_000;

/** Resolves with the exit status once SIGTERM or SIGINT has ended the peer; a second signal ends it at once. */
export async function up(options: PeerOptions, version: string): Promise<number> {
  const { config } = configOf(options);
  const friendly = process.stdout.isTTY === true && !config.json;
  const log = friendly ? friendlyLog(config.logLevel) : createLog({ level: config.logLevel });
  const stopped = nextSignal();
  const peer = await startPeer(config, version, log);
  giveBackMemory();
  sayReady(peer, config, friendly, log);
  const signal = await stopped;
  log.info({ signal }, 'peerboot stopping');
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  setTimeout(() => {
    log.error({ afterMs: STOP_MS }, 'peerboot did not stop in time');
    process.exit(EXIT.failed);
  }, STOP_MS).unref();
  await peer.stop();
  log.info({}, 'peerboot stopped');
  return EXIT.ok;
}

/** Listened for before the start, so that a signal during it is not the default action's: the start ends, then we do. */
function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}

function sayReady(peer: Peer, config: Config, friendly: boolean, log: Log): void {
  const interfaces = peer.interfaces.map(({ name, address }) => ({ name, address }));
  const images = peer.catalogue.images().map(({ name, version }) => `${name}@${version}`);
  if (friendly) console.log(greet(peer, config));
  else
    log.info(
      { httpPort: peer.httpPort, interfaces, site: siteTitle(config, peer.interfaces), images },
      'peerboot ready',
    );
}
