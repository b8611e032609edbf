// The agent: keeps one link to the broker, and a session for each dialer that the broker has authenticated. It
// is the authority over its sessions: one belongs to the principal that began it, whatever a broker has forgotten.

import { nanoid } from 'nanoid';
import { E2eAcceptor } from '../e2e/acceptor.ts';
import type { AuditEntry, AuditLog } from '../files/audit-log.ts';
import type { BrokerLink, LinkMaker } from '../link/broker-link.ts';
import { LinkKeeper } from '../link/keeper.ts';
import { linksTo } from '../link/link.ts';
import { Outbox } from '../link/outbox.ts';
import {
  type Attach,
  attachSchema,
  budgetOf,
  type ControlMessage,
  encodeControl,
  type Hello,
  parsePayload,
} from '../protocol/control.ts';
import { formatSession, readSession } from '../protocol/envelope.ts';
import { FairleadError } from '../protocol/errors.ts';
import { Fifo } from '../protocol/fifo.ts';
import { frameTypes } from '../protocol/frame.ts';
import { MemoryBudget } from '../protocol/memory-budget.ts';
import { noTracer } from '../tracing/dial-tracer.ts';
import { AgentSession, type SessionSettings } from './agent-session.ts';
import { noMeter } from './meter.ts';
import { type AgentLog, type AgentOptions, agentDefaults, limitsOf, noAudit, silentLog } from './options.ts';
import { OwnerRules } from './owner-rules.ts';
import { Penalties } from './penalties.ts';
import { StatusReport } from './status-report.ts';

export interface Agent {
  readonly node: string;
  readonly instance: string;
  readonly sessionCount: number;
  readonly streamCount: number;
  /** There is a link to the broker. */
  readonly isConnected: boolean;
  /** Held for streams, over all sessions. */
  readonly bufferedBytes: number;
  /** Sent and not acknowledged by dialers, over all sessions. */
  readonly inFlightBytes: number;
  /**
   * Another list of what dialers may reach, for streams that are opened from now on.
   *
   * @throws FairleadError ERR_CONFIG for a rule that is none; then nothing has changed
   */
  replaceAllow(rules: readonly string[]): void;
  /** Takes no new streams, waits until those open have ended or `timeoutMs` have passed, resets the rest, ends. */
  drain(timeoutMs: number): Promise<void>;
  /** Ends at once: streams are reset with ERR_STOPPED. */
  close(): Promise<void>;
}

/** Ids of sessions that are over, which must not begin again. */
const maxRemembered = 4096;
const sweepMs = 5000;
const drainPollMs = 50;
/** How long the last messages may take to leave at the end, in ms. */
const lingerMs = 250;

/**
 * Resolves once the broker has taken the agent on.
 *
 * @throws FairleadError ERR_CONFIG for a rule or URL that is none, ERR_UNAUTHORIZED or ERR_FORBIDDEN where the
 *   broker refuses the token; a broker that cannot be reached is tried for ever, or until `signal` aborts
 * @param links How its links are opened. Default: as WebSockets.
 */
export async function startAgent(options: AgentOptions, links: LinkMaker = linksTo(options)): Promise<Agent> {
  const agent = new RunningAgent(options, links);
  await agent.start(options.signal);
  return agent;
}

class RunningAgent implements Agent {
  readonly node: string;
  readonly instance: string;
  private readonly log: AgentLog;
  private readonly audit: AuditLog;
  private readonly settings: SessionSettings;
  private readonly memory: MemoryBudget;
  private readonly penalties = new Penalties();
  private readonly keeper: LinkKeeper;
  private readonly report = new StatusReport(() => this.streamCount);
  private readonly outbox = new Outbox();
  private readonly sessions = new Map<bigint, AgentSession>();
  /** Sessions whose present dialer was accepted on the present link. Messages of others are dropped. */
  private readonly attached = new Set<bigint>();
  private readonly ended = new Set<bigint>();
  private readonly endedOrder = new Fifo<bigint>();
  private hello: Hello | undefined;
  private sweep: NodeJS.Timeout | undefined;
  private state: 'starting' | 'serving' | 'draining' | 'closed' = 'starting';
  private started: { resolve(): void; reject(error: unknown): void } | undefined;

