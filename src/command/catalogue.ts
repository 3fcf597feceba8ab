// `peerboot catalogue refresh` and `rotate-keys`: sign a published catalogue anew, so that stores see it is the newest.
import { replaceOnlineKeys } from '../io/trust-keys.ts';
import { openTrustWriter } from '../io/trust-writer.ts';
import { colours, printJson } from './terminal.ts';

export interface RefreshOptions {
  readonly to: string;
  readonly keys: string;
  readonly graceDays?: number;
  readonly json?: boolean;
}

/** New keys for targets, snapshot and timestamp, vouched for by the root key, which stays: pinned roots stay good. */
export async function rotateKeys(options: RefreshOptions): Promise<void> {
  // Opened first: a wrong folder or a tree of other keys is refused before anything is replaced.
  await openTrustWriter({ tree: options.to, keysFolder: options.keys, wallMs: Date.now });
  replaceOnlineKeys(options.keys);
  await refreshCatalogue(options);
}

export async function refreshCatalogue(options: RefreshOptions): Promise<void> {
  const writer = await openTrustWriter({ tree: options.to, keysFolder: options.keys, wallMs: Date.now });
  const { versions, expiresMs } = await writer.commit({ renew: true, graceDays: options.graceDays });
  const until = new Date(expiresMs).toISOString().slice(0, 10);
  if (options.json === true) printJson({ ok: true, versions, expires: until, root: writer.rootFingerprint });
  else {
    console.log(
      `${colours.green('✔')} catalogue ${versions.timestamp} is good until ${until}: copy timestamp.json last`,
    );
    console.log(colours.dim(`  root ${writer.rootFingerprint} (${writer.rootFile})`));
  }
}
