// Gives every dial of the gateway what logs and traces know it by, and tells the log how it went. The one place for
// all fronts, so that none forgets.

import { nanoid } from 'nanoid';
import type { StreamSocket } from '../client/index.ts';
import { markFacts } from '../protocol/dial-mark.ts';
import { type DialTracer, errorTypeOf } from '../tracing/dial-tracer.ts';
import type { GatewayLog } from './gateway-log.ts';
import type { DialingFront } from './meter.ts';
import type { GatewayTarget, TargetDialer } from './target-dialer.ts';

export class TracedDialer implements TargetDialer {
  readonly #dialer: TargetDialer;
  readonly #front: DialingFront;
  readonly #log: GatewayLog;
  readonly #tracer: DialTracer;

  constructor(dialer: TargetDialer, front: DialingFront, log: GatewayLog, tracer: DialTracer) {
    this.#dialer = dialer;
    this.#front = front;
    this.#log = log;
    this.#tracer = tracer;
  }

  async dial(target: GatewayTarget, signal: AbortSignal): Promise<StreamSocket> {
    const { node, host, port } = target;
    const id = target.id ?? nanoid();
    const span = this.#tracer.begin('gateway dial', 'client', target.traceparent, { host, port, node, id });
    const marked = { ...target, id, traceparent: span.traceparent ?? target.traceparent };
    try {
      const socket = await this.#dialer.dial(marked, signal);
      span.end(undefined);
      const { sessionId: session, dialTiming: timing } = socket;
      const facts = { ...markFacts(marked), session, front: this.#front, node, host, port, ...timing };
      this.#log.debug({ event: 'dialled', ...facts }, 'a target is connected');
      return socket;
    } catch (error) {
      span.end(errorTypeOf(error));
      throw error;
    }
  }
}
