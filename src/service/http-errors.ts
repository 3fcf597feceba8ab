// Failures as answers: a status and JSON of code, what and remedy, from the one table of errors.
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { ErrorCode } from '../base/error-table.ts';
import { isPeerbootError, PeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';

/** Codes that are the asker's fault or the state of things; every other one is answered with 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  'PB-ADMIN-FORBIDDEN': 403,
  'PB-APPROVE-IMAGE': 409,
  'PB-BOOT-ENTRY-UNKNOWN': 404,
  'PB-CHUNK-CORRUPT': 502,
  'PB-CHUNK-MISSING': 404,
  'PB-CODE-GUESSED': 429,
  'PB-CODE-UNKNOWN': 404,
  'PB-HTTP-BUSY': 503,
  'PB-IMAGE-IS-PACKAGE': 400,
  'PB-IMAGE-UNKNOWN': 404,
  'PB-HTTP-NOT-FOUND': 404,
  'PB-LAST-COPY': 409,
  'PB-LIST-INVALID': 400,
  'PB-PIN-WRONG': 403,
  'PB-REQUEST-INVALID': 400,
  'PB-SOURCE-FAILED': 502,
};

export interface ErrorAnswer {
  readonly code: ErrorCode;
  readonly what: string;
  readonly remedy: string;
}

function answerOf({ code, message, remedy }: PeerbootError): ErrorAnswer {
  return { code, what: message, remedy };
}

export function answerErrors(app: FastifyInstance, log: Log): void {
  app.setNotFoundHandler((request, reply) => {
    const wrong = new PeerbootError('PB-HTTP-NOT-FOUND', `there is no ${request.method} ${pathOf(request)}`);
    return reply.code(404).send(answerOf(wrong));
  });
  app.setErrorHandler((error: FastifyError, request, reply) => fail(error, request, reply, log));
}

function fail(error: FastifyError, request: FastifyRequest, reply: FastifyReply, log: Log): FastifyReply {
  const asked = { method: request.method, path: pathOf(request), address: request.ip };
  if (reply.sent) {
    log.warn({ ...asked, err: error }, 'answer broke off');
    return reply;
  }
  if (isPeerbootError(error)) {
    const status = STATUS[error.code] ?? 500;
    log[status >= 500 ? 'warn' : 'debug']({ ...asked, err: error, status }, 'request refused');
    return reply.code(status).send(answerOf(error));
  }
  const status = error.statusCode ?? 500;
  // Fastify's own refusals: body too large (413), wrong type (415), broken JSON (400).
  if (status < 500) {
    log.debug({ ...asked, err: error, status }, 'request refused');
    return reply.code(status).send(answerOf(new PeerbootError('PB-REQUEST-INVALID', error.message)));
  }
  log.error({ ...asked, err: error }, 'request failed');
  return reply.code(500).send(answerOf(new PeerbootError('PB-HTTP-INTERNAL', 'see the log of the peer')));
}

/** The value in its checked form; throws PB-REQUEST-INVALID that names the first wrong field. */
export function checked<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  throw new PeerbootError('PB-REQUEST-INVALID', `${where === '' ? 'body' : where}: ${issue?.message}`);
}

/** Without the query: it holds serial numbers. */
function pathOf(request: FastifyRequest): string {
  return (request.url.split('?', 1)[0] as string).slice(0, 200);
}