  constructor(options: AgentOptions, links: LinkMaker) {
    const settings = { ...agentDefaults, ...options };
    this.node = options.node;
    this.instance = options.instance ?? nanoid(12);
    this.log = options.log ?? silentLog;
    const limits = limitsOf(options);
    this.memory = new MemoryBudget(limits.maxBufferedBytes);
    this.audit = options.audit ?? noAudit;
    this.settings = {
      ...settings,
      allow: new OwnerRules(options.allow),
      audit: this.audit,
      log: this.log,
      limits,
      memory: this.memory,
      meter: options.meter ?? noMeter,
      tracer: options.tracer ?? noTracer,
      report: this.report,
      e2e: options.e2e === undefined ? undefined : new E2eAcceptor(options.e2e),
    };
    const { version, routes = [], labels = {} } = options;
    const query = {
      node: this.node,
      instance: this.instance,
      version: version ?? agentDefaults.version,
      ...(routes.length === 0 ? {} : { routes: routes.join(',') }),
      ...(Object.keys(labels).length === 0 ? {} : { labels: new URLSearchParams(labels).toString() }),
    };
    this.keeper = new LinkKeeper(links, '/v1/agent', () => query, {
      up: (link, hello) => this.onUp(link, hello),
      down: (error) => this.onDown(error),
      control: (message) => this.onControl(message),
      message: (data) => this.onMessage(data),
      drained: () => this.outbox.flush(),
    });
  }

  replaceAllow(rules: readonly string[]): void {
    this.settings.allow.replace(rules);
  }

  get sessionCount(): number {
    return this.sessions.size;
  }

  get streamCount(): number {
    let count = 0;
    for (const { session } of this.sessions.values()) count += session.streamCount;
    return count;
  }

  get isConnected(): boolean {
    return this.hello !== undefined && this.keeper.link !== undefined;
  }

  get bufferedBytes(): number {
    return this.memory.heldBytes;
  }

  get inFlightBytes(): number {
    let bytes = 0;
    for (const { session } of this.sessions.values()) bytes += session.inFlightBytes;
    return bytes;
  }

