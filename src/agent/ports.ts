// What the agent needs of the machine it runs on and of the world: its adapters are handed in by the roof.
import type { CheckIn, CheckInAnswer, ProgressAnswer, ProgressReport } from '../api/agent.ts';
import type { CatalogueImage } from '../api/catalogue.ts';
import type { DiskFacts } from '../api/identity.ts';
import type { Log } from '../base/log.ts';
import type { Clock, Timers } from '../base/time.ts';
import type { ChunkSource, FileSource } from '../chunk/ports.ts';
import type { GptPartition } from '../imaging/layout.ts';
import type { TargetDisk } from '../imaging/target-disk.ts';
import type { JoinOptions, Line } from '../swarm/node-ports.ts';
import type { PeerId } from '../swarm/site.ts';
import type { ScreenState } from './screen.ts';

export interface AgentPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly machine: MachinePort;
  readonly network: NetworkPort;
  readonly peer: PeerPort;
  readonly content: ContentPort;
  readonly site: SitePort;
  readonly screen: ScreenPort;
}

export interface Address {
  readonly nic: string;
  readonly mac: string;
  /** With its prefix length: `10.77.0.100/24`. */
  readonly ipv4: string;
}

export interface NetworkPort {
  /** Resolves with the first address that any card gets, however long that takes; `note` hears what it waits for. */
  up(note: (why: string) => void): Promise<Address>;
}

/** What the machine is, but for what only the agent knows. */
export type MachineFacts = Omit<CheckIn, 'apiVersion' | 'bootId' | 'wallMs'>;

export interface MachinePort {
  facts(): MachineFacts;
  /** Stored bytes of chunks that may stay in memory for others. */
  readonly feedingMemoryBytes: number;
  /** Rejects with PB-DISK-BUSY, PB-DISK-WRITE. */
  openDisk(disk: DiskFacts): TargetDisk;
  /** First in the firmware's order of boot entries; nothing to do on BIOS. Rejects when the firmware refuses. */
  setBootEntry(description: string, system: GptPartition): Promise<void>;
  leave(how: 'reboot' | 'power-off'): Promise<void>;
}

export interface PeerPort {
  /** `http://ip:port`, for the screen. */
  readonly base: string;
  /** Both reject with PB-PEER-SILENT. */
  checkIn(checkIn: CheckIn): Promise<CheckInAnswer>;
  report(report: ProgressReport): Promise<ProgressAnswer>;
}

export type Source = ChunkSource & FileSource & { close(): Promise<void> };

export interface ContentPort {
  /** The peer's own content and these bases, in order, behind one port; `served` hears who brought each chunk. */
  open(bases: readonly string[], served: (source: string) => void): Source;
  /** Images of the catalogue, proved against the pinned root; rejects with PB-TRUST-… */
  images(source: FileSource): Promise<readonly CatalogueImage[]>;
  unpack(stored: Uint8Array, plainBytes: number): Promise<Uint8Array>;
}

export type Swarm = NonNullable<CheckInAnswer['swarm']>;

/** The peers around this machine, among whom it is one itself. */
export interface SitePort {
  /** Begins to look for them, once; `wan`: has this machine a way out of its own? What goes wrong is logged, and only means that no line can be joined. */
  open(swarm: Swarm, able: { readonly wan: boolean }): void;
  /** This machine's place in the line of an image; undefined when there is none to be had. Never rejects. */
  join(options: JoinOptions): Promise<Line | undefined>;
  /** `10.77.0.12 (target)`, for the screen. */
  nameOf(peer: PeerId): string;
  /** Bytes of chunks that came and that were sent to others, by lines that have not been left. */
  traffic(): { readonly received: number; readonly sent: number };
  /** Says goodbye. Never rejects. */
  close(): Promise<void>;
}

export interface ScreenPort {
  show(state: ScreenState): void;
}
