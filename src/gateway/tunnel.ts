// One tunnel from the request to its end: dials, answers, joins. The same for CONNECT and SOCKS5. Must leave nothing
// behind, however the client goes.

import type { Socket } from 'node:net';
import type { StreamSocket } from '../client/index.ts';
import { markFacts } from '../protocol/dial-mark.ts';
import { FairleadError } from '../protocol/errors.ts';
import type { GatewayLog } from './gateway-log.ts';
import { join } from './join.ts';
import { lastAnswer } from './last-answer.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import type { GatewayTarget, TargetDialer } from './target-dialer.ts';
import { WaitingClient } from './waiting-client.ts';

export interface TunnelContext {
  readonly dialer: TargetDialer;
  readonly log: GatewayLog;
  /** Counts a request that was not served, by the code that its client was told. */
  readonly countRefused: (code: string) => void;
  /** How long a target's first bytes wait for a client that has not spoken, in ms. */
  readonly serverFirstGraceMs: number;
}

export interface TunnelRequest {
  readonly client: Socket;
  /** What was read beyond the request. */
  readonly early: Buffer;
  readonly target: GatewayTarget;
  readonly connected: (target: StreamSocket) => Buffer;
  readonly refused: (outcome: Outcome) => Buffer;
}

export async function serveTunnel(request: TunnelRequest, context: TunnelContext): Promise<void> {
  const { client, target } = request;
  const { log } = context;
  const waiting = new WaitingClient(client, request.early);
  const facts = { ...markFacts(target), host: target.host, port: target.port };
  try {
    const upstream = await context.dialer.dial(target, waiting.gone);
    const spoken = waiting.take();
    if (waiting.gone.aborted) {
      upstream.resetAndDestroy();
      client.destroy();
      return;
    }
    if (upstream.destroyed)
      throw upstream.errored ?? new FairleadError('ECONNRESET', 'the target closed the connection at once');
    log.debug({ event: 'tunnel-opened', ...facts, session: upstream.sessionId }, 'connected');
    const { serverFirstGraceMs } = context;
    await join(client, upstream, { answer: request.connected(upstream), spoken, serverFirstGraceMs });
    log.debug({ event: 'tunnel-closed', ...facts, session: upstream.sessionId }, 'connection closed');
  } catch (error) {
    waiting.take();
    if (waiting.gone.aborted) {
      client.destroy();
      log.debug({ event: 'client-left', ...facts }, 'the client left before it was connected');
      return;
    }
    const outcome = outcomeOf(error);
    context.countRefused(outcome.code);
    if (outcome.status === 500)
      log.error({ event: 'tunnel-failed', ...facts, error: String(error) }, 'a dial failed');
    else {
      const { status, code, reason } = outcome;
      log.info({ event: 'tunnel-refused', ...facts, status, code, reason }, 'connection refused');
    }
    lastAnswer(client, request.refused(outcome));
  }
}
