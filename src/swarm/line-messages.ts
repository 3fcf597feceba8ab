// What a follower and its feeder say to each other on one connection, which is about one image: control, not bytes.
import type { PeerId, PeerRef } from './site.ts';

/** Follower → feeder. Wants are not here: the driver sends them with the byte from which it still needs the chunk. */
export type FollowerMessage =
  /** The first word on a connection, and again when its facts have changed much. */
  | {
      readonly kind: 'attach';
      /** Chunks held, so that the feeder can tell who is ahead. */
      readonly held: number;
      /** Bytes per second that the follower can take; 0: not known yet. */
      readonly rate: number;
      /**
       * The follower of yours whose place I take, since it is slow, or has sent me up to you. Myself: my uplink is slow, so
       * whoever comes instead of me shall have my place.
       */
      readonly insteadOf?: PeerId;
    }
  /** One of many sources (mesh), not a place in the line: nobody is pointed elsewhere. */
  | { readonly kind: 'join'; readonly held: number };

/** Where a feeder stands: so that followers can measure, heal and go round. */
export interface Standing {
  readonly held: number;
  /** Feeders above the feeder up to the source of the line; 0: it has the image or crosses the WAN itself. */
  readonly depth: number;
  /** The nearest of them first, at most 4: whom to ask when this one dies. */
  readonly above: readonly PeerRef[];
  /** Bytes per second that it receives now; 0 when it receives nothing. */
  readonly rate: number;
}

export type MovedWhy = 'full' | 'slow' | 'leaving' | 'instead';

/** Feeder → follower. */
export type FeederMessage =
  | ({ readonly kind: 'attached' } & Standing)
  /** At least every `beatMs` while nothing else is sent, so that silence means death. */
  | ({ readonly kind: 'standing' } & Standing)
  /**
   * Ask there instead: at attach (walk to the end of the line) or later (somebody took your place). `instead`: that is my own
   * feeder, and you shall have my place, since my uplink is slow.
   */
  | { readonly kind: 'moved'; readonly to: PeerRef; readonly why: MovedWhy }
  | { readonly kind: 'refused'; readonly why: 'unknown-image' | 'unfit' | 'cycle' | 'banned' | 'full' }
  /** It will not have the chunk: not held, not on its way, and it cannot fetch it. */
  | { readonly kind: 'missing'; readonly row: number }
  /** For the mesh: all that I hold (one bit a chunk, first chunk in the highest bit of the first byte), then what is added. */
  | { readonly kind: 'holds'; readonly rows: Uint8Array }
  | { readonly kind: 'have'; readonly row: number };

/** How a chunk's bytes are sent. `repacked`: another zstd frame of the same plain bytes, to be proved slice by slice. */
export type ChunkForm = 'stored' | 'repacked';
