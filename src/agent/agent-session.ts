// One session at the agent: who it belongs to, what that principal may reach, and its streams' targets.

import type { Socket } from 'node:net';
import type { E2eAcceptor, SealedSession } from '../e2e/acceptor.ts';
import type { SealedTarget } from '../e2e/greeting.ts';
import type { AuditEntry, AuditLog } from '../files/audit-log.ts';
import type { Outbox, OutboxSource } from '../link/outbox.ts';
import { Splice, SpliceReader } from '../link/splice.ts';
import { WakeTimer } from '../link/timer.ts';
import type { Attach, Hello } from '../protocol/control.ts';
import { markFacts } from '../protocol/dial-mark.ts';
import { formatSession } from '../protocol/envelope.ts';
import { FairleadError, type WireCode, wireCodes } from '../protocol/errors.ts';
import type { MemoryBudget } from '../protocol/memory-budget.ts';
import { microseconds } from '../protocol/open.ts';
import { type OpenRequest, Session, type SessionHost } from '../protocol/session.ts';
import type { Stream, TargetStream } from '../protocol/stream.ts';
import type { DialTracer } from '../tracing/dial-tracer.ts';
import { AllowList } from './allow.ts';
import { DialPacer } from './dial-pacer.ts';
import { HeldData } from './held-data.ts';
import type { AgentLimits } from './limits.ts';
import type { Meter } from './meter.ts';
import type { AgentLog } from './options.ts';
import type { OwnerRules } from './owner-rules.ts';
import { targetName } from './socket-rule.ts';
import type { StatusReport } from './status-report.ts';
import { dialTarget } from './target.ts';

export interface SessionSettings {
  readonly node: string;
  readonly allow: OwnerRules;
  readonly audit: AuditLog;
  readonly log: AgentLog;
  readonly dialTimeoutMs: number;
  readonly resumeWindowMs: number;
  readonly limits: AgentLimits;
  /** Shared by all sessions. */
  readonly memory: MemoryBudget;
  readonly meter: Meter;
  readonly tracer: DialTracer;
  readonly report: StatusReport;
  /** Shared by all sessions; absent: streams cannot be encrypted. */
  readonly e2e?: E2eAcceptor | undefined;
}

/** Who asks for a stream, besides the session's principal. */
interface Asker {
  /** The name of the key that the agent itself has verified; only on encrypted streams. */
  readonly key?: string;
}

/** What log lines about a stream have in common. */
type StreamFacts = {
  readonly session: string;
  readonly stream: number;
  readonly principal: string;
  readonly key: string | undefined;
  readonly target: string;
  readonly request: string | undefined;
  readonly trace: string | undefined;
};

export class AgentSession implements SessionHost, OutboxSource {
  readonly id: bigint;
  /** The id as logs have it: one text for all streams. */
  private readonly name: string;
  readonly principal: string;
  readonly session: Session;
  /** When the dialer was last attached or left, for letting go of sessions that nobody comes back to. */
  idleSinceMs: number;
  private readonly settings: SessionSettings;
  private readonly outbox: Outbox;
  private readonly timer: WakeTimer;
  private readonly pacer: DialPacer;
  private readonly onClosed: (session: AgentSession, error: FairleadError) => void;
  /** The node owner's list for those without a verified key, and for the last such key that came. */
  private allow: AllowList;
  private allowByKey: { readonly key: string; readonly allow: AllowList } | undefined;
  /** Of the list that these two were made of. */
  private allowVersion: number;
  private readonly sealed: SealedSession | undefined;
  private grants: AllowList | undefined;
  private detachedAtMs: number | undefined;

  constructor(
    id: bigint,
    attach: Attach,
    settings: SessionSettings,
    outbox: Outbox,
    onClosed: (session: AgentSession, error: FairleadError) => void,
  ) {
    this.id = id;
    this.name = formatSession(id);
    this.principal = attach.principal;
    this.allow = settings.allow.forDialer(attach.principal);
    this.allowVersion = settings.allow.version;
    this.settings = settings;
    this.outbox = outbox;
    this.onClosed = onClosed;
    this.sealed = settings.e2e?.session({
      asked: (stream, target, { name }) => this.askedInside(stream, target, name),
      refused: (stream, error) => this.refused({ stream: stream.id }, error),
    });
    this.pacer = new DialPacer(settings.limits.maxDialsPerSecond);
    this.timer = new WakeTimer(() => this.session.advance());
    this.idleSinceMs = performance.now();
    const { resumeWindowMs, memory, limits } = settings;
    const { maxStreams, maxOpensPerSecond, maxResetsPerSecond, maxControlFramesPerSecond } = limits;
    this.session = new Session('agent', id, this, {
      resumeWindowMs,
      maxStreams,
      maxOpensPerSecond,
      maxResetsPerSecond,
      maxControlFramesPerSecond,
      memory,
      pingIntervalMs: Math.min(10_000, resumeWindowMs / 4),
    });
  }