  start(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.shut();
        reject(new FairleadError('ERR_ABORTED', 'the agent was stopped before it reached its broker'));
      };
      const done = () => signal?.removeEventListener('abort', onAbort);
      this.started = {
        resolve: () => {
          done();
          resolve();
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      if (signal?.aborted) {
        onAbort();
        return;
      }
      signal?.addEventListener('abort', onAbort);
      this.sweep = setInterval(() => this.sweepIdle(), sweepMs).unref();
      this.keeper.start();
    });
  }

  async drain(timeoutMs: number): Promise<void> {
    if (this.state === 'closed') return;
    this.state = 'draining';
    this.keeper.link?.sendControl(frameTypes.GOAWAY, undefined, {
      code: 'ERR_DRAINING',
      reason: 'the agent is stopping',
    });
    for (const held of this.sessions.values()) {
      held.session.goAway('ERR_DRAINING', 'the agent is stopping');
      held.dropSpares();
    }
    if (this.streamCount > 0) {
      this.log.info({ event: 'drain', streams: this.streamCount, timeoutMs }, 'waiting for open streams');
      const until = performance.now() + timeoutMs;
      while (this.streamCount > 0 && performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, drainPollMs));
      }
    }
    await this.close();
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return;
    for (const { session } of [...this.sessions.values()])
      session.close('ERR_STOPPED', 'the agent has stopped');
    this.outbox.flush();
    // The last words must leave the process before the link does.
    const until = performance.now() + lingerMs;
    while ((this.keeper.link?.bufferedBytes ?? 0) > 0 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.shut();
  }

  private shut(): void {
    this.state = 'closed';
    clearInterval(this.sweep);
    this.report.stop();
    this.settings.e2e?.close();
    this.keeper.close();
  }

  private onUp(link: BrokerLink, hello: Hello): void {
    this.hello = hello;
    // A new link: nobody is attached to it until the broker says so.
    this.detachAll();
    this.outbox.use(link);
    this.report.use(link, hello.messagesAreDear ?? false);
    this.log.info(
      { event: 'link-up', node: this.node, instance: this.instance, broker: hello.version },
      'registered with the broker',
    );
    if (this.state === 'draining') {
      link.sendControl(frameTypes.GOAWAY, undefined, {
        code: 'ERR_DRAINING',
        reason: 'the agent is stopping',
      });
    }
    if (this.state === 'starting') {
      this.state = 'serving';
      this.started?.resolve();
    }
  }

  private onDown(error: FairleadError): boolean {
    this.outbox.use(undefined);
    this.report.use(undefined, false);
    this.report.failed(error.code, error.message);
    this.detachAll();
    if (this.state === 'starting' && error.code !== 'ERR_BROKER_UNREACHABLE') {
      this.shut();
      this.started?.reject(error);
      return false;
    }
    this.log.warn(
      { event: 'link-down', node: this.node, code: error.code, error: error.message },
      'no link to the broker',
    );
    // Once it was taken on, an agent comes back whatever happens: tokens are renewed and brokers mended.
    return true;
  }

  private onControl(message: ControlMessage): void {
    const { type, session, payload } = message;
    if (type === frameTypes.ATTACH) {
      this.onAttach(session, payload);
    } else if (type === frameTypes.DETACH || type === frameTypes.UNREACHABLE) {
      if (type === frameTypes.DETACH) this.attached.delete(session);
      this.sessions.get(session)?.detached();
    } else if (type === frameTypes.BUDGET) {
      const inFlightBytes = budgetOf(message);
      // Sessions to come have the share that was told last.
      if (this.hello !== undefined) this.hello = { ...this.hello, inFlightBytes };
      for (const { session: core } of this.sessions.values()) core.budget(inFlightBytes);
    }
  }

  private onAttach(id: bigint, payload: Uint8Array): void {
    this.attached.delete(id);
    let principal: string | undefined;
    try {
      const attach = parsePayload(attachSchema, payload);
      principal = attach.principal;
      const known = this.sessions.get(id);
      const session = known ?? this.begin(id, attach);
      const awaySeconds = session.awaySeconds;
      if (session.principal !== attach.principal) {
        throw new FairleadError('ERR_PRINCIPAL', 'the session belongs to another principal');
      }
      this.attached.add(id);
      this.keeper.link?.sendControl(frameTypes.ATTACH, id);
      if (this.hello !== undefined) session.attached(attach, this.hello);
      if (known !== undefined) this.settings.meter.sessionResumed(awaySeconds);
    } catch (error) {
      if (!(error instanceof FairleadError)) throw error;
      this.attached.delete(id);
      this.sessions.get(id)?.detached();
      this.settings.meter.sessionRefused(error.code);
      this.report.failed(error.code, error.message);
      this.log.warn(
        { event: 'session-refused', session: formatSession(id), code: error.code },
        'session refused',
      );
      this.recordSession(id, {
        event: 'session-refused',
        verdict: 'refused',
        principal,
        code: error.code,
        error: error.message,
      });
      const reason = { code: error.code, reason: error.message.slice(0, 200) };
      this.keeper.link?.send(encodeControl(frameTypes.DETACH, id, reason));
    }
  }

  private begin(id: bigint, attach: Attach): AgentSession {
    if (this.ended.has(id)) throw new FairleadError('ERR_SESSION_LOST', 'the session has ended');
    if (this.state === 'draining') throw new FairleadError('ERR_DRAINING', 'the agent takes no new sessions');
    this.refuseIfTooMany(attach.principal);
    const session = new AgentSession(id, attach, this.settings, this.outbox, (_, error) =>
      this.forget(id, error),
    );
    this.sessions.set(id, session);
    this.settings.meter.sessionBegan(session.session);
    this.log.info(
      { event: 'session-begin', session: formatSession(id), principal: attach.principal },
      'session',
    );
    const { principal } = attach;
    this.recordSession(id, { event: 'session-opened', verdict: 'granted', principal });
    return session;
  }

  private refuseIfTooMany(principal: string): void {
    const { maxSessions, maxSessionsPerPrincipal } = this.settings.limits;
    if (this.penalties.isPunished(principal, performance.now()))
      throw new FairleadError('ERR_RATE_LIMIT', 'a session of this principal went over a rate just now');
    if (this.sessions.size >= maxSessions)
      throw new FairleadError('ERR_STREAM_LIMIT', `the agent has ${maxSessions} sessions, its limit`);
    let own = 0;
    for (const session of this.sessions.values()) if (session.principal === principal) own++;
    if (own >= maxSessionsPerPrincipal)
      throw new FairleadError(
        'ERR_STREAM_LIMIT',
        `the principal has ${own} sessions at this agent, its limit`,
      );
  }

  private recordSession(id: bigint, entry: AuditEntry): void {
    this.audit.record({ node: this.node, session: formatSession(id), ...entry });
  }

  private onMessage(data: Uint8Array): void {
    const id = readSession(data);
    if (id !== undefined && this.attached.has(id)) this.sessions.get(id)?.session.receive(data);
  }

  private detachAll(): void {
    this.attached.clear();
    for (const session of this.sessions.values()) session.detached();
  }

  /** Sessions without streams whose dialer has been away for the resume window are let go. */
  private sweepIdle(): void {
    const before = performance.now() - this.settings.resumeWindowMs;
    for (const session of [...this.sessions.values()]) {
      const isGone = !this.attached.has(session.id) && session.idleSinceMs < before;
      if (isGone && session.session.streamCount === 0)
        session.session.close('ERR_RESUME_TIMEOUT', 'nobody came back');
    }
  }

  private forget(id: bigint, error: FairleadError): void {
    const session = this.sessions.get(id);
    if (session === undefined) return;
    this.sessions.delete(id);
    this.settings.meter.sessionEnded(error.code, session.session);
    if (error.code === 'ERR_RATE_LIMIT') this.penalties.punish(session.principal, performance.now());
    this.recordSession(id, { event: 'session-closed', principal: session.principal, code: error.code });
    this.log.info({ event: 'session-end', session: formatSession(id), code: error.code }, 'session over');
    this.ended.add(id);
    this.endedOrder.push(id);
    if (this.endedOrder.length > maxRemembered) this.ended.delete(this.endedOrder.shift() ?? 0n);
  }
}
