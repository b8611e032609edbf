// One session with the agent of one node, and the link that carries it. Decides what the end of a link, or a
// word of the broker, means for the streams and for the dials that wait. Knows nothing of sockets.

import { inBackground } from '../link/background.ts';
import type { BrokerLink, LinkMaker } from '../link/broker-link.ts';
import { LinkKeeper } from '../link/keeper.ts';
import { Outbox } from '../link/outbox.ts';
import { WakeTimer } from '../link/timer.ts';
import {
  attachedSchema,
  budgetOf,
  type ControlMessage,
  type Hello,
  parsePayload,
} from '../protocol/control.ts';
import { controlSession, formatSession, readU32 } from '../protocol/envelope.ts';
import { FairleadError, type WireCode, wireCodes } from '../protocol/errors.ts';
import { frameTypes } from '../protocol/frame.ts';
import type { OpenRequest, SealedRequest } from '../protocol/open.ts';
import { type PathLimits, Session } from '../protocol/session.ts';
import type { Stream, StreamHandler } from '../protocol/stream.ts';
import type { ClientMeter } from './meter.ts';
import { PendingDial } from './pending-dial.ts';
import { type RoundTrip, RoundTrips } from './round-trips.ts';
import type { OuterSession } from './sealed-streams.ts';

export interface NodeSessionOptions {
  readonly node: string;
  readonly links: LinkMaker;
  readonly resumeWindowMs: number;
  readonly idleLinkMs: number;
  readonly meter: ClientMeter;
  /** How long an agent that is not there may take to appear before dials fail, in ms; 0 for not at all. */
  readonly graceMs: number;
  /** Once, when the session is of no more use to anyone. */
  readonly ended: () => void;
}

/**
 * - `fresh`: no agent has taken the session yet
 * - `attached`: one has, and is there as far as is known
 * - `away`: it has, and the broker says that it is gone
 * - `draining`: it finishes what it has and takes nothing new
 * - `over`
 */
type Phase = 'fresh' | 'attached' | 'away' | 'draining' | 'over';

/** How long a dial waits for an agent that was there until now, in ms. */
export const returnGraceMs = 3_000;

