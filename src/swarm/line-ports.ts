// The machine of one image on one node: its events and actions, the same for service and simulator, line and mesh.
import type { Machine } from '../base/machine.ts';
import type { ChunkForm, FeederMessage, FollowerMessage } from './line-messages.ts';
import type { PeerId, PeerRef, PeerRole } from './site.ts';

/** Chunks are called by their row in the image's chunk table. Their bytes never come here. */
export type Row = number;

/** Where a chunk is fetched from: a feeder, or over the WAN by ourselves (parent, then origins). */
export type SourceId = PeerId | 'wan';

/** A live peer of the site as far as this image is concerned. */
export interface LinePeer extends PeerRef {
  readonly role: PeerRole;
  /** Chunks of this image that it announces; 0 when none. A hint. */
  readonly held: number;
  readonly freeUplinkBytesPerSecond: number;
  /** May serve: not leaving, paused, on battery, … */
  readonly fit: boolean;
  /** Is fetching this image over the WAN, as it announces. */
  readonly crosses?: boolean;
}

export type FetchFailure = 'missing' | 'corrupt' | 'broken' | 'stalled' | 'refused';

export type LineEvent =
  | { readonly kind: 'wake' }
  /** Who is there, and who crosses the WAN for this image: at the start and on every change. */
  | { readonly kind: 'site'; readonly peers: readonly LinePeer[]; readonly designated: PeerId | undefined }
  /** Somebody on this node (imaging, replica, package) wants the chunk; lower rows come first. */
  | { readonly kind: 'want'; readonly row: Row }
  | { readonly kind: 'unwant'; readonly row: Row }
  /** All of it has come, is proved, and can be served from memory from now on. */
  | { readonly kind: 'arrived'; readonly row: Row; readonly from: SourceId; readonly bytes: number }
  /** Bytes of an unfinished chunk came: said at most every 100 ms a source, so that a slow chunk is not taken for a stall. */
  | { readonly kind: 'bytes'; readonly from: SourceId; readonly bytes: number }
  | {
      readonly kind: 'failed';
      readonly row: Row;
      readonly from: SourceId;
      readonly why: FetchFailure;
      readonly what: string;
    }
  /** No longer to be had from this node (evicted, unreadable). */
  | { readonly kind: 'gone'; readonly row: Row }
  /** Feeders: those that we have dialled. */
  | { readonly kind: 'feeder-open'; readonly feeder: PeerId }
  | { readonly kind: 'feeder-says'; readonly feeder: PeerId; readonly message: FeederMessage }
  /** Could not be dialled, closed, reset, or spoke nonsense: all that was asked of it will not come. */
  | { readonly kind: 'feeder-lost'; readonly feeder: PeerId; readonly why: string }
  /** Followers: those that have dialled us. The first of each is an attach or a join. */
  | { readonly kind: 'follower-says'; readonly follower: PeerRef; readonly message: FollowerMessage }
  | { readonly kind: 'follower-wants'; readonly follower: PeerId; readonly row: Row }
  | { readonly kind: 'follower-unwants'; readonly follower: PeerId; readonly row: Row }
  /** The last byte of a chunk has left for this follower. */
  | { readonly kind: 'served'; readonly follower: PeerId; readonly row: Row; readonly bytes: number }
  | { readonly kind: 'follower-lost'; readonly follower: PeerId }
  /** Fetch nothing until resumed; what is held is still served. */
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  /** About to end: hand the followers on to our feeder, take no new ones. */
  | { readonly kind: 'leave' };

export type LineNote =
  | 'attached'
  | 'moved'
  | 'healed'
  | 'went-round'
  | 'crossing-wan'
  | 'left-wan'
  | 'feeder-set-aside'
  | 'feeder-banned'
  | 'follower-came'
  | 'follower-moved'
  | 'follower-refused'
  | 'uplink-slow'
  | 'complete';

export type LineAction =
  /** Connect; the answer is feeder-open or feeder-lost. */
  | { readonly kind: 'dial'; readonly to: PeerRef }
  | { readonly kind: 'hang-up'; readonly feeder: PeerId }
  | { readonly kind: 'tell-feeder'; readonly feeder: PeerId; readonly message: FollowerMessage }
  /** Ask for the chunk from the byte on that the driver still needs; answered by arrived or failed. */
  | { readonly kind: 'fetch'; readonly row: Row; readonly from: SourceId }
  /** No longer wanted from there; bytes that came are kept for the next source. */
  | { readonly kind: 'cancel'; readonly row: Row; readonly from: SourceId }
  | { readonly kind: 'tell-follower'; readonly follower: PeerId; readonly message: FeederMessage }
  /** Send it the chunk, which we hold, behind those already being sent; answered by served. */
  | { readonly kind: 'serve'; readonly follower: PeerId; readonly row: Row }
  /** Not to be sent any more (moved, unwanted), if it has not begun. */
  | { readonly kind: 'unserve'; readonly follower: PeerId; readonly row: Row }
  | { readonly kind: 'drop-follower'; readonly follower: PeerId }
  /** A wanted chunk that nobody delivers for now: whoever wanted it may try another way, or want it again. */
  | { readonly kind: 'give-up'; readonly row: Row; readonly why: FetchFailure; readonly what: string }
  /** It went quiet, or its connection broke: the site shall find out whether it is still there. */
  | { readonly kind: 'suspect'; readonly peer: PeerId }
  /** Something that a person following the log wants to know. */
  | { readonly kind: 'note'; readonly what: LineNote; readonly peer?: SourceId; readonly reason: string };

export interface LineSetup {
  readonly self: PeerId;
  readonly role: PeerRole;
  /** Chunks of the image. */
  readonly rows: number;
  storedBytes(row: Row): number;
  /** Held when it begins. */
  has(row: Row): boolean;
}

/** For `peerboot site`: who feeds whom. */
export interface LineState {
  readonly strategy: 'line' | 'swarm';
  readonly feeder: SourceId | undefined;
  readonly depth: number;
  readonly held: number;
  readonly rate: number;
  readonly followers: readonly {
    readonly id: PeerId;
    readonly rate: number;
    readonly held: number;
    /** We are one of its many sources. */
    readonly joins?: boolean;
  }[];
  /** Requests of followers that wait for a chunk on its way to us. */
  readonly holds: number;
  readonly paused: boolean;
  /** Our uplink is much slower than others' links: another had better cross the WAN. */
  readonly slowUplink?: boolean;
}

export interface LineMachine extends Machine<LineEvent, LineAction> {
  state(): LineState;
}

export type { ChunkForm };
