// Talks to a running peer's administration: by default the one on this machine, over loopback.
import { ERROR_TABLE, type ErrorCode } from '../base/error-table.ts';
import { PeerbootError } from '../base/errors.ts';
import { configOf } from './flags.ts';

export interface PeerAddressOptions {
  readonly config?: string;
  /** `http://<peer>:<port>`; another machine's peer needs an admin token. */
  readonly peer?: string;
  readonly httpPort?: number;
}

export interface AdminClient {
  readonly base: string;
  /** Is an admin token configured here? Without one only the peer on this machine can be told anything. */
  readonly hasToken: boolean;
  get(path: string): Promise<unknown>;
  put(path: string, body: unknown): Promise<unknown>;
  post(path: string, body: unknown): Promise<unknown>;
  delete(path: string): Promise<void>;
  /** The body of a stream, piece by piece, until the peer or the signal ends it. */
  stream(path: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

const ANSWER_MS = 10_000;

/** Every call rejects with PB-PEER-DOWN when nobody answers, else with the code that the peer gave. */
export function adminClient(options: PeerAddressOptions): AdminClient {
  const { config: file, httpPort } = options;
  const { config } = configOf({
    ...(file === undefined ? {} : { config: file }),
    ...(httpPort === undefined ? {} : { httpPort }),
  });
  const base = options.peer?.replace(/\/+$/, '') ?? `http://127.0.0.1:${config.httpPort}`;
  const authorization: Record<string, string> =
    config.adminToken === null ? {} : { authorization: `Bearer ${config.adminToken}` };

  async function ask(method: string, path: string, init: { body?: unknown; signal?: AbortSignal } = {}) {
    let response: Response;
    try {
      response = await fetch(base + path, {
        method,
        headers: {
          ...authorization,
          ...(init.body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        signal: init.signal ?? AbortSignal.timeout(ANSWER_MS),
        ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
      });
    } catch (cause) {
      if (init.signal?.aborted === true) throw cause;
      const reason =
        ((cause as Error).cause as NodeJS.ErrnoException | undefined)?.code ?? (cause as Error).message;
      throw new PeerbootError('PB-PEER-DOWN', `nobody answers at ${base} (${reason})`, { cause });
    }
    if (!response.ok) throw await refusal(response, base);
    return response;
  }

  return {
    base,
    hasToken: config.adminToken !== null,
    get: async (path) => saidBy(await ask('GET', path), base),
    put: async (path, body) => saidBy(await ask('PUT', path, { body }), base),
    post: async (path, body) => saidBy(await ask('POST', path, { body }), base),
    delete: async (path) => {
      await (await ask('DELETE', path)).arrayBuffer();
    },
    async *stream(path, signal) {
      const { body } = await ask('GET', path, { signal });
      if (body !== null) yield* body;
    },
  };
}

async function saidBy(response: Response, base: string): Promise<unknown> {
  try {
    return await response.json();
  } catch (cause) {
    throw new PeerbootError('PB-PEER-DOWN', `${base} answered no JSON: it is not a peer of ours`, { cause });
  }
}

/** Our own form of error when a peer of ours answered, else PB-PEER-DOWN: something else holds that port. */
async function refusal(response: Response, base: string): Promise<PeerbootError> {
  const answer = (await response.json().catch(() => undefined)) as
    | { code?: string; what?: string }
    | undefined;
  if (answer?.code !== undefined && answer.code in ERROR_TABLE) {
    return new PeerbootError(answer.code as ErrorCode, answer.what ?? '');
  }
  return new PeerbootError(
    'PB-PEER-DOWN',
    `${base} answered ${response.status}, which is not a peer of ours`,
  );
}