/** The broker's certificate or TLS itself is wrong: trying again will not mend it. */
const hopelessCodes =
  /^(CERT_|CRL_|ERR_TLS|ERR_SSL|EPROTO|ERROR_IN_CERT_|INVALID_|PATH_LENGTH_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/;

export class NodeSession implements OuterSession {
  /** Streams that wait for a use: they do not keep the session. Whoever opens such counts them. */
  spareStreams = 0;
  /** As logs have it. */
  readonly name: string;
  readonly #options: NodeSessionOptions;
  readonly #id: bigint;
  readonly #session: Session;
  readonly #keeper: LinkKeeper;
  readonly #outbox = new Outbox();
  readonly #timer: WakeTimer;
  readonly #pending = new Set<PendingDial>();
  readonly #roundTrips = new RoundTrips({
    askBroker: (number) => this.#keeper.link?.sendControl(frameTypes.PING, number),
    askAgent: () => this.#session.ping(),
    instance: () => this.#instance ?? '',
    whyUnanswered: (waitedMs) => this.#unanswered('the agent', waitedMs),
  });
  readonly #idleCheck: NodeJS.Timeout;
  #graceTimer: NodeJS.Timeout | undefined;
  #phase: Phase = 'fresh';
  /** The agent that took the session: it alone has its streams. */
  #instance: string | undefined;
  #path: PathLimits | undefined;
  /** The broker said that the agent is gone, and nothing was heard of the agent since. */
  #agentIsGone = false;
  #linkWasUp = false;
  /** Since when a session that was there has been without its agent. */
  #awaySinceMs: number | undefined;
  #lastError: FairleadError | undefined;
  /** The last dial that found no link: the one that is opened is for it. */
  #waitingRequest: string | undefined;
  #idleSinceMs: number | undefined;

  constructor(options: NodeSessionOptions) {
    this.#options = options;
    this.#id = randomSession();
    this.name = formatSession(this.#id);
    this.#timer = new WakeTimer(() => this.#session.advance());
    this.#session = new Session(
      'dialer',
      this.#id,
      {
        now: () => performance.now(),
        outputReady: () => this.#outbox.ready(this.#session),
        wakeAt: (atMs) => this.#timer.wakeAt(atMs),
        retired: (bytes) => this.#outbox.retire(bytes),
        goingAway: () => {
          if (this.#phase !== 'over') this.#phase = 'draining';
        },
        ponged: (rttMs) => this.#roundTrips.agentAnswered(rttMs),
        closed: () => this.#end(),
      },
      { resumeWindowMs: options.resumeWindowMs },
    );
    options.meter.sessionBegan(this.#session);
    const high = Number(this.#id >> 32n);
    const low = Number(this.#id & 0xffffffffn);
    this.#keeper = new LinkKeeper(options.links, '/v1/dial', () => this.#query(), {
      up: (link, hello) => this.#linkUp(link, hello),
      down: (error) => this.#linkDown(error),
      control: (message) => this.#control(message),
      message: (data) => {
        if (readU32(data, 0) !== high || readU32(data, 4) !== low) return;
        if (this.#agentIsGone || this.#phase === 'fresh') this.#agentIsThere();
        this.#session.receive(data);
      },
      drained: () => this.#outbox.flush(),
      requestId: () => this.#waitingRequest,
    });
    this.#idleCheck = inBackground(setInterval(() => this.#endIfIdle(), Math.max(5, options.idleLinkMs / 4)));
    this.#keeper.start();
  }

  get node(): string {
    return this.#options.node;
  }

  get takesDials(): boolean {
    return (this.#phase === 'fresh' || this.#phase === 'attached') && this.#session.takesStreams;
  }

  get isAway(): boolean {
    return this.#phase === 'away';
  }

  /** @throws FairleadError where the session takes no more streams */
  open(request: OpenRequest, handler: StreamHandler, timeoutMs: number): Stream {
    if (this.#keeper.link === undefined) this.#waitingRequest = request.id;
    return this.#open(request, `${request.host}:${request.port}`, handler, timeoutMs);
  }

  /** As {@link open}, for a stream whose target is named inside it. */
  openSealed(handler: StreamHandler, timeoutMs: number): Stream {
    return this.#open({ e2e: 1 }, 'an encrypted stream', handler, timeoutMs);
  }

  #open(
    request: OpenRequest | SealedRequest,
    what: string,
    handler: StreamHandler,
    timeoutMs: number,
  ): Stream {
    const sinceMs = performance.now();
    const dial = new PendingDial(
      handler,
      () => this.#unanswered(what, performance.now() - sinceMs),
      (settled) => this.#pending.delete(settled),
    );
    const stream = this.#session.open(request, dial);
    this.#pending.add(dial);
    dial.begin(stream, timeoutMs);
    this.#idleSinceMs = undefined;
    return stream;
  }

  /** How long it takes to the agent and back. It does not wait for an agent that is away. */
  ping(timeoutMs: number, signal?: AbortSignal): Promise<RoundTrip> {
    if (this.#agentIsGone) return Promise.reject(this.#unserved());
    this.#idleSinceMs = undefined;
    const isOpen = this.#phase === 'attached' && this.#keeper.link !== undefined;
    return this.#roundTrips.measure(isOpen, timeoutMs, signal);
  }

  /** Breaks every stream, tells the agent, and closes the link. */
  close(code: WireCode, reason: string): void {
    if (this.#phase === 'over') return;
    this.#session.close(code, reason);
    this.#end();
  }

  #query(): Record<string, string> {
    return {
      node: this.#options.node,
      session: this.name,
      ...(this.#instance === undefined ? {} : { instance: this.#instance }),
    };
  }

  // ── the link ─────────────────────────────────────────────────────────────────────────────────────

  #linkUp(link: BrokerLink, hello: Hello): void {
    if (!this.#linkWasUp) this.#options.meter.linkChanged(1);
    this.#linkWasUp = true;
    this.#waitingRequest = undefined;
    this.#agentIsGone = false;
    const { maxMessageBytes, inFlightBytes, messagesAreDear = false, packBulk } = hello;
    this.#path = { maxMessageBytes, inFlightBytes, messagesAreDear, packBulk };
    this.#outbox.use(link);
    this.#session.linkUp(this.#path);
    if (this.#phase === 'attached') this.#roundTrips.pathOpened();
  }

  /** Answers whether to connect again. */
  #linkDown(error: FairleadError): boolean {
    this.#outbox.use(undefined);
    this.#session.linkDown();
    this.#lastError = error;
    const linkWasUp = this.#linkWasUp;
    this.#linkWasUp = false;
    if (linkWasUp) this.#options.meter.linkChanged(-1);
    this.#lostAgent();
    this.#roundTrips.fail(error);
    switch (error.code) {
      case 'ERR_UNAUTHORIZED':
        // A token that ran out on a live link may have been replaced meanwhile: that is the next attempt's to see.
        if (!linkWasUp) this.#failDials(error);
        break;
      case 'ERR_FORBIDDEN': {
        const refusal = asAgentRefusal(error);
        return this.#giveUp(refusal ?? error, refusal?.code ?? 'ERR_PRINCIPAL');
      }
      case 'ERR_CONFIG':
      case 'ERR_PROTOCOL':
        return this.#giveUp(error, 'ERR_PROTOCOL');
      default:
        if (isHopeless(error)) this.#failDials(error);
    }
    // Nobody waits for this link: the next dial gets a new one.
    if (this.#isUnused) return this.#giveUp(error, 'ERR_SESSION_LOST');
    return true;
  }

  #giveUp(error: FairleadError, code: WireCode): false {
    this.#failDials(error);
    this.close(code, error.message);
    return false;
  }

  #failDials(error: FairleadError): void {
    for (const dial of [...this.#pending]) dial.fail(error);
  }

  // ── the broker's word ────────────────────────────────────────────────────────────────────────────

  #control(message: ControlMessage): void {
    if (message.type === frameTypes.BUDGET) {
      const inFlightBytes = budgetOf(message);
      // A path that comes back has the share that was told last.
      if (this.#path !== undefined) this.#path = { ...this.#path, inFlightBytes };
      this.#session.budget(inFlightBytes);
      return;
    }
    if (message.type === frameTypes.PONG) this.#roundTrips.brokerAnswered(message.session);
    if (message.session !== this.#id) return;
    if (message.type === frameTypes.ATTACH) this.#attached(message);
    else if (message.type === frameTypes.UNREACHABLE) this.#agentGone();
  }

  #attached(message: ControlMessage): void {
    try {
      this.#instance = parsePayload(attachedSchema, message.payload).instance;
    } catch (error) {
      if (!(error instanceof FairleadError)) throw error;
      this.#giveUp(error, 'ERR_PROTOCOL');
      return;
    }
    this.#agentIsThere();
  }

  #agentIsThere(): void {
    clearTimeout(this.#graceTimer);
    this.#graceTimer = undefined;
    if (this.#phase === 'fresh' || this.#phase === 'away') this.#phase = 'attached';
    if (this.#awaySinceMs !== undefined) {
      this.#options.meter.sessionResumed((performance.now() - this.#awaySinceMs) / 1000);
      this.#awaySinceMs = undefined;
    }
    if (this.#agentIsGone && this.#path !== undefined) {
      this.#agentIsGone = false;
      this.#session.linkUp(this.#path);
    }
    this.#roundTrips.pathOpened();
  }

  #lostAgent(): void {
    if (this.#phase === 'attached' || this.#phase === 'draining') this.#awaySinceMs ??= performance.now();
  }

  #agentGone(): void {
    this.#agentIsGone = true;
    this.#session.linkDown();
    this.#lostAgent();
    this.#roundTrips.fail(this.#unserved());
    if (this.#phase === 'attached') this.#phase = 'away';
    if (this.#phase !== 'fresh') {
      // Streams wait for the agent to come back. A dial has nothing to lose, and its caller may know another way.
      this.#graceTimer ??= inBackground(setTimeout(() => this.#failDials(this.#unserved()), returnGraceMs));
      return;
    }
    if (this.#options.graceMs === 0) this.#failUnserved();
    else this.#graceTimer ??= inBackground(setTimeout(() => this.#failUnserved(), this.#options.graceMs));
  }

  #failUnserved(): void {
    this.#giveUp(this.#unserved(), 'ERR_SESSION_LOST');
  }

  #unserved(): FairleadError {
    return new FairleadError(
      'ERR_NODE_UNREACHABLE',
      `no agent of the node "${this.#options.node}" is connected to the broker`,
    );
  }

  /** Why a dial took too long, as far as can be seen from here. */
  #unanswered(what: string, waitedMs: number): FairleadError {
    const waited = `${Math.round(waitedMs)} ms`;
    if (this.#keeper.link === undefined) {
      const why = this.#lastError?.message ?? 'it did not answer';
      return new FairleadError('ERR_BROKER_UNREACHABLE', `no link to the broker within ${waited}: ${why}`, {
        cause: this.#lastError,
      });
    }
    if (this.#agentIsGone) return this.#unserved();
    return new FairleadError('ETIMEDOUT', `${what} at "${this.#options.node}": no answer within ${waited}`);
  }

  // ── the end ──────────────────────────────────────────────────────────────────────────────────────

  #endIfIdle(): void {
    const now = performance.now();
    const isIdle = this.#isUnused && (this.spareStreams > 0 || this.#session.idle);
    if (!isIdle) this.#idleSinceMs = undefined;
    else if (this.#idleSinceMs === undefined) this.#idleSinceMs = now;
    else if (now - this.#idleSinceMs >= this.#options.idleLinkMs * 0.7) this.close('ERR_ABORTED', 'idle');
  }

  get #isUnused(): boolean {
    return this.#session.streamCount <= this.spareStreams && this.#roundTrips.waiting === 0;
  }

  #end(): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    clearInterval(this.#idleCheck);
    clearTimeout(this.#graceTimer);
    this.#timer.stop();
    // The session's last word, so that the agent need not wait for it to come back.
    this.#outbox.flush();
    this.#outbox.use(undefined);
    this.#keeper.close();
    this.#roundTrips.fail(new FairleadError('ERR_SESSION_LOST', 'the agent has ended the session'));
    if (this.#linkWasUp) this.#options.meter.linkChanged(-1);
    this.#options.meter.sessionEnded(this.#session);
    this.#options.ended();
  }
}

function randomSession(): bigint {
  const id = crypto.getRandomValues(new BigUint64Array(1))[0] ?? controlSession;
  return id === controlSession ? randomSession() : id;
}

/** The agent's own reason, which the broker passes on as `CODE: reason` when it closes the link. */
function asAgentRefusal(error: FairleadError): (FairleadError & { readonly code: WireCode }) | undefined {
  const code = /: (E[A-Z_]+): /.exec(error.message)?.[1] ?? '';
  if (!Object.hasOwn(wireCodes, code)) return undefined;
  return new FairleadError(code as WireCode, error.message, { cause: error }) as FairleadError & {
    readonly code: WireCode;
  };
}

function isHopeless(error: FairleadError): boolean {
  const { cause } = error;
  return (
    cause instanceof Error &&
    'code' in cause &&
    typeof cause.code === 'string' &&
    hopelessCodes.test(cause.code)
  );
}
