// The lab's front door: opens a store (network, DHCP server, CDN, witness), keeps evidence of a failure, cleans up.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createStoreNetwork, type StoreNetwork } from './network.ts';
import { type Cdn, type CdnOptions, startCapture, startCdn, startDhcpServer } from './parts.ts';
import { type Peer, type PeerOptions, startPeer } from './peer.ts';
import { powerOn, type Target, type TargetOptions } from './target.ts';

export const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url));

export interface Lab {
  readonly folder: string;
  readonly network: StoreNetwork;
  startCdn(tree: string, options?: CdnOptions): Promise<Cdn>;
  startPeer(options: Omit<PeerOptions, 'state'> & { readonly state?: string }): Promise<Peer>;
  powerOn(options: Omit<TargetOptions, 'disk'> & { readonly disk?: string }): Promise<Target>;
  /** Says that the run failed: logs, serial output, capture and a screenshot of each target stay in `folder`. */
  keepEvidence(): Promise<void>;
  close(): Promise<void>;
}

type Closer = () => Promise<unknown>;

export interface LabOptions {
  /** Without it nobody gives addresses but a peer that is told to. */
  readonly dhcpServer?: boolean;
}

export async function openLab(options: LabOptions = {}): Promise<Lab> {
  const network = await createStoreNetwork();
  const folder = join(CACHE, 'lab', network.id);
  mkdirSync(folder, { recursive: true });
  const closers: Closer[] = [() => network.remove()];
  const targets: Target[] = [];
  let keep = false;
  let closing: Promise<void> | undefined;

  const closeAll = async () => {
    for (const close of closers.reverse()) await close().catch((error) => console.error(String(error)));
    if (!keep) rmSync(folder, { recursive: true, force: true });
  };
  const close = () => {
    closing ??= closeAll();
    return closing;
  };

  try {
    if (options.dhcpServer !== false) {
      const dhcpServer = await startDhcpServer(network, folder);
      closers.push(() => dhcpServer.stop());
    }
    const capture = startCapture(network, folder);
    closers.push(() => capture.stop());
  } catch (error) {
    await close();
    throw error;
  }

  return {
    folder,
    network,
    async startCdn(tree, options) {
      const cdn = await startCdn(network, folder, tree, options);
      closers.push(() => cdn.stop());
      return cdn;
    },
    async startPeer(options) {
      const peer = await startPeer(network, folder, { state: join(folder, 'state'), ...options });
      closers.push(() => peer.stop());
      return peer;
    },
    async powerOn(options) {
      const target = await powerOn(network, folder, {
        disk: join(folder, `${options.name}.raw`),
        ...options,
      });
      targets.push(target);
      closers.push(() => target.stop());
      return target;
    },
    async keepEvidence() {
      keep = true;
      for (const target of targets) {
        await target
          .screenshot(join(folder, `${target.name}.png`))
          .catch((error) => console.error(String(error)));
      }
    },
    close,
  };
}

/** One emulated machine from power-on to whatever the case waits for, where four share two cores. */
const CASE_LIMIT_MS = 480_000;

/**
 * Runs `body` in a lab of its own; whatever happens, the lab is closed, and a failure says where its evidence lies.
 * The limit ends a case before the test runner does, which would leave machines running.
 */
export async function withLab<T>(
  body: (lab: Lab) => Promise<T>,
  limitMs: number = CASE_LIMIT_MS,
  options: LabOptions = {},
): Promise<T> {
  const lab = await openLab(options);
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the case did not end within ${limitMs / 1000} s`)), limitMs);
  });
  try {
    return await Promise.race([body(lab), tooLate]);
  } catch (error) {
    await lab.keepEvidence();
    throw new Error(`${error instanceof Error ? error.message : String(error)}\nevidence: ${lab.folder}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    await lab.close();
  }
}