  /** @throws FairleadError ERR_CONFIG where a grant is malformed, which then grants nothing */
  attached(attach: Attach, hello: Hello): void {
    this.grants = attach.grants.targets === undefined ? undefined : new AllowList(attach.grants.targets);
    this.idleSinceMs = performance.now();
    this.detachedAtMs = undefined;
    this.session.linkUp({
      maxMessageBytes: hello.maxMessageBytes,
      inFlightBytes: hello.inFlightBytes,
      messagesAreDear: hello.messagesAreDear ?? false,
      packBulk: hello.packBulk,
    });
  }

  /** How long the dialer has been away; 0 while it is there. */
  get awaySeconds(): number {
    return this.detachedAtMs === undefined ? 0 : (performance.now() - this.detachedAtMs) / 1000;
  }

  detached(): void {
    this.detachedAtMs ??= performance.now();
    this.idleSinceMs = performance.now();
    this.session.linkDown();
  }

  pull(): Uint8Array | undefined {
    return this.session.pull();
  }

  now(): number {
    return performance.now();
  }

  outputReady(): void {
    this.outbox.ready(this);
  }

  retired(bytes: Uint8Array): void {
    this.outbox.retire(bytes);
  }

  wakeAt(atMs: number): void {
    this.timer.wakeAt(atMs);
  }

  opened(stream: Stream, request: OpenRequest): void {
    if (this.settings.e2e?.isRequired !== true) {
      void this.dial(stream, request, {});
      return;
    }
    const why = 'this agent takes encrypted streams only: dial with --e2e';
    const target = targetName(request);
    this.refused({ stream: stream.id, target, ...markFacts(request) }, new FairleadError('ERR_E2E', why));
    stream.reset('ERR_E2E', why);
  }

  openedSealed(stream: Stream, version: number): void {
    if (this.sealed !== undefined) this.sealed.opened(stream, version);
    else stream.reset('ERR_E2E', 'this agent takes no encrypted streams: it has no --e2e-key');
  }

  private askedInside(stream: TargetStream, { node, ...request }: SealedTarget, key: string): void {
    const { host, port } = request;
    if (node === this.settings.node) {
      void this.dial(stream, request, { key });
      return;
    }
    // Somebody between has led it to another node than it was meant for.
    const error = new FairleadError('ERR_E2E', `the dialer means another node than ${this.settings.node}`);
    this.refused(
      { stream: stream.id, target: targetName({ host, port }), key, ...markFacts(request) },
      error,
    );
    stream.reset('ERR_E2E', error.message);
  }

  /** Streams that were encrypted ahead of a use which is not to come. */
  dropSpares(): void {
    this.sealed?.dropWaiting('ERR_DRAINING', 'the agent is stopping');
  }

  closed(error: FairleadError): void {
    this.timer.stop();
    this.pacer.stop();
    this.onClosed(this, error);
  }

