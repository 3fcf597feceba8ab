// The peer's id in its state folder: made at the first start, kept from then on.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fromText, toHex, toText } from '../base/bytes.ts';
import type { PeerId } from '../swarm/site.ts';
import { readIfThere, writeDurably } from './state-folder.ts';

const PEER_ID = /^[0-9a-f]{16}$/;

/** The id that is kept there, or a new one, kept. What is no id (a damaged file) is replaced: an id is nothing to mourn. */
export function loadPeerId(stateFolder: string): PeerId {
  const kept = toText(readIfThere(fileOf(stateFolder)) ?? new Uint8Array(0)).trim();
  if (PEER_ID.test(kept)) return kept;
  const id = toHex(randomBytes(8));
  keepPeerId(stateFolder, id);
  return id;
}

export function keepPeerId(stateFolder: string, id: PeerId): void {
  writeDurably(fileOf(stateFolder), fromText(`${id}\n`));
}

function fileOf(stateFolder: string): string {
  return join(stateFolder, 'peer-id');
}
