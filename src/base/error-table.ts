// The one table of error codes: what each means and the one thing to do. docs/errors.md is printed from it.

export interface ErrorEntry {
  /** One sentence without a full stop: what went wrong. */
  readonly means: string;
  /** One imperative sentence: what the reader does about it. */
  readonly remedy: string;
}

/** Codes by subject, a comment line before each subject; keep each subject's rows sorted. */
export const ERROR_TABLE = {
  // Starting up and configuration
  'PB-CONFIG-INVALID': {
    means: 'The configuration has an unknown key or a value of the wrong form',
    remedy:
      'Correct the key named in the message; `peerboot config show --origin` tells where each value came from.',
  },
  'PB-PORT-DENIED': {
    means: 'The system does not let this user open a port below 1024',
    remedy: 'Run as root, or give the process CAP_NET_BIND_SERVICE (the systemd unit in packaging/ does).',
  },
  'PB-PORT-IN-USE': {
    means: 'Another program already holds a port that Peerboot needs',
    remedy: 'Stop that program (`ss -ulnp` names it) or choose another port in the configuration.',
  },
  // Content and sources
  'PB-CHUNK-CORRUPT': {
    means: 'Bytes do not have the digest they are named by',
    remedy:
      'Nothing to do once: the bytes were dropped and another source is asked. If it persists, publish the image again.',
  },
  'PB-CHUNK-MISSING': {
    means: 'No source has this chunk',
    remedy: 'Check that the origin holds the whole published tree, then retry.',
  },
  'PB-SOURCE-FAILED': {
    means: 'A source could not be reached, stalled, or answered wrongly',
    remedy: 'Check the address and the network path to the source named in the message.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERROR_TABLE;
