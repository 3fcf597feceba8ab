// `peerboot catalogue refresh`: signs a published catalogue anew, so that stores can see that it is still the newest.
import { openTrustWriter } from '../io/trust-writer.ts';
import { colours, printJson } from './terminal.ts';

export interface RefreshOptions {
  readonly to: string;
  readonly keys: string;
  readonly graceDays?: number;
  readonly json?: boolean;
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