  private async dial(stream: TargetStream, request: OpenRequest, { key }: Asker): Promise<void> {
    const { node, log, dialTimeoutMs, tracer } = this.settings;
    const { request: mark, trace } = markFacts(request);
    // Kept as long as the stream, so of one shape: put together by spreads, V8 makes a shape for each.
    const facts: StreamFacts = {
      session: this.name,
      stream: stream.id,
      principal: this.principal,
      key,
      target: targetName(request),
      request: mark,
      trace,
    };
    const { meter } = this.settings;
    const startedAtMs = performance.now();
    const seconds = () => (performance.now() - startedAtMs) / 1000;
    let gone: AbortController | undefined;
    const held = new HeldData(() => gone?.abort());
    stream.handler = held;
    await this.turnToDial(stream);
    if (!stream.live) {
      meter.dialled('ERR_ABORTED', seconds());
      this.audit(facts, { event: 'stream-failed', verdict: 'granted', code: 'ERR_ABORTED' });
      return;
    }
    gone = new AbortController();
    const dialledAtMs = performance.now();
    const { host, port, id, traceparent } = request;
    const about = { host, port, node, id, session: this.name };
    const span = tracer.begin('agent dial', 'server', traceparent, about);
    const reader = new SpliceReader();
    try {
      const policy = { node, allow: this.allowFor(key), grants: this.grants };
      const socket = await dialTarget(request, policy, dialTimeoutMs, reader.onread, gone.signal);
      // What ends it from here on is the splice's to hear; and this is no more than memory.
      gone = undefined;
      span.end(stream.live ? undefined : 'ERR_ABORTED');
      if (!stream.live) {
        socket.destroy();
        meter.dialled('ERR_ABORTED', seconds());
        this.audit(facts, { event: 'stream-failed', verdict: 'granted', code: 'ERR_ABORTED' });
        return;
      }
      meter.dialled('connected', seconds());
      const connectedAtMs = performance.now();
      stream.accept({
        address: socket.remoteAddress ?? '',
        port: socket.remotePort ?? request.port,
        family: socket.remoteFamily === 'IPv6' ? 'IPv6' : 'IPv4',
        timing: {
          agentUs: microseconds(dialledAtMs - startedAtMs),
          targetUs: microseconds(connectedAtMs - dialledAtMs),
        },
      });
      held.release(this.carry(stream, socket, reader, facts));
    } catch (error) {
      const failure =
        error instanceof FairleadError ? error : new FairleadError('ERR_TARGET_FAILED', String(error));
      const code = wireCodeOf(failure, 'ERR_TARGET_FAILED');
      span.end(code);
      meter.dialled(code, seconds());
      // What an encrypted stream is about is nobody's business between: the reason names its target.
      this.settings.report.failed(code, key === undefined ? failure.message : '');
      log.warn({ event: 'stream-refused', ...facts, code, error: failure.message }, 'stream refused');
      const isRefused = code === 'ERR_GRANT_DENIED' || code === 'ERR_TARGET_DENIED';
      this.audit(facts, {
        event: isRefused ? 'stream-refused' : 'stream-failed',
        verdict: isRefused ? 'refused' : 'granted',
        code,
        error: failure.message,
      });
      stream.reset(code, failure.message);
    }
  }

  /** What is kept for as long as the stream lives is here: nothing of how it was dialled. */
  private carry(stream: TargetStream, socket: Socket, reader: SpliceReader, facts: StreamFacts): Splice {
    const { log, meter } = this.settings;
    const since = performance.now();
    const address = socket.remoteAddress;
    log.debug({ event: 'stream-open', ...facts, address }, 'stream open');
    this.audit(facts, { event: 'stream-opened', verdict: 'granted', address });
    const stopped = meter.streaming(socket);
    const splice = new Splice(socket, reader, {
      ended: (error) => {
        stopped();
        if (error !== undefined) meter.streamReset(wireCodeOf(error, 'ECONNRESET'));
        const said = error === undefined ? {} : { error: error.message };
        log.debug({ event: 'stream-closed', ...facts, ...said }, 'stream closed');
        this.audit(facts, {
          event: 'stream-closed',
          address,
          bytesToTarget: socket.bytesWritten,
          bytesFromTarget: socket.bytesRead,
          durationMs: Math.round(performance.now() - since),
          ...said,
        });
      },
    });
    stream.handler = splice;
    splice.join(stream);
    return splice;
  }

  /** Nothing was dialled: the dialer did not come by the way that it has to come by. */
  private refused(
    { stream, ...more }: { stream: number; target?: string; key?: string; request?: string; trace?: string },
    error: FairleadError,
  ): void {
    const facts = { session: this.name, stream, principal: this.principal, ...more };
    const { code, message } = error;
    this.settings.meter.dialled('ERR_E2E', 0);
    this.settings.report.failed(code, '');
    this.settings.log.warn({ event: 'stream-refused', ...facts, code, error: message }, 'stream refused');
    this.audit(facts, { event: 'stream-refused', verdict: 'refused', code, error: message });
  }

  private allowFor(key: string | undefined): AllowList {
    const rules = this.settings.allow;
    if (rules.version !== this.allowVersion) {
      this.allowVersion = rules.version;
      this.allow = rules.forDialer(this.principal);
      this.allowByKey = undefined;
    }
    if (key === undefined) return this.allow;
    if (this.allowByKey?.key !== key) this.allowByKey = { key, allow: rules.forDialer(this.principal, key) };
    return this.allowByKey.allow;
  }

  /** An OPEN that is taken back before its turn is worth neither a connection nor a line in the log. */
  private async turnToDial(stream: TargetStream): Promise<void> {
    // By then the whole message was read: a flood of resets takes back what it opens in one.
    await undefined;
    if (!stream.live) return;
    await new Promise<void>((resolve) => {
      this.pacer.run(() => {
        resolve();
        return stream.live;
      });
    });
  }

  private audit(facts: Omit<AuditEntry, 'event'>, entry: AuditEntry): void {
    this.settings.audit.record({ node: this.settings.node, ...facts, ...entry });
  }
}

function wireCodeOf(error: Error, otherwise: WireCode): WireCode {
  const code = 'code' in error ? String(error.code) : '';
  return code in wireCodes ? (code as WireCode) : otherwise;
}
