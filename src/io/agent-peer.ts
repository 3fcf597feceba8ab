// The agent's way to its peer: check-in and progress as JSON over HTTP, answers checked against the schemas.
import { request } from 'undici';
import type { z } from 'zod';
import { type CheckIn, CheckInAnswer, ProgressAnswer, type ProgressReport } from '../api/agent.ts';
import { ROUTES } from '../api/routes.ts';
import { PeerbootError } from '../base/errors.ts';

export interface AgentPeer {
  readonly base: string;
  /** Both reject with PB-PEER-SILENT: refused, timed out, or an answer that is none. */
  checkIn(checkIn: CheckIn): Promise<CheckInAnswer>;
  report(report: ProgressReport): Promise<ProgressAnswer>;
}

const CHECK_IN_MS = 10_000;
/** A report is made again anyway, and a host that does not answer is soon left for another one. */
const REPORT_MS = 5_000;
/** An answer is a plan and a few addresses. */
const MOST_ANSWER_BYTES = 64 * 1024;

/** `base` is `http://ip:port`. */
export function createAgentPeer(base: string): AgentPeer {
  async function post<T>(path: string, body: unknown, schema: z.ZodType<T>, withinMs: number): Promise<T> {
    const silent = (what: string, cause?: unknown) =>
      new PeerbootError('PB-PEER-SILENT', `${base}: ${what}`, { cause });
    let status: number;
    let text: string;
    try {
      const response = await request(base + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(withinMs),
      });
      status = response.statusCode;
      text = (await response.body.text()).slice(0, MOST_ANSWER_BYTES);
    } catch (cause) {
      throw silent(reason(cause, withinMs), cause);
    }
    if (status !== 200) throw silent(`answered ${status}: ${text.slice(0, 200)}`);
    try {
      return schema.parse(JSON.parse(text));
    } catch (cause) {
      throw silent('sent an answer that is not understood', cause);
    }
  }
  return {
    base,
    checkIn: (checkIn) => post(ROUTES.checkIn, checkIn, CheckInAnswer, CHECK_IN_MS),
    report: (report) => post(ROUTES.progress, report, ProgressAnswer, REPORT_MS),
  };
}

function reason(error: unknown, withinMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${withinMs / 1000} s`;
  return 'code' in error && error.code === 'ECONNREFUSED' ? 'connection refused' : error.message;
}
