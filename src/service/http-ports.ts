// What the HTTP service needs from the other services: content, catalogue, plain figures for the metrics.
import type { CatalogueBootEntry, CatalogueImage, CataloguePackage } from '../api/catalogue.ts';
import type { OpenChunk, Wanted } from '../chunk/ports.ts';

/** Stored bytes by digest: chunks, manifests and tables alike. */
export interface ContentForHttp {
  /**
   * From the chunk store, else fetched from a source, proved either way. Rejects with PB-CHUNK-MISSING (404),
   * PB-CHUNK-CORRUPT or PB-SOURCE-FAILED (502).
   */
  open(wanted: Wanted): Promise<OpenChunk>;
}

export interface CatalogueState {
  /** `valid`; `held`: expired or not to be renewed, the last good one stays in force; `none`: never had one. */
  readonly state: 'valid' | 'held' | 'none';
  readonly reason?: string | undefined;
}

export interface CatalogueForHttp {
  /** Images of the catalogue in force. */
  images(): readonly CatalogueImage[];
  packages(): readonly CataloguePackage[];
  bootEntries(): readonly CatalogueBootEntry[];
  state(): CatalogueState;
  /** A file of the metadata in force, e.g. `timestamp.json`; undefined when there is none of that name. */
  file(name: string): Promise<Uint8Array | undefined>;
}

/** A counter's value with its labels. */
export interface Count {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Plain figures of the other services, read when somebody asks for the metrics. */
export interface StatsSuppliers {
  /** Labels: `source`, `purpose`. Bytes that came from beyond the site. */
  readonly wanBytes?: () => readonly Count[];
  /** Labels: `outcome`, `reason`. */
  readonly dhcpPackets?: () => readonly Count[];
  /** Labels: `outcome`. */
  readonly tftpTransfers?: () => readonly Count[];
  /** Labels: `verdict`. */
  readonly bootAttempts?: () => readonly Count[];
}
